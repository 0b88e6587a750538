"""Reverse: turns an axis around; with a second bottom, each sequence on its own (Schuster & Paliwal 1997).

Computes:
    y_t = x_{T-1-t} along `axis`. With `cont`, in which 0 says that a sequence begins, each sequence is turned around
    where it stands: y_t = x_{first + last - t}, with first and last the steps that its sequence begins and ends at. The
    first step of a batch begins one in any case, so sequences stay where they are, and `cont` is right for y, too.

Shapes:
    Bottoms: x, and perhaps cont, with the sizes of x's first two axes (T x N of recurrent layers, or N x T with
    `axis: 1`). The top has x's shape.

Gradient:
    dx is dy, turned around in the same way; cont takes none.

Caffe notes:
    Caffe has no such layer. A bidirectional net is a recurrent layer, and one between two of these:
    `back = Reverse(LSTM(Reverse(x, cont), cont), cont)`. A sequence that goes on in the next batch is turned around in
    two parts, so give whole sequences.
"""

import numpy as np

from netc.kernels.geometry import Along
from netc.layer import (
    AXIS_OUT_OF_RANGE,
    BAD_BOTTOM_SHAPE,
    BAD_FIELD,
    Arity,
    Array,
    Call,
    Example,
    Input,
    LayerType,
    Param,
    Refused,
    Setup,
    Site,
    format_shape,
)
from netc.role import ANYTHING, Holds, Role
from netc.schema.declare import Message, optional

PARAMETER = Message(
    "ReverseParameter",
    (optional("axis", 1, "int32", 0, "The axis that is turned around; 0 is time in recurrent layers."),),
    doc="Turns an axis around.",
    origin="netc",
)


def setup(site: Site) -> Setup:
    x, axis = site.bottoms[0], site.axis(site.p.axis)
    if len(site.bottoms) > 1:
        if len(x) < 2 or site.bottoms[1] != x[:2]:
            shapes = f"{format_shape(x)} and {format_shape(site.bottoms[1])}"
            message = f"cont must have the sizes of the first two axes of the bottom, but they are {shapes}"
            site.refuse(BAD_BOTTOM_SHAPE, message, "bottom", index=1)
        if axis > 1:
            message = f"axis is {site.p.axis}, but cont says where sequences begin along axis 0 or 1"
            site.refuse(BAD_FIELD, message, "axis")
    reads = ("x1",) if len(site.bottoms) > 1 else ()
    return Setup(tops=(x,), reads=reads, holds=(ANYTHING, Holds("binary")), geometry=Along(axis))


def turned(cont: Array, axis: int) -> Array:
    """For each step, the one that takes its place: of the same sequence, as far from the other end. Shape of cont."""
    begins, count = np.moveaxis(cont == 0, axis, 0), cont.shape[axis]
    steps = np.arange(count)[:, None]
    first = np.maximum.accumulate(np.where(begins, steps, 0), axis=0)
    ends = np.concatenate([begins[1:], np.ones((min(count, 1), begins.shape[1]), np.bool_)])
    last = np.minimum.accumulate(np.where(ends, steps, count)[::-1], axis=0)[::-1]
    return np.moveaxis(first + last - steps, 0, axis)


def _turn(call: Call, source: Array, target: Array) -> None:
    axis = call.known(Along).axis
    if len(call.bottoms) < 2:
        target[...] = np.flip(source, axis)
        return
    places = turned(call.bottoms[1], axis)
    target[...] = np.take_along_axis(source, places.reshape(places.shape + (1,) * (source.ndim - 2)), axis)


def forward(call: Call) -> None:
    _turn(call, call.bottoms[0], call.tops[0])


def backward(call: Call) -> None:
    if (dx := call.bottom_diffs[0]) is not None:
        _turn(call, call.top_diffs[0], dx)


_CONT = Input((5, 2), "values", values=(1, 0, 1, 1, 0, 1, 1, 0, 1, 0))

REVERSE = LayerType(
    "Reverse",
    __doc__,
    setup,
    forward,
    backward,
    param="reverse_param",
    own=Param(
        optional("reverse_param", 1120, "ReverseParameter", doc="Fields of Reverse layers.", origin="netc"),
        (PARAMETER,),
    ),
    bottoms=Arity(1, 2),
    differentiable=(True, False),
    origin="netc",
    role=Role("shape"),
    examples=(
        Example(inputs=(Input((5, 2, 3)), _CONT)),
        Example(inputs=(Input((4, 3)),)),
        Example("reverse_param { axis: -1 }"),
        Example(
            "reverse_param { axis: 1 }",
            inputs=(Input((2, 4, 2, 2)), Input((2, 4), "values", values=(0, 1, 1, 1, 0, 0, 1, 1))),
        ),
    ),
    refuses=(
        Refused(AXIS_OUT_OF_RANGE, "reverse_param { axis: 4 }"),
        Refused(BAD_BOTTOM_SHAPE, bottoms=((5, 2, 3), (5, 3))),
        Refused(BAD_BOTTOM_SHAPE, bottoms=((5,), (5,))),
        Refused(BAD_FIELD, "reverse_param { axis: 2 }", bottoms=((5, 2, 3), (5, 2))),
    ),
)
