"""Threshold (step function).

Computes:
    y = 1 for x > `threshold`, 0 otherwise.

Shapes:
    The top has the bottom's shape.

Gradient:
    None: the function is flat wherever it has a slope.

Caffe notes:
    None: the same formula as Caffe's.
"""

import numpy as np

from netc.layer import Call, Example, Input, LayerType, Setup, Site
from netc.role import Role


def setup(site: Site) -> Setup:
    return Setup(tops=(site.bottoms[0],), reads=(), in_place=True)


def forward(call: Call) -> None:
    x, y = call.bottoms[0], call.tops[0]
    np.copyto(y, x > x.dtype.type(call.p.threshold))


THRESHOLD = LayerType(
    "Threshold",
    __doc__,
    setup,
    forward,
    param="threshold_param",
    role=Role("activation", space="same"),
    examples=(
        Example("threshold_param { threshold: 0.5 }"),
        Example(inputs=(Input((3,), "values", values=(-1, 0, 1)),)),
    ),
)
