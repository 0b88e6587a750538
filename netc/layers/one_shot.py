"""OneShot: how often the nearest of one example of each class is of the right one (one-shot classification).

Computes:
    An item is given the class of the example that is most alike, of one example of each class of the batch. The figure
    is the share of right answers, over all items and all choices of the examples among the other items: not a draw
    of them, but the mean of all draws. With two classes in a batch chance is a half, with five a fifth.

Shapes:
    Bottoms: vectors (N x ...) and N classes. Top: a scalar.

Gradient:
    None.

Caffe notes:
    Caffe has no such layer. With `compare: EUCLIDEAN` the smaller distance is more alike, with COSINE the larger
    cosine; equally distant examples count half. An item that is alone in its class asks nothing. A test gives the mean
    over all items of its batches; examples are of the item's own batch.
"""

from math import prod

from netc.kernels.likeness import OneShots, likeness, one_shots
from netc.kernels.tally import counting
from netc.layer import (
    BAD_BOTTOM_SHAPE,
    Arity,
    Call,
    Example,
    Input,
    LayerType,
    Param,
    Refused,
    Setup,
    Site,
    format_shape,
)
from netc.role import Role
from netc.schema.declare import Enum, Message, optional

PARAMETER = Message(
    "OneShotParameter",
    (optional("compare", 1, "OneShotParameter.Compare", "EUCLIDEAN", "What is near.", origin="netc"),),
    (Enum("Compare", {"EUCLIDEAN": 0, "COSINE": 1}, "How vectors are compared."),),
    doc="Fields of OneShot.",
    origin="netc",
)


def setup(site: Site) -> Setup:
    vectors, classes = site.bottoms
    if len(vectors) < 2 or prod(classes) != vectors[0]:
        shapes = f"{format_shape(vectors)} and {format_shape(classes)}"
        site.refuse(BAD_BOTTOM_SHAPE, f"needs vectors N x ... and N classes, but has {shapes}", "bottom")
    return Setup(tops=((),), reads=())


def count(call: Call) -> OneShots:
    return one_shots(likeness(call.bottoms[0], call.p.compare), call.bottoms[1].reshape(-1))


_CLASSES = Input((6,), "values", values=(0, 1, 1, 0, 2, 2))

ONE_SHOT = LayerType(
    "OneShot",
    __doc__,
    setup,
    counting(count),
    param="one_shot_param",
    own=Param(
        optional("one_shot_param", 2178, "OneShotParameter", doc="Fields of OneShot.", origin="netc"), (PARAMETER,)
    ),
    origin="netc",
    bottoms=Arity(2, 2),
    tops=Arity(1, 1),
    differentiable=False,
    role=Role("measure", end="measure", tallies=True),
    examples=(
        Example(inputs=(Input((6, 4)), _CLASSES), phase="TEST"),
        Example("one_shot_param { compare: COSINE }", inputs=(Input((6, 2, 2)), _CLASSES), phase="TEST"),
    ),
    refuses=(Refused(BAD_BOTTOM_SHAPE, bottoms=((4, 3), (3,))), Refused(BAD_BOTTOM_SHAPE, bottoms=((4,), (4,)))),
)
