"""Swish (Ramachandran et al. 2017).

Computes:
    y = x s, with s = 1 / (1 + exp(-beta x)).

Shapes:
    The top has the bottom's shape.

Gradient:
    dx = dy s (1 + beta x (1 - s)).

Caffe notes:
    None: the same formula as Caffe's.
"""

import numpy as np

from netc.layer import Array, Call, Example, LayerType, Setup, Site
from netc.role import Role


def setup(site: Site) -> Setup:
    return Setup(tops=(site.bottoms[0],), reads=("x",), in_place=True)


def _sigmoid(call: Call) -> Array:
    s: Array = np.tanh(call.bottoms[0] * (0.5 * call.p.beta))
    s *= 0.5
    s += 0.5
    return s


def forward(call: Call) -> None:
    np.multiply(call.bottoms[0], _sigmoid(call), out=call.tops[0])


def backward(call: Call) -> None:
    dx = call.bottom_diffs[0]
    if dx is not None:
        s = _sigmoid(call)
        np.multiply(call.top_diffs[0], s * (1 + call.p.beta * call.bottoms[0] * (1 - s)), out=dx)


SWISH = LayerType(
    "Swish",
    __doc__,
    setup,
    forward,
    backward,
    param="swish_param",
    role=Role("activation", bends=True, space="same", called={"silu": ""}),
    examples=(Example("swish_param { beta: 1.5 }"), Example()),
)
