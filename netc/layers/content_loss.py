"""Content loss (Gatys, Ecker & Bethge 2016): how much the features of two images differ.

Computes:
    loss = 1/2 sum of (a - b)^2. (EuclideanLoss is this divided by the number of images.)

Shapes:
    Two bottoms of one shape; the top is a scalar.

Gradient:
    da = weight (a - b), db = -da.

Caffe notes:
    Caffe has no such layer. NaN in a bottom makes the loss NaN.
"""

import numpy as np

from netc.layer import SHAPES_DIFFER, Arity, Call, Example, Input, LayerType, Refused, Setup, Site, same_shape
from netc.role import Role


def setup(site: Site) -> Setup:
    same_shape(site)
    return Setup(tops=((),), reads=("x",))


def forward(call: Call) -> None:
    distance = call.bottoms[0].ravel() - call.bottoms[1].ravel()
    call.tops[0][...] = np.dot(distance, distance) / 2


def backward(call: Call) -> None:
    a, b = call.bottoms
    weight = call.top_diffs[0].item()
    for dx, sign in zip(call.bottom_diffs, (1, -1), strict=True):
        if dx is not None:
            np.subtract(a, b, out=dx)
            np.multiply(dx, sign * weight, out=dx)


CONTENT_LOSS = LayerType(
    "ContentLoss",
    __doc__,
    setup,
    forward,
    backward,
    bottoms=Arity(2, 2),
    loss=True,
    auto_tops=True,
    origin="netc",
    role=Role("loss"),
    examples=(Example(inputs=(Input((2, 3, 2, 2)), Input((2, 3, 2, 2)))),),
    refuses=(Refused(SHAPES_DIFFER, bottoms=((2, 3, 4), (2, 4, 4))),),
)
