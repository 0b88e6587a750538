"""Maxout (Goodfellow et al. 2013).

Computes:
    y[c] = the largest of x[k c], x[k c + 1], ..., x[k c + k - 1] along `axis`, with k = `pieces`.

Shapes:
    The top has the bottom's shape, with the size of `axis` divided by `pieces`.

Gradient:
    dy goes to the piece that was the largest (the first of equal ones); its number is kept in a byte.

Caffe notes:
    Caffe has no such layer.
"""

import numpy as np

from netc.kernels.geometry import Along
from netc.layer import (
    AXIS_OUT_OF_RANGE,
    BAD_FIELD,
    Array,
    Buffer,
    Call,
    Example,
    Input,
    LayerType,
    Param,
    Refused,
    Setup,
    Site,
    flat,
)
from netc.role import Role
from netc.schema.declare import Message, optional

PARAMETER = Message(
    "MaxoutParameter",
    (
        optional("pieces", 1, "uint32", 2, "Values that compete for one output; at most 256.", origin="netc"),
        optional("axis", 2, "int32", 1, "Axis along which they lie; may be negative.", origin="netc"),
    ),
    doc="The largest of several values.",
    origin="netc",
)


def setup(site: Site) -> Setup:
    p, bottom = site.p, site.bottoms[0]
    axis = site.axis(p.axis)
    if not 1 <= p.pieces <= 256 or bottom[axis] % p.pieces:
        message = f"pieces: {p.pieces} must be from 1 to 256 and divide the size of axis {axis}, {bottom[axis]}"
        site.refuse(BAD_FIELD, message, "pieces")
    top = (*bottom[:axis], bottom[axis] // p.pieces, *bottom[axis + 1 :])
    return Setup(tops=(top,), buffers=(Buffer("index", top, "uint8"),), reads=(), geometry=Along(axis))


def _pieces(call: Call, array: Array) -> Array:
    """The bottom as outer x outputs x pieces x inner."""
    outer, size, inner = flat(array, call.known(Along).axis).shape
    return array.reshape(outer, size // call.p.pieces, call.p.pieces, inner)


def forward(call: Call) -> None:
    axis = call.known(Along).axis
    x, index = _pieces(call, call.bottoms[0]), flat(call.buffers["index"], axis)
    index[...] = x.argmax(axis=2)
    np.max(x, axis=2, out=flat(call.tops[0], axis))


def backward(call: Call) -> None:
    axis = call.known(Along).axis
    dx = call.bottom_diffs[0]
    if dx is not None:
        dx.fill(0)
        index, dy = flat(call.buffers["index"], axis), flat(call.top_diffs[0], axis)
        np.put_along_axis(_pieces(call, dx), index[:, :, None].astype(np.intp), dy[:, :, None], axis=2)


MAXOUT = LayerType(
    "Maxout",
    __doc__,
    setup,
    forward,
    backward,
    param="maxout_param",
    own=Param(
        optional("maxout_param", 1104, "MaxoutParameter", doc="Fields of Maxout layers.", origin="netc"), (PARAMETER,)
    ),
    origin="netc",
    role=Role("activation", space="same"),
    examples=(
        Example("maxout_param { pieces: 3 }", inputs=(Input((2, 6, 3, 2), "distinct"),)),
        Example(inputs=(Input((3, 4), "distinct"),)),
        Example("maxout_param { axis: -1 }", inputs=(Input((2, 3, 4), "distinct"),)),
    ),
    refuses=(
        Refused(BAD_FIELD, "maxout_param { pieces: 2 }"),
        Refused(BAD_FIELD, "maxout_param { pieces: 0 }"),
        Refused(AXIS_OUT_OF_RANGE, "maxout_param { axis: 4 }"),
    ),
)
