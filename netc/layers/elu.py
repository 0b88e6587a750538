"""Exponential linear unit (Clevert et al. 2015).

Computes:
    y = x for x > 0, y = alpha (exp(x) - 1) otherwise.

Shapes:
    The top has the bottom's shape.

Gradient:
    dx = dy for x > 0, dx = (y + alpha) dy otherwise. With alpha >= 0 y has x's sign, so only y is read.

Caffe notes:
    None: the same formula as Caffe's.
"""

import numpy as np

from netc.layer import Call, Example, Input, LayerType, Setup, Site
from netc.role import Role


def setup(site: Site) -> Setup:
    keeps_sign = site.p.alpha >= 0
    return Setup(tops=(site.bottoms[0],), reads=("y",) if keeps_sign else ("x", "y"), in_place=True)


def forward(call: Call) -> None:
    x, y = call.bottoms[0], call.tops[0]
    below = call.p.alpha * np.expm1(np.minimum(x, 0))
    np.maximum(x, 0, out=y)
    y += below


def backward(call: Call) -> None:
    y, dx = call.tops[0], call.bottom_diffs[0]
    if dx is not None:
        sign = call.bottoms[0] if "x" in call.setup.reads else y
        np.multiply(np.where(sign > 0, y.dtype.type(1), y + call.p.alpha), call.top_diffs[0], out=dx)


_LADDER = (Input((2, 3, 4), "distinct"),)

ELU = LayerType(
    "ELU",
    __doc__,
    setup,
    forward,
    backward,
    param="elu_param",
    role=Role("activation", bends=True, space="same"),
    examples=(
        Example("elu_param { alpha: 0.5 }", inputs=_LADDER),
        Example(inputs=_LADDER),
        Example("elu_param { alpha: -0.5 }", inputs=_LADDER),
        Example("elu_param { alpha: 0 }", inputs=_LADDER),
    ),
)
