"""Negative sampling loss (Mikolov et al. 2013): a softmax over very many classes, at the price of a few.

Computes:
    For each row h of the first bottom with label t: -log s(v_t . h) - the sum over `negative` drawn classes k of
    log s(-v_k . h), with s(x) = 1 / (1 + exp(-x)); loss = 1/N of the sum. Classes are drawn with probabilities
    proportional to `frequency`^`power` (all the same without `frequency`); a drawn class that is the label does not
    count.

Shapes:
    Bottoms: h (N x D, or N x ...), N labels. The top is a scalar. Blob: the vectors v (`num_output` x D).

Gradient:
    With g = s(v_c . h) - [c = t] for the label and the drawn classes c: dh = weight / N the sum of g v_c;
    dv_c = weight / N g h. Labels take none.

Caffe notes:
    Caffe has no such layer. The draws are a function of the seed, the layer and the iteration. A label that is not a
    class is an error. NaN makes the loss NaN.
"""

from collections.abc import Sequence
from math import prod

import numpy as np

from netc.kernels.geometry import NegativeSamplingGeometry
from netc.kernels.labels import LABEL_OUT_OF_RANGE, class_labels
from netc.kernels.philox import fill_uniform
from netc.kernels.rows import add_rows
from netc.layer import (
    BAD_BOTTOM_SHAPE,
    BAD_FIELD,
    MISSING_FIELD,
    Arity,
    Array,
    Buffer,
    Call,
    Example,
    Input,
    LayerType,
    Param,
    ParamBlob,
    Refused,
    Setup,
    Site,
    format_shape,
)
from netc.role import ANYTHING, Role, whole
from netc.schema.declare import Field, Message, optional, repeated

OWN = Param(
    Field(
        "negative_sampling_param",
        2109,
        "NegativeSamplingParameter",
        "Fields of NegativeSamplingLoss layers.",
        origin="netc",
    ),
    (
        Message(
            "NegativeSamplingParameter",
            (
                optional("num_output", 1, "uint32", doc="Number of classes (words)."),
                optional("negative", 2, "uint32", 5, "Classes drawn for each row."),
                optional("weight_filler", 3, "FillerParameter", doc="How the vectors start; zeros if unset."),
                repeated("frequency", 4, "float", "How often each class occurs; all the same if not given."),
                optional("power", 5, "float", 0.75, "Exponent of the frequencies."),
            ),
            doc="Loss over a few drawn classes instead of all.",
            origin="netc",
        ),
    ),
)


def setup(site: Site) -> Setup:
    p, (rows, labels) = site.p, site.bottoms
    if not p.num_output:
        site.refuse(MISSING_FIELD, "needs num_output, the number of classes", "num_output")
    if len(rows) < 2 or prod(labels) != rows[0]:
        message = f"needs rows N x D and N labels, but has {format_shape(rows)} and {format_shape(labels)}"
        site.refuse(BAD_BOTTOM_SHAPE, message, "bottom")
    known = p.frequency
    if known and (len(known) != p.num_output or min(known) < 0 or not 0 < sum(known) < np.inf):
        message = f"frequency needs {p.num_output} numbers, none below 0 and not all 0; it has {len(known)}"
        site.refuse(BAD_FIELD, message, "frequency")
    size = prod(rows[1:])
    drawn = rows[0] * (p.negative + 1)
    return Setup(
        tops=((),),
        params=(ParamBlob("vectors", (p.num_output, size), p.weight_filler, rows=max(drawn, 1)),),
        buffers=(Buffer("classes", (drawn,), "int32"), Buffer("slope", (drawn,))),
        reads=("x0",),
        random=True,
        macs=drawn * size,
        holds=(ANYTHING, whole(p.num_output)),
        geometry=NegativeSamplingGeometry(rows[0], p.negative + 1, size, p.num_output, _cumulated(known, p.power)),
    )


