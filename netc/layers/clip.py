"""Clip: limits values to an interval.

Computes:
    y = the nearest number to x in `min`..`max`; both fields are required.

Shapes:
    The top has the bottom's shape.

Gradient:
    dx = dy where min <= x <= max, 0 elsewhere.

Caffe notes:
    None: the same formula as Caffe's.
"""

import numpy as np

from netc.layer import BAD_FIELD, Call, Example, Input, LayerType, Refused, Setup, Site
from netc.role import Role


def setup(site: Site) -> Setup:
    p = site.p
    if p.min > p.max:
        site.refuse(BAD_FIELD, f"min: {p.min:g} is larger than max: {p.max:g}", "min", "max")
    return Setup(tops=(site.bottoms[0],), reads=("x",), in_place=True)


def forward(call: Call) -> None:
    x = call.bottoms[0]
    np.clip(x, x.dtype.type(call.p.min), x.dtype.type(call.p.max), out=call.tops[0])


def backward(call: Call) -> None:
    x, dx = call.bottoms[0], call.bottom_diffs[0]
    if dx is not None:
        inside = (x >= x.dtype.type(call.p.min)) & (x <= x.dtype.type(call.p.max))
        np.multiply(inside, call.top_diffs[0], out=dx)


CLIP = LayerType(
    "Clip",
    __doc__,
    setup,
    forward,
    backward,
    param="clip_param",
    role=Role("activation", space="same", called={"hardtanh": "with `clip_param { min: -1 max: 1 }`"}),
    examples=(Example("clip_param { min: -0.5 max: 1 }", inputs=(Input((2, 3, 4), "distinct"),)),),
    refuses=(Refused(BAD_FIELD, "clip_param { min: 1 max: 0 }"),),
)
