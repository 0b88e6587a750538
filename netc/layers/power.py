"""Power.

Computes:
    y = (shift + scale x) ^ power.

Shapes:
    The top has the bottom's shape.

Gradient:
    dx = dy power scale (shift + scale x) ^ (power - 1).

Caffe notes:
    Caffe divides y by x where shift is 0, which is not a number at x = 0; netc computes the power itself, and gives 0
    there for a power above 1. With a scale or power of 0 the top is constant and its gradient 0.
"""

import numpy as np

from netc.kernels.geometry import PowerGeometry
from netc.layer import Array, Call, Example, Input, LayerType, Setup, Site
from netc.role import Role


def setup(site: Site) -> Setup:
    p = site.p
    constant = p.power == 0 or p.scale == 0
    linear = constant or p.power == 1
    return Setup(
        tops=(site.bottoms[0],), reads=() if linear else ("x",), in_place=True, geometry=PowerGeometry(constant)
    )


def _inner(call: Call, out: Array) -> Array:
    np.multiply(call.bottoms[0], call.p.scale, out=out)
    out += call.p.shift
    return out


@np.errstate(divide="ignore", invalid="ignore", over="ignore")
def forward(call: Call) -> None:
    power, y = call.p.power, call.tops[0]
    if call.known(PowerGeometry).constant:
        y.fill(1.0 if power == 0 else np.power(y.dtype.type(call.p.shift), power))
    elif power == 1:
        _inner(call, y)
    else:
        np.power(_inner(call, y), power, out=y)


@np.errstate(divide="ignore", invalid="ignore", over="ignore")
def backward(call: Call) -> None:
    p, dx = call.p, call.bottom_diffs[0]
    if dx is None:
        return
    if call.known(PowerGeometry).constant:
        dx.fill(0)
    elif p.power == 1:
        np.multiply(call.top_diffs[0], p.scale, out=dx)
    else:
        slope = _inner(call, np.empty_like(dx))
        if p.power != 2:
            np.power(slope, p.power - 1, out=slope)
        slope *= p.power * p.scale
        np.multiply(call.top_diffs[0], slope, out=dx)


_ANY = (Input((2, 3, 4)),)
_POSITIVE = (Input((2, 3, 4), "uniform", low=0.5, high=3),)

POWER = LayerType(
    "Power",
    __doc__,
    setup,
    forward,
    backward,
    param="power_param",
    role=Role(space="same", advice="a root or an inverse of zero or less: add a `shift` to the Power layer"),
    examples=(
        Example("power_param { power: 2 scale: 0.5 shift: 1 }", inputs=_ANY),
        Example(inputs=_ANY),
        Example("power_param { scale: -2 shift: 0.3 }", inputs=_ANY),
        Example("power_param { power: 0.5 }", inputs=_POSITIVE),
        Example("power_param { power: -1.5 scale: 2 shift: 0.1 }", inputs=_POSITIVE),
        Example("power_param { power: 3 }", inputs=(Input((3,), "values", values=(-1, 0, 2)),)),
        Example("power_param { power: 0 }", inputs=_ANY),
        Example("power_param { power: 2 scale: 0 shift: 3 }", inputs=_ANY),
    ),
)
