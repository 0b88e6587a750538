"""Gram matrix of feature maps (Gatys, Ecker & Bethge 2016).

Computes:
    y[i, j] = the sum over positions of x[i] x[j], for each pair of channels of each image; divided by the number of
    positions with `normalize`.

Shapes:
    The bottom is N x C x ...; the top is N x C x C.

Gradient:
    dx = (dy + dy^T) x, divided likewise.

Caffe notes:
    Caffe has no such layer.
"""

from math import prod

import numpy as np

from netc.kernels.geometry import Folded
from netc.layer import BAD_BOTTOM_SHAPE, Call, Example, Input, LayerType, Param, Refused, Setup, Site
from netc.role import Role
from netc.schema.declare import Field, Message, optional

OWN = Param(
    Field("gram_param", 2106, "GramParameter", "Fields of Gram layers.", origin="netc"),
    (
        Message(
            "GramParameter",
            (optional("normalize", 1, "bool", True, "Divide by the number of positions."),),
            doc="Products of all pairs of channels.",
            origin="netc",
        ),
    ),
)


def setup(site: Site) -> Setup:
    bottom = site.bottoms[0]
    if len(bottom) < 2:
        site.refuse(BAD_BOTTOM_SHAPE, "needs a bottom num x channels x positions", "bottom")
    num, channels, positions = bottom[0], bottom[1], prod(bottom[2:])
    return Setup(
        tops=((num, channels, channels),),
        reads=("x",),
        macs=num * channels * channels * positions,
        geometry=Folded(num, channels, positions),
    )


def forward(call: Call) -> None:
    view = call.known(Folded)
    x = call.bottoms[0].reshape(view)
    np.matmul(x, x.swapaxes(1, 2), out=call.tops[0])
    if call.p.normalize:
        np.divide(call.tops[0], view.inner, out=call.tops[0])


def backward(call: Call) -> None:
    view = call.known(Folded)
    dx = call.bottom_diffs[0]
    if dx is None:
        return
    dy, out = call.top_diffs[0], dx.reshape(view)
    np.matmul(dy + dy.swapaxes(1, 2), call.bottoms[0].reshape(view), out=out)
    if call.p.normalize:
        out /= view.inner


GRAM = LayerType(
    "Gram",
    __doc__,
    setup,
    forward,
    backward,
    param="gram_param",
    own=OWN,
    origin="netc",
    aliases=("GramMatrix",),
    role=Role("product"),
    examples=(
        Example(inputs=(Input((2, 3, 2, 3)),)),
        Example("gram_param { normalize: false }", inputs=(Input((2, 3, 4)),)),
    ),
    refuses=(Refused(BAD_BOTTOM_SHAPE, bottoms=((3,),)),),
)
