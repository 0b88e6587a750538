"""Reduction of all axes from one on to a number.

Computes:
    y = coeff times the sum of x (SUM), of |x| (ASUM), of x^2 (SUMSQ), or the mean of x (MEAN), over all axes from
    `axis` on.

Shapes:
    The top keeps the bottom's axes before `axis`: a scalar for `axis: 0`.

Gradient:
    dx = coeff dy (SUM), coeff dy sign(x) (ASUM), 2 coeff dy x (SUMSQ), coeff dy / count (MEAN).

Caffe notes:
    ASUM's gradient is 0 at x = 0. Only trailing axes can be reduced.
"""

from math import prod

import numpy as np

from netc.kernels.geometry import Matrix
from netc.layer import AXIS_OUT_OF_RANGE, Call, Example, Input, LayerType, Refused, Setup, Site


def setup(site: Site) -> Setup:
    bottom = site.bottoms[0]
    axis = site.axis(site.p.axis) if bottom or site.p.axis != 0 else 0
    return Setup(
        tops=(bottom[:axis],),
        reads=("x",) if site.p.operation in ("ASUM", "SUMSQ") else (),
        geometry=Matrix(prod(bottom[:axis]), prod(bottom[axis:])),
    )


def forward(call: Call) -> None:
    view = call.known(Matrix)
    x, operation = call.bottoms[0].reshape(view), call.p.operation
    if operation == "ASUM":
        x = np.abs(x)
    elif operation == "SUMSQ":
        x = x * x
    coeff = call.p.coeff / (view.columns if operation == "MEAN" else 1)
    call.tops[0][...] = (x.sum(axis=1, dtype=np.float64) * coeff).reshape(call.tops[0].shape)


def backward(call: Call) -> None:
    view = call.known(Matrix)
    dx = call.bottom_diffs[0]
    if dx is None:
        return
    operation = call.p.operation
    coeff = call.p.coeff / (view.columns if operation == "MEAN" else 1)
    dy = call.top_diffs[0].reshape(-1, 1) * coeff
    out = dx.reshape(view)
    if operation == "ASUM":
        np.multiply(dy, np.sign(call.bottoms[0].reshape(view)), out=out)
    elif operation == "SUMSQ":
        np.multiply(2 * dy, call.bottoms[0].reshape(view), out=out)
    else:
        out[...] = dy


REDUCTION = LayerType(
    "Reduction",
    __doc__,
    setup,
    forward,
    backward,
    param="reduction_param",
    examples=(
        Example("reduction_param { operation: MEAN axis: 2 coeff: 3 }"),
        Example("reduction_param { operation: SUM }"),
        Example("reduction_param { operation: ASUM axis: 1 }", inputs=(Input((2, 3, 4), "distinct"),)),
        Example("reduction_param { operation: SUMSQ axis: -1 coeff: 0.5 }"),
        Example("reduction_param { operation: MEAN axis: -4 }"),
    ),
    refuses=(Refused(AXIS_OUT_OF_RANGE, "reduction_param { axis: 4 }"),),
)
