"""Hyperbolic tangent.

Computes:
    y = tanh(x).

Shapes:
    The top has the bottom's shape.

Gradient:
    dx = dy (1 - y^2), read from y.

Caffe notes:
    None: the same formula as Caffe's.
"""

import numpy as np

from netc.layer import Call, Example, LayerType, Setup, Site
from netc.role import Role


def setup(site: Site) -> Setup:
    return Setup(tops=(site.bottoms[0],), reads=("y",), in_place=True)


def forward(call: Call) -> None:
    np.tanh(call.bottoms[0], out=call.tops[0])


def backward(call: Call) -> None:
    y, dy, dx = call.tops[0], call.top_diffs[0], call.bottom_diffs[0]
    if dx is not None:
        np.multiply(dy, 1 - y * y, out=dx)


TANH = LayerType(
    "TanH",
    __doc__,
    setup,
    forward,
    backward,
    param="tanh_param",
    role=Role("activation", bends=True, space="same", called={"activation": ""}),
    examples=(Example(),),
)
