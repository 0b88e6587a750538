"""Matrix product of two bottoms.

Computes:
    y = a b, over the last two axes, for each of the leading positions; a and b transposed first where asked for.

Shapes:
    a is ... x M x K (... x K x M with `transpose_a`), b is ... x K x N (... x N x K with `transpose_b`), the top
    ... x M x N. The leading axes agree, or b has none: then it serves for all of a.

Gradient:
    da = dy b^T, db = a^T dy (summed over the leading positions if b has none), transposed back.

Caffe notes:
    Caffe has no such layer.
"""

from math import prod

import numpy as np

from netc.layer import (
    BAD_BOTTOM_SHAPE,
    Arity,
    Array,
    Call,
    Example,
    Input,
    LayerType,
    Param,
    Refused,
    Setup,
    Shape,
    Site,
    format_shape,
)
from netc.role import Role
from netc.schema.declare import Field, Message, optional

OWN = Param(
    Field("mat_mul_param", 2101, "MatMulParameter", "Fields of MatMul layers.", origin="netc"),
    (
        Message(
            "MatMulParameter",
            (
                optional("transpose_a", 1, "bool", False, "Transpose the first bottom's matrices."),
                optional("transpose_b", 2, "bool", False, "Transpose the second bottom's matrices."),
            ),
            doc="Product of matrices.",
            origin="netc",
        ),
    ),
)


def _turned(shape: Shape, transpose: bool) -> Shape:
    return (*shape[:-2], shape[-1], shape[-2]) if transpose else shape


def setup(site: Site) -> Setup:
    a, b = site.bottoms
    if len(a) < 2 or len(b) < 2 or (len(b) > 2 and a[:-2] != b[:-2]):
        message = f"needs matrices with the same leading axes, but has {format_shape(a)} and {format_shape(b)}"
        site.refuse(BAD_BOTTOM_SHAPE, message, "bottom")
    a, b = _turned(a, site.p.transpose_a), _turned(b, site.p.transpose_b)
    if a[-1] != b[-2]:
        message = f"the product of {format_shape(a[-2:])} and {format_shape(b[-2:])} is not defined"
        site.refuse(BAD_BOTTOM_SHAPE, message, "bottom")
    return Setup(tops=((*a[:-1], b[-1]),), reads=("x",), macs=prod(a) * b[-1])


def _view(array: Array, transpose: bool) -> Array:
    return array.swapaxes(-1, -2) if transpose else array


def forward(call: Call) -> None:
    a, b = _view(call.bottoms[0], call.p.transpose_a), _view(call.bottoms[1], call.p.transpose_b)
    np.matmul(a, b, out=call.tops[0])


def backward(call: Call) -> None:
    dy = call.top_diffs[0]
    a, b = _view(call.bottoms[0], call.p.transpose_a), _view(call.bottoms[1], call.p.transpose_b)
    if (da := call.bottom_diffs[0]) is not None:
        _view(da, call.p.transpose_a)[...] = dy @ b.swapaxes(-1, -2)
    if (db := call.bottom_diffs[1]) is not None:
        if b.ndim == 2:
            product = a.reshape(-1, a.shape[-1]).T @ dy.reshape(-1, dy.shape[-1])
        else:
            product = a.swapaxes(-1, -2) @ dy
        _view(db, call.p.transpose_b)[...] = product


MAT_MUL = LayerType(
    "MatMul",
    __doc__,
    setup,
    forward,
    backward,
    param="mat_mul_param",
    own=OWN,
    origin="netc",
    bottoms=Arity(2, 2),
    role=Role("product"),
    examples=(
        Example(inputs=(Input((2, 3, 4)), Input((2, 4, 5)))),
        Example("mat_mul_param { transpose_a: true transpose_b: true }", inputs=(Input((2, 4, 3)), Input((2, 5, 4)))),
        Example("mat_mul_param { transpose_b: true }", inputs=(Input((2, 2, 3, 4)), Input((5, 4)))),
        Example("mat_mul_param { transpose_a: true }", inputs=(Input((2, 4, 3)), Input((4, 2)))),
        Example(inputs=(Input((3, 4)), Input((4, 2)))),
    ),
    refuses=(
        Refused(BAD_BOTTOM_SHAPE, bottoms=((2, 3), (2, 3))),
        Refused(BAD_BOTTOM_SHAPE, bottoms=((2, 3, 4), (3, 4, 5))),
        Refused(BAD_BOTTOM_SHAPE, bottoms=((3,), (3, 4))),
    ),
)
