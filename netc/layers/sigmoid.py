"""Sigmoid (logistic function).

Computes:
    y = 1 / (1 + exp(-x)) = 0.5 tanh(0.5 x) + 0.5; the second form is the one computed, it cannot overflow.

Shapes:
    The top has the bottom's shape.

Gradient:
    dx = dy y (1 - y), read from y.

Caffe notes:
    None: the same formula as Caffe's.
"""

import numpy as np

from netc.layer import Call, Example, Input, LayerType, Setup, Site
from netc.role import Role


def setup(site: Site) -> Setup:
    return Setup(tops=(site.bottoms[0],), reads=("y",), in_place=True)


def forward(call: Call) -> None:
    x, y = call.bottoms[0], call.tops[0]
    np.multiply(x, 0.5, out=y)
    np.tanh(y, out=y)
    y *= 0.5
    y += 0.5


def backward(call: Call) -> None:
    y, dy, dx = call.tops[0], call.top_diffs[0], call.bottom_diffs[0]
    if dx is not None:
        np.multiply(dy, y * (1 - y), out=dx)


SIGMOID = LayerType(
    "Sigmoid",
    __doc__,
    setup,
    forward,
    backward,
    param="sigmoid_param",
    role=Role(
        "activation",
        bends=True,
        probabilities=True,
        judged_by="SigmoidCrossEntropyLoss",
        space="same",
        called={"activation": ""},
    ),
    examples=(Example(), Example(inputs=(Input((5,), "values", values=(-100, -1, 0, 1, 100)),))),
)
