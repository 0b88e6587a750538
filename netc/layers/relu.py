"""Rectified linear unit.

Computes:
    y = x for x > 0, y = s * x otherwise, with s = `negative_slope` (0: plain ReLU; Nair & Hinton 2010).

Shapes:
    The top has the bottom's shape.

Gradient:
    dx = dy for x > 0, dx = s * dy otherwise. Read from y, which has x's sign as long as s >= 0; a negative slope would
    lose the sign, so then x is kept.

Caffe notes:
    At x = 0 the gradient is s * dy, as in Caffe.
"""

from netc.jit import kernel
from netc.layer import Array, Call, Example, Input, LayerType, Setup, Site
from netc.role import Role


def setup(site: Site) -> Setup:
    slope = site.p.negative_slope
    keeps_sign = slope >= 0
    return Setup(
        tops=(site.bottoms[0],),
        reads=("y",) if keeps_sign else ("x",),
        in_place=keeps_sign,
    )


@kernel
def _forward(x: Array, y: Array, slope: float) -> None:
    for i in range(x.size):
        y[i] = x[i] if x[i] > 0 else x[i] * slope


@kernel
def _backward(sign: Array, dy: Array, dx: Array, slope: float) -> None:
    for i in range(sign.size):
        dx[i] = dy[i] if sign[i] > 0 else dy[i] * slope


def forward(call: Call) -> None:
    x, y = call.bottoms[0], call.tops[0]
    _forward(x.ravel(), y.ravel(), x.dtype.type(call.p.negative_slope))


def backward(call: Call) -> None:
    dx = call.bottom_diffs[0]
    if dx is None:
        return
    sign = call.tops[0] if "y" in call.setup.reads else call.bottoms[0]
    _backward(sign.ravel(), call.top_diffs[0].ravel(), dx.ravel(), dx.dtype.type(call.p.negative_slope))


RELU = LayerType(
    "ReLU",
    __doc__,
    setup,
    forward,
    backward,
    param="relu_param",
    role=Role("activation", bends=True, rectifies=True, space="same", called={"activation": ""}),
    examples=(
        Example(inputs=(Input((2, 3, 4, 5), "distinct"),)),
        Example("relu_param { negative_slope: 0.1 }", inputs=(Input((2, 3, 4, 5), "distinct"),)),
        Example("relu_param { negative_slope: -0.5 }", inputs=(Input((7,), "distinct"),)),
    ),
)
