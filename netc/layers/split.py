"""Split: gives a blob several names.

Computes:
    Every top is x.

Shapes:
    Every top has the bottom's shape.

Gradient:
    dx = the sum of the top diffs, added in the order of the tops.

Caffe notes:
    Caffe puts these layers in where a blob has several readers; nets rarely write them. netc adds the gradients up
    without them.
"""

import numpy as np

from netc.layer import ANY, Call, Example, LayerType, Setup, Site
from netc.role import Role


def setup(site: Site) -> Setup:
    return Setup(tops=(site.bottoms[0],) * site.top_count, reads=(), shares=True)


def forward(call: Call) -> None:
    for y in call.tops:
        y[...] = call.bottoms[0]


def backward(call: Call) -> None:
    dx = call.bottom_diffs[0]
    if dx is None:
        return
    if len(call.top_diffs) == 1:
        dx[...] = call.top_diffs[0]
        return
    np.add(call.top_diffs[0], call.top_diffs[1], out=dx)
    for dy in call.top_diffs[2:]:
        dx += dy


SPLIT = LayerType(
    "Split",
    __doc__,
    setup,
    forward,
    backward,
    tops=ANY,
    role=Role("shape", space="same"),
    examples=(Example(tops=3), Example(tops=1), Example(tops=2)),
)
