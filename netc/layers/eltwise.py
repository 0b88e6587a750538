"""Elementwise combination of blobs of one shape, or of shapes that are repeated to one.

Computes:
    `operation: SUM` (the default): y = c_0 x_0 + c_1 x_1 + ..., with c_i the i-th `coeff`, 1 if there are none.
    `operation: PROD`: y = x_0 x_1 ...
    `operation: MAX`: y = the largest of x_0, x_1, ...

Shapes:
    All bottoms have one shape; the top has it too. Where a bottom's axis has size 1 and another's has more, its values
    are repeated along it: N x C x 1 x 1 and N x C x H x W give N x C x H x W, N x T x 1 x D and N x 1 x S x D give
    N x T x S x D.

Gradient:
    SUM: dx_i = c_i dy.
    PROD: dx_i = dy times the product of the other bottoms; with `stable_prod_grad: false` dx_i = y / x_i dy, which is
    faster for many bottoms but not defined where x_i is 0.
    MAX: dy goes to the bottom that was the largest; its number is kept in a byte (four if there are more than 256).
    A bottom that was repeated gets the sum over all places that it was repeated to.

Caffe notes:
    Where the first two bottoms are equal, MAX takes the second; a later bottom must be larger to be taken.
    `coeff` is for SUM, one for each bottom; PROD refuses it, MAX ignores it, as in Caffe. Caffe repeats nothing: there
    all bottoms must have one shape.
"""

import numpy as np

from netc.jit import kernel
from netc.kernels.geometry import EltwiseGeometry
from netc.layer import (
    BAD_FIELD,
    SHAPES_DIFFER,
    Arity,
    Array,
    Buffer,
    Call,
    Example,
    Input,
    LayerType,
    Refused,
    Setup,
    Shape,
    Site,
)
from netc.role import Role
from netc.setups.axes import repeated_shape


def setup(site: Site) -> Setup:
    p, shape, count = site.p, repeated_shape(site), len(site.bottoms)
    if p.coeff and p.operation == "PROD":
        site.refuse(BAD_FIELD, "coeff goes with operation: SUM, not with PROD", "coeff")
    if p.coeff and len(p.coeff) != count:
        site.refuse(BAD_FIELD, f"needs one coeff for each bottom: {count} bottoms, {len(p.coeff)} coeff", "coeff")
    if p.operation == "PROD":
        return Setup(tops=(shape,), reads=("x",) if p.stable_prod_grad else ("x", "y"))
    buffers = (_index(shape, count),) if p.operation == "MAX" else ()
    g = EltwiseGeometry(tuple(p.coeff) or (1.0,) * count)
    return Setup(tops=(shape,), buffers=buffers, reads=(), in_place=site.bottoms[0] == shape, geometry=g)


def _index(shape: Shape, count: int) -> Buffer:
    return Buffer("index", shape, "uint8" if count <= 256 else "int32")


def forward(call: Call) -> None:
    if call.p.operation == "PROD":
        _product(call.bottoms, call.tops[0])
    elif call.p.operation == "MAX":
        _maximum(call.bottoms, call.tops[0], call.buffers["index"])
    else:
        _sum(call.bottoms, call.known(EltwiseGeometry).factors, call.tops[0])


def _sum(bottoms: tuple[Array, ...], coeff: tuple[float, ...], y: Array) -> None:
    first = bottoms[0] if coeff[0] == 1 else bottoms[0] * coeff[0]
    second = bottoms[1] if coeff[1] == 1 else bottoms[1] * coeff[1]
    np.add(first, second, out=y)
    for x, c in zip(bottoms[2:], coeff[2:], strict=True):
        y += x if c == 1 else x * c


def _product(bottoms: tuple[Array, ...], y: Array) -> None:
    np.multiply(bottoms[0], bottoms[1], out=y)
    for x in bottoms[2:]:
        y *= x


def _maximum(bottoms: tuple[Array, ...], y: Array, index: Array) -> None:
    first, second, *others = (np.broadcast_to(x, y.shape).ravel() for x in bottoms)
    _larger(first, second, y.ravel(), index.ravel())
    for number, x in enumerate(others, 2):
        _raise(x, number, y.ravel(), index.ravel())


@kernel
def _larger(a: Array, b: Array, y: Array, index: Array) -> None:
    for i in range(a.size):
        first = a[i] > b[i]
        y[i] = a[i] if first else b[i]
        index[i] = 0 if first else 1


