"""Absolute value.

Computes:
    y = |x|.

Shapes:
    The top has the bottom's shape.

Gradient:
    dx = sign(x) dy, 0 at x = 0.

Caffe notes:
    None: the same formula as Caffe's.
"""

import numpy as np

from netc.layer import Call, Example, Input, LayerType, Setup, Site
from netc.role import Role


def setup(site: Site) -> Setup:
    return Setup(tops=(site.bottoms[0],), reads=("x",), in_place=True)


def forward(call: Call) -> None:
    np.abs(call.bottoms[0], out=call.tops[0])


def backward(call: Call) -> None:
    dx = call.bottom_diffs[0]
    if dx is not None:
        np.multiply(np.sign(call.bottoms[0]), call.top_diffs[0], out=dx)


ABS_VAL = LayerType(
    "AbsVal",
    __doc__,
    setup,
    forward,
    backward,
    role=Role("activation", space="same"),
    examples=(Example(inputs=(Input((2, 3, 4), "distinct"),)),),
)
