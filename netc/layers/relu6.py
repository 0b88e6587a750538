"""Rectified linear unit with an upper limit of 6 (Krizhevsky 2010; used by MobileNets).

Computes:
    y = min(x, 6) for x > 0, min(`negative_slope` * x, 6) elsewhere.

Shapes:
    The top has the bottom's shape.

Gradient:
    dx = dy for 0 < x < 6, `negative_slope` * dy for x <= 0, 0 for x >= 6; read from y.

Caffe notes:
    A layer of several forks. The slope is MobileNet-YOLO's; it must not be negative.
"""

import numpy as np

from netc.layer import BAD_FIELD, Call, Example, Input, LayerType, Param, Refused, Setup, Site
from netc.role import Role
from netc.schema.declare import Message, optional

ORIGIN = "MobileNet-YOLO (eric612/MobileNet-YOLO)"
PARAMETER = Message(
    "ReLU6Parameter",
    (optional("negative_slope", 1, "float", 0.0, "Slope for negative values."),),
    origin=ORIGIN,
)


def setup(site: Site) -> Setup:
    if site.p.negative_slope < 0:
        site.refuse(
            BAD_FIELD, f"negative_slope is {site.p.negative_slope:g}: it must not be negative", "negative_slope"
        )
    return Setup(tops=(site.bottoms[0],), reads=("y",), in_place=True)


def forward(call: Call) -> None:
    x, y, slope = call.bottoms[0], call.tops[0], call.p.negative_slope
    if slope:
        np.minimum(np.where(x > 0, x, x * x.dtype.type(slope)), 6, out=y)
    else:
        np.clip(x, 0, 6, out=y)


def backward(call: Call) -> None:
    y, dx = call.tops[0], call.bottom_diffs[0]
    if dx is not None:
        factor = np.where(y > 0, 1, call.p.negative_slope).astype(y.dtype) * (y < 6)
        np.multiply(factor, call.top_diffs[0], out=dx)


RELU6 = LayerType(
    "ReLU6",
    __doc__,
    setup,
    forward,
    backward,
    param="relu6_param",
    own=Param(optional("relu6_param", 2208, "ReLU6Parameter", origin=ORIGIN), (PARAMETER,)),
    origin=ORIGIN,
    role=Role("activation", bends=True, rectifies=True, space="same"),
    examples=(
        Example(inputs=(Input((2, 3, 4), "distinct"),)),
        Example(inputs=(Input((5,), "values", values=(-1, 0.5, 5.9, 6.1, 9)),)),
        Example("relu6_param { negative_slope: 0.1 }", inputs=(Input((2, 3, 40), "distinct"),)),
    ),
    refuses=(Refused(BAD_FIELD, "relu6_param { negative_slope: -1 }"),),
)
