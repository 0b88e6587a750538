"""Exponential.

Computes:
    y = base ^ (shift + scale x), with base = e if `base` is -1 (the default).

Shapes:
    The top has the bottom's shape.

Gradient:
    dx = dy y scale ln(base), read from y.

Caffe notes:
    Computed as exp(scale ln(base) x) base ^ shift, as in Caffe.
"""

from math import exp, log

import numpy as np

from netc.kernels.geometry import ExpGeometry
from netc.layer import BAD_FIELD, Call, Example, Input, LayerType, Refused, Setup, Site
from netc.role import Role


def setup(site: Site) -> Setup:
    p = site.p
    if p.base != -1 and p.base <= 0:
        site.refuse(BAD_FIELD, f"base: {p.base:g} must be larger than 0, or -1 for e", "base")
    log_base = 1.0 if p.base == -1 else log(p.base)
    g = ExpGeometry(log_base * p.scale, exp(log_base * p.shift))
    return Setup(tops=(site.bottoms[0],), reads=("y",), in_place=True, geometry=g)


@np.errstate(over="ignore")
def forward(call: Call) -> None:
    g = call.known(ExpGeometry)
    y = call.tops[0]
    np.multiply(call.bottoms[0], g.rate, out=y)
    np.exp(y, out=y)
    y *= g.factor


@np.errstate(over="ignore", invalid="ignore")
def backward(call: Call) -> None:
    dx = call.bottom_diffs[0]
    if dx is not None:
        np.multiply(call.top_diffs[0], call.tops[0] * call.known(ExpGeometry).rate, out=dx)


_SMALL = (Input((2, 3, 4)),)

EXP = LayerType(
    "Exp",
    __doc__,
    setup,
    forward,
    backward,
    param="exp_param",
    role=Role(space="same", advice="an exponential overflows: scale its bottom down, or lower base_lr"),
    examples=(
        Example("exp_param { base: 2 scale: 0.5 shift: 1 }", inputs=_SMALL),
        Example(inputs=_SMALL),
        Example("exp_param { scale: -0.5 shift: -0.3 }", inputs=_SMALL),
        Example("exp_param { base: 0.5 shift: 2 }", inputs=_SMALL),
        Example("exp_param { base: 1 }", inputs=_SMALL),
    ),
    refuses=(Refused(BAD_FIELD, "exp_param { base: 0 }"), Refused(BAD_FIELD, "exp_param { base: -2 }")),
)
