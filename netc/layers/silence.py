"""Silence: takes blobs that nobody needs, so that they are not outputs of the net.

Computes:
    Nothing.

Shapes:
    Any number of bottoms, no tops.

Gradient:
    dx = 0.

Caffe notes:
    None.
"""

from netc.layer import ANY, NONE, Call, Example, Input, LayerType, Setup, Site
from netc.role import Role


def setup(site: Site) -> Setup:
    return Setup(tops=(), reads=())


def forward(call: Call) -> None:
    pass


def backward(call: Call) -> None:
    for dx in call.bottom_diffs:
        if dx is not None:
            dx.fill(0)


SILENCE = LayerType(
    "Silence",
    __doc__,
    setup,
    forward,
    backward,
    bottoms=ANY,
    tops=NONE,
    role=Role("measure", end="sink"),
    examples=(Example(inputs=(Input((2, 3)), Input((4,))), tops=0),),
)
