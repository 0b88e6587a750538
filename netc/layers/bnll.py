"""Binomial normal log likelihood (softplus).

Computes:
    y = log(1 + exp(x)), in a form that cannot overflow.

Shapes:
    The top has the bottom's shape.

Gradient:
    dx = dy / (1 + exp(-x)).

Caffe notes:
    Caffe limits x to 50 in the gradient, where the factor is 1 in any float type.
"""

import numpy as np

from netc.layer import Call, Example, Input, LayerType, Setup, Site
from netc.role import Role


def setup(site: Site) -> Setup:
    return Setup(tops=(site.bottoms[0],), reads=("x",), in_place=True)


def forward(call: Call) -> None:
    np.logaddexp(0, call.bottoms[0], out=call.tops[0])


def backward(call: Call) -> None:
    dx = call.bottom_diffs[0]
    if dx is not None:
        slope = 0.5 * np.tanh(0.5 * call.bottoms[0]) + 0.5
        np.multiply(slope, call.top_diffs[0], out=dx)


BNLL = LayerType(
    "BNLL",
    __doc__,
    setup,
    forward,
    backward,
    role=Role("activation", bends=True, space="same", called={"softplus": ""}),
    examples=(Example(), Example(inputs=(Input((4,), "values", values=(-200, -3, 3, 200)),))),
)
