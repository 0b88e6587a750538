"""L1 loss (mean absolute distance).

Computes:
    loss = 1/N sum of |a - b| over all values, N = the bottoms' first dimension.

Shapes:
    Two bottoms with the same first dimension and the same number of values; the top is a scalar.

Gradient:
    da = weight sign(a - b) / N, db = -da.

Caffe notes:
    Caffe has no such layer; it is EuclideanLoss with |d| for d^2 / 2. NaN in a bottom makes the loss NaN.
"""

from math import prod

import numpy as np

from netc.layer import BAD_BOTTOM_SHAPE, Arity, Call, Example, Input, LayerType, Refused, Setup, Site, format_shape
from netc.role import Role


def setup(site: Site) -> Setup:
    a, b = site.bottoms
    if not a or not b or a[0] != b[0] or prod(a) != prod(b):
        message = f"its bottoms need the same num and as many values, but are {format_shape(a)} and {format_shape(b)}"
        site.refuse(BAD_BOTTOM_SHAPE, message, "bottom")
    return Setup(tops=((),), reads=("x",))


def forward(call: Call) -> None:
    distance = np.abs(call.bottoms[0].ravel() - call.bottoms[1].ravel())
    call.tops[0][...] = distance.sum(dtype=np.float64) / call.bottoms[0].shape[0]


def backward(call: Call) -> None:
    a, b = call.bottoms
    weight = call.top_diffs[0].item() / a.shape[0]
    for dx, sign in zip(call.bottom_diffs, (1, -1), strict=True):
        if dx is not None:
            np.multiply(np.sign(a.ravel() - b.ravel()), sign * weight, out=dx.reshape(-1))


L1_LOSS = LayerType(
    "L1Loss",
    __doc__,
    setup,
    forward,
    backward,
    bottoms=Arity(2, 2),
    loss=True,
    auto_tops=True,
    origin="netc",
    role=Role("loss"),
    examples=(
        Example(inputs=(Input((3, 4), "distinct"), Input((3, 4)))),
        Example("loss_weight: 0.5", inputs=(Input((2, 3, 2)), Input((2, 6)))),
    ),
    refuses=(Refused(BAD_BOTTOM_SHAPE, bottoms=((2, 3), (3, 2))),),
)
