"""Permute: the axes in another order (SSD, Liu et al. 2016).

Computes:
    Axis i of the top is axis `order[i]` of the bottom. Axes that `order` does not name follow in their own order.

Shapes:
    The bottom's sizes in the new order.

Gradient:
    dx is dy with the axes put back.

Caffe notes:
    A layer of the SSD fork. An order that changes nothing shares the bottom's memory.
"""

import numpy as np

from netc.kernels.geometry import PermuteGeometry
from netc.layer import BAD_FIELD, Call, Example, Input, LayerType, Param, Refused, Setup, Site
from netc.role import Role
from netc.schema.declare import Message, optional, repeated

ORIGIN = "SSD (weiliu89/caffe)"
PARAMETER = Message(
    "PermuteParameter",
    (repeated("order", 1, "uint32", "The bottom's axis for each axis of the top; axes not named follow."),),
    origin=ORIGIN,
)


def setup(site: Site) -> Setup:
    bottom, order = site.bottoms[0], tuple(site.p.order)
    for axis in order:
        if axis >= len(bottom):
            site.refuse(BAD_FIELD, f"order names axis {axis}, but there are {len(bottom)} axes", "order")
    if len(set(order)) != len(order):
        site.refuse(BAD_FIELD, f"order names an axis twice: {', '.join(map(str, order))}", "order")
    order += tuple(axis for axis in range(len(bottom)) if axis not in order)
    same = order == tuple(range(len(bottom)))
    return Setup(tops=(tuple(bottom[axis] for axis in order),), reads=(), shares=same, geometry=PermuteGeometry(order))


def forward(call: Call) -> None:
    call.tops[0][...] = call.bottoms[0].transpose(call.known(PermuteGeometry).order)


def backward(call: Call) -> None:
    if (dx := call.bottom_diffs[0]) is not None:
        dx[...] = call.top_diffs[0].transpose(tuple(np.argsort(call.known(PermuteGeometry).order)))


PERMUTE = LayerType(
    "Permute",
    __doc__,
    setup,
    forward,
    backward,
    param="permute_param",
    own=Param(optional("permute_param", 202, "PermuteParameter", origin=ORIGIN), (PARAMETER,)),
    origin=ORIGIN,
    role=Role("shape", called={"transpose": ""}),
    examples=(
        Example("permute_param { order: 0 order: 2 order: 3 order: 1 }"),
        Example("permute_param { order: 2 }", inputs=(Input((2, 3, 4)),)),
        Example("permute_param { order: 0 order: 1 }"),
    ),
    refuses=(
        Refused(BAD_FIELD, "permute_param { order: 4 }"),
        Refused(BAD_FIELD, "permute_param { order: 1 order: 1 }"),
    ),
)