@kernel
def _raise(x: Array, number: int, y: Array, index: Array) -> None:
    for i in range(x.size):
        if x[i] > y[i]:
            y[i] = x[i]
            index[i] = number


def backward(call: Call) -> None:
    # The first bottom comes last: in place its diff is the top's diff.
    for i in reversed(range(len(call.bottoms))):
        dx = call.bottom_diffs[i]
        if dx is None:
            continue
        dy = call.top_diffs[0]
        each = dx if dx.shape == dy.shape else np.empty_like(dy)  # of each place that the bottom was repeated to
        if call.p.operation == "PROD":
            _product_gradient(call, i, each)
        elif call.p.operation == "MAX":
            np.multiply(dy, call.buffers["index"] == i, out=each)
        else:
            np.multiply(dy, call.known(EltwiseGeometry).factors[i], out=each)
        if each is not dx:
            repeated = tuple(axis for axis, size in enumerate(dx.shape) if size != dy.shape[axis])
            np.sum(each, axis=repeated, keepdims=True, out=dx)


def _product_gradient(call: Call, i: int, dx: Array) -> None:
    if call.p.stable_prod_grad:
        others = call.bottoms[:i] + call.bottoms[i + 1 :]
        np.multiply(others[0], call.top_diffs[0], out=dx)
        for x in others[1:]:
            dx *= x
    else:
        np.divide(call.tops[0], call.bottoms[i], out=dx)
        dx *= call.top_diffs[0]


_TWO = (Input((2, 3, 4)), Input((2, 3, 4)))
_THREE = (*_TWO, Input((2, 3, 4)))
_REPEATED = (Input((2, 1, 4), "distinct"), Input((2, 3, 1), "uniform"), Input((1, 3, 4), "distinct"))
_LADDERS = (Input((2, 3, 4), "distinct"), Input((2, 3, 4), "uniform"), Input((2, 3, 4), "distinct"))

ELTWISE = LayerType(
    "Eltwise",
    __doc__,
    setup,
    forward,
    backward,
    param="eltwise_param",
    bottoms=Arity(2, None),
    role=Role(
        space="same",
        advice="a sum or product overflows: scale its bottoms, or lower base_lr",
        called={
            "add": "(operation: SUM is its default)",
            "merge": "",
            "mul": "with `eltwise_param { operation: PROD }`",
            "multiply": "with `eltwise_param { operation: PROD }`",
            "sub": "with `eltwise_param { coeff: 1 coeff: -1 }`",
            "subtract": "with `eltwise_param { coeff: 1 coeff: -1 }`",
            "sum": "(operation: SUM is its default)",
        },
    ),
    examples=(
        Example(inputs=_TWO),
        Example("eltwise_param { operation: SUM coeff: 1 coeff: -0.5 coeff: 2 }", inputs=_THREE),
        Example("eltwise_param { operation: PROD }", inputs=_THREE),
        Example("eltwise_param { operation: PROD stable_prod_grad: false }", inputs=_LADDERS),
        Example("eltwise_param { operation: MAX }", inputs=_LADDERS),
        Example("eltwise_param { operation: MAX coeff: 2 coeff: -1 }", inputs=_LADDERS[:2]),
        Example("eltwise_param { coeff: 1 coeff: -0.5 coeff: 2 }", inputs=_REPEATED),
        Example("eltwise_param { operation: PROD }", inputs=(Input((2, 3, 4, 5)), Input((2, 3, 1, 1)))),
        Example("eltwise_param { operation: PROD stable_prod_grad: false }", inputs=_REPEATED),
        Example("eltwise_param { operation: MAX }", inputs=_REPEATED),
    ),
    refuses=(
        Refused(SHAPES_DIFFER, bottoms=((2, 3, 4), (2, 3, 5))),
        Refused(SHAPES_DIFFER, bottoms=((2, 3, 4), (3, 4))),
        Refused(SHAPES_DIFFER, bottoms=((2, 3, 4), (2, 1, 4), (2, 2, 4))),
        Refused(BAD_FIELD, "eltwise_param { coeff: 1 }", bottoms=((2, 3), (2, 3))),
        Refused(BAD_FIELD, "eltwise_param { operation: PROD coeff: 1 coeff: 1 }", bottoms=((2, 3), (2, 3))),
    ),
)
