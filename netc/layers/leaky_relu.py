"""Leaky rectified linear unit (Maas et al. 2013).

Computes:
    y = x for x > 0, y = s x otherwise, with s = `negative_slope`.

Shapes:
    The top has the bottom's shape.

Gradient:
    dx = dy for x > 0, s dy otherwise; read from y, which has x's sign because s is not negative.

Caffe notes:
    In Caffe write ReLU with `relu_param { negative_slope: 0.01 }`; it is the same.
"""

import numpy as np

from netc.layer import BAD_FIELD, Call, Example, Input, LayerType, Param, Refused, Setup, Site
from netc.role import Role
from netc.schema.declare import Message, optional

PARAMETER = Message(
    "LeakyReLUParameter",
    (optional("negative_slope", 1, "float", 0.01, "Slope below zero; not negative.", origin="netc"),),
    doc="Leaky rectified linear unit.",
    origin="netc",
)


def setup(site: Site) -> Setup:
    slope = site.p.negative_slope
    if slope < 0:
        site.refuse(BAD_FIELD, f"negative_slope: {slope:g} must not be negative", "negative_slope")
    return Setup(tops=(site.bottoms[0],), reads=("y",), in_place=True)


def forward(call: Call) -> None:
    x = call.bottoms[0]
    np.multiply(x, np.where(x > 0, x.dtype.type(1), x.dtype.type(call.p.negative_slope)), out=call.tops[0])


def backward(call: Call) -> None:
    y, dx = call.tops[0], call.bottom_diffs[0]
    if dx is not None:
        slope = np.where(y > 0, y.dtype.type(1), y.dtype.type(call.p.negative_slope))
        np.multiply(call.top_diffs[0], slope, out=dx)


_LADDER = (Input((2, 3, 4), "distinct"),)

LEAKY_RELU = LayerType(
    "LeakyReLU",
    __doc__,
    setup,
    forward,
    backward,
    param="leaky_relu_param",
    own=Param(
        optional("leaky_relu_param", 1102, "LeakyReLUParameter", doc="Fields of LeakyReLU layers.", origin="netc"),
        (PARAMETER,),
    ),
    origin="netc",
    role=Role("activation", bends=True, space="same"),
    examples=(
        Example("leaky_relu_param { negative_slope: 0.2 }", inputs=_LADDER),
        Example(inputs=_LADDER),
        Example("leaky_relu_param { negative_slope: 0 }", inputs=_LADDER),
    ),
    refuses=(Refused(BAD_FIELD, "leaky_relu_param { negative_slope: -1 }"),),
)
