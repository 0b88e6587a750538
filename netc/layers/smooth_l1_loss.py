"""Smooth L1 loss: quadratic near zero, linear beyond (Fast R-CNN, Girshick 2015).

Computes:
    d = inside * (a - b); f(d) = (sigma d)^2 / 2 where |d| < 1 / sigma^2, |d| - 1 / (2 sigma^2) elsewhere;
    loss = the sum of outside * f(d), divided by N, the first dimension.
    The bottoms are a, b and, if given, inside and outside weights, which are 1 if they are not.

Shapes:
    All bottoms have as many channels, rows and columns; the top is a scalar.

Gradient:
    da = weight * outside * inside * f'(d) / N with f'(d) = sigma^2 d or the sign of d; db = -da. Weights get none.

Caffe notes:
    A layer of the Fast R-CNN and SSD forks: with four bottoms as in Faster R-CNN, with three as in SSD (a third bottom
    weighs the difference). BVLC's rule for losses holds: `loss_weight` is 1 if left out.
"""

import numpy as np

from netc.layer import (
    BAD_BOTTOM_SHAPE,
    BAD_FIELD,
    Arity,
    Array,
    Call,
    Example,
    Input,
    LayerType,
    Param,
    Refused,
    Setup,
    Site,
    format_shape,
)
from netc.role import ANYTHING, Holds, Role
from netc.schema.declare import Message, optional

ORIGIN = "Fast R-CNN (rbgirshick/caffe-fast-rcnn)"
PARAMETER = Message(
    "SmoothL1LossParameter",
    (optional("sigma", 1, "float", 1.0, "The loss is quadratic where |d| < 1 / sigma^2."),),
    origin=ORIGIN,
)


def setup(site: Site) -> Setup:
    first = site.bottoms[0]
    for other in site.bottoms:
        if not first or np.prod(other) != np.prod(first) or other[:1] != first[:1]:
            shapes = ", ".join(map(format_shape, site.bottoms))
            site.refuse(BAD_BOTTOM_SHAPE, f"its bottoms must have one shape, but have {shapes}", "bottom")
    if site.p.sigma <= 0:
        site.refuse(BAD_FIELD, f"sigma must be positive, but is {site.p.sigma:g}", "sigma")
    return Setup(tops=((),), reads=("x",), holds=(ANYTHING, ANYTHING, Holds("uniform")))


def _difference(call: Call) -> Array:
    d: Array = call.bottoms[0].ravel() - call.bottoms[1].ravel()
    if len(call.bottoms) > 2:
        d *= call.bottoms[2].ravel()
    return d


def forward(call: Call) -> None:
    d, square = _difference(call), call.p.sigma**2
    size = np.abs(d)
    values = np.where(size < 1 / square, d * d * d.dtype.type(0.5 * square), size - d.dtype.type(0.5 / square))
    if len(call.bottoms) > 3:
        values *= call.bottoms[3].ravel()
    call.tops[0][...] = values.sum() / call.bottoms[0].shape[0]


def backward(call: Call) -> None:
    d, square = _difference(call), call.p.sigma**2
    slope = np.where(np.abs(d) < 1 / square, d * d.dtype.type(square), np.sign(d))
    for weights in call.bottoms[2:]:
        slope *= weights.ravel()
    slope *= call.top_diffs[0].reshape(()) / d.dtype.type(call.bottoms[0].shape[0])
    for dx, sign in zip(call.bottom_diffs, (1, -1), strict=False):
        if dx is not None:
            np.multiply(slope, d.dtype.type(sign), out=dx.reshape(-1))


def _bottoms(count: int) -> tuple[Input, ...]:
    weights = Input((3, 4), "uniform", 0.2, 1.0)
    return (Input((3, 4)), Input((3, 4)), weights, weights)[:count]


SMOOTH_L1_LOSS = LayerType(
    "SmoothL1Loss",
    __doc__,
    setup,
    forward,
    backward,
    param="smooth_l1_loss_param",
    own=Param(optional("smooth_l1_loss_param", 8266712, "SmoothL1LossParameter", origin=ORIGIN), (PARAMETER,)),
    origin=ORIGIN,
    bottoms=Arity(2, 4),
    differentiable=(True, True, False),
    loss=True,
    auto_tops=True,
    role=Role("loss", called={"huber": "", "huberloss": ""}),
    examples=(
        Example("smooth_l1_loss_param { sigma: 3 }", inputs=_bottoms(4)),
        Example(inputs=_bottoms(2)),
        Example("loss_weight: 2", inputs=_bottoms(3)),
    ),
    refuses=(
        Refused(BAD_BOTTOM_SHAPE, bottoms=((3, 4), (3, 5))),
        Refused(BAD_FIELD, "smooth_l1_loss_param { sigma: 0 }", bottoms=((3, 4), (3, 4))),
    ),
)
