"""Maxout (Goodfellow et al. 2013).

Computes:
    y = the maximum of each `pieces` consecutive channels (positions along `axis`).

Shapes:
    The top has the bottom's shape, with the size of `axis` divided by `pieces`.

Gradient:
    dy goes to the channel that was largest (the first one, if several are); the others get 0.

Caffe notes:
    Caffe has no such layer. Put it after a Convolution or InnerProduct with `pieces` times as many outputs. NaN in a
    piece makes its maximum NaN.
"""

from math import prod

import numpy as np

from netc.layer import BAD_FIELD, Array, Buffer, Call, Example, Input, LayerType, Param, Refused, Setup, Site
from netc.schema.declare import Field, Message, optional

OWN = Param(
    Field("maxout_param", 2103, "MaxoutParameter", "Fields of Maxout layers.", origin="netc"),
    (
        Message(
            "MaxoutParameter",
            (
                optional("pieces", 1, "uint32", 2, "Channels that become one."),
                optional("axis", 2, "int32", 1, "Axis of the channels."),
            ),
            doc="Maximum over groups of channels.",
            origin="netc",
        ),
    ),
)


def setup(site: Site) -> Setup:
    p, bottom = site.p, site.bottoms[0]
    axis = site.axis(p.axis)
    if not p.pieces or bottom[axis] % p.pieces:
        site.refuse(BAD_FIELD, f"pieces is {p.pieces}: it must divide the {bottom[axis]} channels", "pieces")
    groups = bottom[axis] // p.pieces
    top = (*bottom[:axis], groups, *bottom[axis + 1 :])
    return Setup(
        tops=(top,),
        buffers=(Buffer("winner", top, "int32"),),
        reads=(),
        geometry=(prod(bottom[:axis]) * groups, p.pieces, prod(bottom[axis + 1 :])),
    )


def forward(call: Call) -> None:
    x = call.bottoms[0].reshape(call.g)
    winner = x.argmax(axis=1)
    call.buffers["winner"][...] = winner.reshape(call.tops[0].shape)
    call.tops[0][...] = np.take_along_axis(x, winner[:, None, :], axis=1).reshape(call.tops[0].shape)


def backward(call: Call) -> None:
    dx = call.bottom_diffs[0]
    if dx is None:
        return
    rows, pieces, inner = call.g
    winner: Array = call.buffers["winner"].reshape(rows, 1, inner)
    dy = call.top_diffs[0].reshape(rows, 1, inner)
    np.multiply(dy, np.arange(pieces)[:, None] == winner, out=dx.reshape(call.g))


MAXOUT = LayerType(
    "Maxout",
    __doc__,
    setup,
    forward,
    backward,
    param="maxout_param",
    own=OWN,
    origin="netc",
    examples=(
        Example(inputs=(Input((2, 4, 2, 3), "distinct"),)),
        Example("maxout_param { pieces: 3 axis: -1 }", inputs=(Input((2, 2, 6), "distinct"),)),
    ),
    refuses=(Refused(BAD_FIELD, "maxout_param { pieces: 2 }"), Refused(BAD_FIELD, "maxout_param { pieces: 0 }")),
)
