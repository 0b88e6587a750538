"""Rectified linear unit with an upper limit of 6 (Krizhevsky 2010; used by MobileNets).

Computes:
    y = min(max(x, 0), 6).

Shapes:
    The top has the bottom's shape.

Gradient:
    dx = dy for 0 < x < 6, 0 elsewhere; read from y.

Caffe notes:
    A layer of several forks.
"""

import numpy as np

from netc.layer import Call, Example, Input, LayerType, Setup, Site


def setup(site: Site) -> Setup:
    return Setup(tops=(site.bottoms[0],), reads=("y",), in_place=True)


def forward(call: Call) -> None:
    np.clip(call.bottoms[0], 0, 6, out=call.tops[0])


def backward(call: Call) -> None:
    y, dx = call.tops[0], call.bottom_diffs[0]
    if dx is not None:
        np.multiply((y > 0) & (y < 6), call.top_diffs[0], out=dx)


RELU6 = LayerType(
    "ReLU6",
    __doc__,
    setup,
    forward,
    backward,
    origin="MobileNet-YOLO (eric612/MobileNet-YOLO)",
    examples=(
        Example(inputs=(Input((2, 3, 4), "distinct"),)),
        Example(inputs=(Input((5,), "values", values=(-1, 0.5, 5.9, 6.1, 9)),)),
    ),
)