def _cumulated(frequency: Sequence[float], power: float) -> Array | None:
    return np.cumsum(np.array(frequency, np.float64) ** power) if frequency else None


def _drawn(call: Call, count: int) -> Array:
    """Classes by the frequencies: where a uniform number falls in their cumulated sum."""
    g, draws = call.known(NegativeSamplingGeometry), np.empty(count, np.float64)
    fill_uniform(draws, call.seed, call.stream, call.iteration)
    found: Array = (draws * g.classes).astype(np.int64)
    if g.cumulated is not None:
        found = np.searchsorted(g.cumulated, draws * g.cumulated[-1], side="right")
    below: Array = np.minimum(found, g.classes - 1)
    return below


def forward(call: Call) -> None:
    g = call.known(NegativeSamplingGeometry)
    rows, columns = g.rows, g.columns
    vectors, h = call.params[0], call.bottoms[0].reshape(rows, g.size)
    classes = call.buffers["classes"].reshape(rows, columns)
    classes[:, 0] = class_labels(call.record, call.bottoms[1], len(vectors))
    classes[:, 1:] = _drawn(call, rows * (columns - 1)).reshape(rows, columns - 1)
    scores = np.einsum("rcd,rd->rc", vectors[classes], h)
    scores[:, 0] *= -1  # every term is log(1 + exp(score)) now
    counts = classes != classes[:, :1]
    counts[:, 0] = True
    small = np.exp(-np.abs(scores))
    terms = np.maximum(scores, 0) + np.log1p(small)
    slope = np.where(scores >= 0, 1, small) / (1 + small) * counts
    slope[:, 0] *= -1
    call.buffers["slope"][:] = slope.ravel()
    call.tops[0][...] = terms[counts].sum(dtype=np.float64) / rows


def backward(call: Call) -> None:
    g = call.known(NegativeSamplingGeometry)
    rows, columns, size = g.rows, g.columns, g.size
    classes = call.buffers["classes"].reshape(rows, columns)
    slope = call.buffers["slope"].reshape(rows, columns) * (call.top_diffs[0].item() / rows)
    if (dh := call.bottom_diffs[0]) is not None:
        np.einsum("rc,rcd->rd", slope, call.params[0][classes], out=dh.reshape(rows, size))
    if (dv := call.param_diffs[0]) is not None:
        found = call.placed(0, classes.astype(np.int64).ravel())
        add_rows(dv, found, (slope[:, :, None] * call.bottoms[0].reshape(rows, 1, size)).reshape(-1, size))


_FILLER = 'weight_filler { type: "gaussian" std: 0.5 }'

NEGATIVE_SAMPLING_LOSS = LayerType(
    "NegativeSamplingLoss",
    __doc__,
    setup,
    forward,
    backward,
    param="negative_sampling_param",
    own=OWN,
    bottoms=Arity(2, 2),
    differentiable=(True, False),
    loss=True,
    auto_tops=True,
    origin="netc",
    codes=(LABEL_OUT_OF_RANGE,),
    role=Role("loss"),
    examples=(
        Example(
            f"negative_sampling_param {{ num_output: 20 {_FILLER} }}",
            inputs=(Input((6, 4)), Input((6,), "labels", 0, 20)),
        ),
        Example(
            f"negative_sampling_param {{ num_output: 4 negative: 3 frequency: [8, 4, 0, 1] power: 1 {_FILLER} }}",
            inputs=(Input((5, 2, 2)), Input((5, 1), "labels", 0, 4)),
        ),
    ),
    refuses=(
        Refused(MISSING_FIELD, bottoms=((4, 3), (4,))),
        Refused(BAD_BOTTOM_SHAPE, "negative_sampling_param { num_output: 9 }", bottoms=((4, 3), (3,))),
        Refused(BAD_FIELD, "negative_sampling_param { num_output: 9 frequency: 1 }", bottoms=((4, 3), (4,))),
    ),
)
