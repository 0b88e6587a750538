"""Logarithm.

Computes:
    y = log(shift + scale x) to the base `base`, e if it is -1 (the default).

Shapes:
    The top has the bottom's shape.

Gradient:
    dx = dy scale / (ln(base) (shift + scale x)).

Caffe notes:
    As in Caffe, the logarithm of a negative number is not a number, that of 0 is minus infinity.
"""

from math import log

import numpy as np

from netc.kernels.geometry import LogGeometry
from netc.layer import BAD_FIELD, Call, Example, Input, LayerType, Refused, Setup, Site
from netc.role import Role


def setup(site: Site) -> Setup:
    base = site.p.base
    if base != -1 and (base <= 0 or base == 1):
        site.refuse(BAD_FIELD, f"base: {base:g} must be larger than 0 and not 1, or -1 for e", "base")
    g = LogGeometry(1.0 if base == -1 else 1 / log(base))
    return Setup(tops=(site.bottoms[0],), reads=("x",), in_place=True, geometry=g)


@np.errstate(divide="ignore", invalid="ignore")
def forward(call: Call) -> None:
    p, y = call.p, call.tops[0]
    np.multiply(call.bottoms[0], p.scale, out=y)
    y += p.shift
    np.log(y, out=y)
    y *= call.known(LogGeometry).factor


@np.errstate(divide="ignore", invalid="ignore")
def backward(call: Call) -> None:
    p, dx = call.p, call.bottom_diffs[0]
    if dx is not None:
        inner = call.bottoms[0] * p.scale
        inner += p.shift
        np.multiply(call.top_diffs[0], p.scale * call.known(LogGeometry).factor / inner, out=dx)


_POSITIVE = (Input((2, 3, 4), "uniform", low=0.5, high=3),)

LOG = LayerType(
    "Log",
    __doc__,
    setup,
    forward,
    backward,
    param="log_param",
    role=Role(space="same", advice="a logarithm of zero or less: add a `shift` to the Log layer"),
    examples=(
        Example("log_param { base: 10 scale: 2 shift: 0.5 }", inputs=_POSITIVE),
        Example(inputs=_POSITIVE),
        Example("log_param { base: 0.5 scale: -0.1 shift: 1 }", inputs=_POSITIVE),
    ),
    refuses=(
        Refused(BAD_FIELD, "log_param { base: 1 }"),
        Refused(BAD_FIELD, "log_param { base: 0 }"),
        Refused(BAD_FIELD, "log_param { base: -3 }"),
    ),
)
