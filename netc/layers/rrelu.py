"""Randomized rectified linear unit (Xu et al. 2015).

Computes:
    y = x for x > 0, y = a x otherwise. While training a is drawn for each value and iteration, uniform in
    `lower`..`upper`; at test a = (lower + upper) / 2.

Shapes:
    The top has the bottom's shape.

Gradient:
    dx = dy for x > 0, a dy otherwise, with the same a: it is computed again from (seed, stream, iteration, index), not
    stored. The sign of x is read from y, which has it because a is not negative.

Caffe notes:
    Caffe has no such layer.
"""

from typing import NamedTuple

from netc.jit import kernel
from netc.kernels.philox import uniform
from netc.layer import BAD_FIELD, Array, Call, Example, Input, LayerType, Param, Refused, Setup, Site
from netc.role import Role
from netc.schema.declare import Message, optional

PARAMETER = Message(
    "RReLUParameter",
    (
        optional("lower", 1, "float", 0.125, "Smallest slope below zero; not negative.", origin="netc"),
        optional("upper", 2, "float", 1 / 3, "Largest slope below zero.", origin="netc"),
    ),
    doc="Randomized rectified linear unit.",
    origin="netc",
)


class Geometry(NamedTuple):
    """Slopes are drawn from low to low + spread."""

    low: float
    spread: float


def setup(site: Site) -> Setup:
    lower, upper = site.p.lower, site.p.upper
    if not 0 <= lower <= upper:
        site.refuse(
            BAD_FIELD, f"needs 0 <= lower <= upper, not lower: {lower:g} and upper: {upper:g}", "lower", "upper"
        )
    if site.phase == "TEST":
        lower = upper = (lower + upper) / 2
    g = Geometry(lower, upper - lower)
    return Setup(tops=(site.bottoms[0],), reads=("y",), in_place=True, random=g.spread > 0, geometry=g)


@kernel
def _scale(sign: Array, x: Array, y: Array, low: float, spread: float, seed: int, stream: int, iteration: int) -> None:
    for i in range(x.size):
        if sign[i] > 0:
            y[i] = x[i]
        elif spread == 0:
            y[i] = x[i] * low
        else:
            y[i] = x[i] * (low + spread * uniform(seed, stream, iteration, i))


def _run(call: Call, sign: Array, x: Array, y: Array) -> None:
    low, spread = call.known(Geometry)
    _scale(sign.ravel(), x.ravel(), y.ravel(), low, spread, call.seed, call.stream, call.iteration)


def forward(call: Call) -> None:
    _run(call, call.bottoms[0], call.bottoms[0], call.tops[0])


def backward(call: Call) -> None:
    dx = call.bottom_diffs[0]
    if dx is not None:
        _run(call, call.tops[0], call.top_diffs[0], dx)


_LADDER = (Input((2, 3, 4), "distinct"),)

RRELU = LayerType(
    "RReLU",
    __doc__,
    setup,
    forward,
    backward,
    param="rrelu_param",
    own=Param(
        optional("rrelu_param", 1103, "RReLUParameter", doc="Fields of RReLU layers.", origin="netc"), (PARAMETER,)
    ),
    origin="netc",
    role=Role("activation", bends=True, space="same"),
    examples=(
        Example("rrelu_param { lower: 0.1 upper: 0.4 }", inputs=_LADDER),
        Example(inputs=_LADDER),
        Example(inputs=_LADDER, phase="TEST"),
        Example("rrelu_param { lower: 0 upper: 0 }", inputs=_LADDER),
    ),
    refuses=(
        Refused(BAD_FIELD, "rrelu_param { lower: 0.5 upper: 0.1 }"),
        Refused(BAD_FIELD, "rrelu_param { lower: -0.5 upper: 0.1 }"),
    ),
)
