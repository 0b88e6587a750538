"""InceptionScore: how sure a classifier is of generated images, and how many kinds of them there are.

Computes:
    exp of the mean of KL(p(y|x) || p(y)) (Salimans et al. 2016), where p(y|x) is what a trained classifier says of an
    image and p(y) the mean of that over all images. It is between 1 (all images are taken for the same, or the
    classifier knows nothing) and the number of classes. A second top gives p(y).

Shapes:
    Bottom: probabilities along `axis`, of each position alone. Tops: a scalar; one value for each class.

Gradient:
    None.

Caffe notes:
    Caffe has no such layer. A test gives the figure of all its images together, not a mean of those of its batches.
    The classifier is a part of the file, in a block `test { }`, and takes its weights from those that
    training begins with (`weights` in the solver, or --weights); it ends in a Softmax. Values that are no probabilities
    are an error.
"""

import numpy as np

from netc.errors import Code, NetError
from netc.kernels.geometry import Along
from netc.kernels.inception import Marginal, marginal_of
from netc.kernels.labels import bad_value
from netc.kernels.tally import counting
from netc.layer import (
    AXIS_OUT_OF_RANGE,
    Arity,
    Array,
    Call,
    Example,
    Input,
    LayerType,
    Param,
    Refused,
    Setup,
    Site,
    flat,
)
from netc.role import Role
from netc.schema.declare import Message, optional

NO_PROBABILITIES = Code(
    "LAY116",
    "values are no probabilities",
    why="The layer compares distributions: the values of all classes at one place are at least 0 and add up to 1.",
    example='layer { name: "score" type: "InceptionScore" bottom: "fc8" top: "score" }  # fc8 holds scores',
    fix="Put a Softmax layer between the scores and this layer.",
)
PARAMETER = Message(
    "InceptionScoreParameter",
    (optional("axis", 1, "int32", 1, "The axis of the classes.", origin="netc"),),
    doc="Fields of InceptionScore.",
    origin="netc",
)
_TOLERANCE = 1e-3


def setup(site: Site) -> Setup:
    axis = site.axis(site.p.axis)
    classes = site.bottoms[0][axis]
    return Setup(tops=((), (classes,))[: site.top_count], reads=(), geometry=Along(axis))


def count(call: Call) -> Marginal:
    p = flat(call.bottoms[0], call.known(Along).axis)
    rows = np.moveaxis(p, 1, 2).reshape(-1, p.shape[1])
    if refused := _refusal(call, rows):
        raise refused
    return marginal_of(rows)


def _refusal(call: Call, rows: Array) -> NetError | None:
    """That a row is no distribution (LAY116); one with a value that is none makes the figure NaN."""
    sums = rows.sum(axis=1, dtype=np.float64)
    wrong = (rows < 0).any(axis=1) | (np.abs(sums - 1) > _TOLERANCE)
    wrong &= np.isfinite(sums)
    if not wrong.any():
        return None
    at = int(wrong.argmax())
    message = f"what the bottom says of item {at} adds up to {sums[at]:g}, and the smallest value is {rows[at].min():g}"
    return bad_value(NO_PROBABILITIES, call.record, message, "put a Softmax layer before it")


_INPUTS = (Input((6, 5), "probabilities"),)

INCEPTION_SCORE = LayerType(
    "InceptionScore",
    __doc__,
    setup,
    counting(count),
    param="inception_score_param",
    own=Param(
        optional("inception_score_param", 2179, "InceptionScoreParameter", doc="Fields of the layer.", origin="netc"),
        (PARAMETER,),
    ),
    origin="netc",
    bottoms=Arity(1, 1),
    tops=Arity(1, 2),
    differentiable=False,
    codes=(NO_PROBABILITIES,),
    role=Role("measure", end="measure", tallies=True),
    examples=(
        Example(inputs=_INPUTS, tops=2, phase="TEST"),
        Example("inception_score_param { axis: -3 }", inputs=(Input((2, 4, 3, 2), "probabilities"),), phase="TEST"),
    ),
    refuses=(Refused(AXIS_OUT_OF_RANGE, "inception_score_param { axis: 2 }", bottoms=((4, 3),)),),
)
