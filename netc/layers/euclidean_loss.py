"""Euclidean loss (half the mean squared distance).

Computes:
    loss = 1 / (2 N) sum of w (a - b)^2 over all values, N = the bottoms' first dimension. w is the third bottom, or 1.

Shapes:
    Two bottoms with the same first dimension and the same number of values, and perhaps a third with a weight for each
    value; the top is a scalar.

Gradient:
    da = weight w (a - b) / N, db = -da, with the loss weight as weight. Weights take none.

Caffe notes:
    Both bottoms take gradient. Caffe takes no weights. NaN in a bottom makes the loss NaN.
"""

import numpy as np

from netc.layer import BAD_BOTTOM_SHAPE, Arity, Call, Example, Input, LayerType, Refused, Setup, Site, format_shape
from netc.role import ANYTHING, Holds, Role
from netc.setups.weights import check_weights


def setup(site: Site) -> Setup:
    a, b = site.bottoms[:2]
    if not a or not b or a[0] != b[0] or np.prod(a) != np.prod(b):
        message = f"its bottoms need the same num and as many values, but are {format_shape(a)} and {format_shape(b)}"
        help = "give the targets the shape of the predictions; for labels that are classes use SoftmaxWithLoss"
        site.refuse(BAD_BOTTOM_SHAPE, message, "bottom", help=help)
    check_weights(site)
    return Setup(tops=((),), reads=("x",), holds=(ANYTHING, ANYTHING, Holds("uniform")))


def forward(call: Call) -> None:
    distance = call.bottoms[0].ravel() - call.bottoms[1].ravel()
    weighted = distance * call.bottoms[2].ravel() if len(call.bottoms) > 2 else distance
    call.tops[0][...] = np.dot(weighted, distance) / call.bottoms[0].shape[0] / 2


def backward(call: Call) -> None:
    a, b = call.bottoms[:2]
    weight = call.top_diffs[0].reshape(()) / a.dtype.type(a.shape[0])
    for dx, sign in zip(call.bottom_diffs, (1, -1), strict=False):
        if dx is not None:
            np.subtract(a.ravel(), b.ravel(), out=dx.reshape(-1))
            np.multiply(dx, sign * weight, out=dx)
            if len(call.bottoms) > 2:
                np.multiply(dx, call.bottoms[2].reshape(dx.shape), out=dx)


EUCLIDEAN_LOSS = LayerType(
    "EuclideanLoss",
    __doc__,
    setup,
    forward,
    backward,
    bottoms=Arity(2, 3),
    differentiable=(True, True, False),
    loss=True,
    auto_tops=True,
    role=Role("loss", called={"l2loss": "", "mse": "", "mseloss": ""}),
    examples=(
        Example(inputs=(Input((3, 4)), Input((3, 4)))),
        Example("loss_weight: 0.5", inputs=(Input((2, 3, 2, 2)), Input((2, 12)))),
        Example(inputs=(Input((3, 4)), Input((3, 4)), Input((3, 4), "uniform"))),
    ),
    refuses=(
        Refused(BAD_BOTTOM_SHAPE, bottoms=((2, 3), (3, 2))),
        Refused(BAD_BOTTOM_SHAPE, bottoms=((2, 3), (2, 4))),
        Refused(BAD_BOTTOM_SHAPE, bottoms=((2, 3), (2, 3), (2, 1))),
    ),
)
