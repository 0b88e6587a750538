"""Softmax.

Computes:
    y_c = exp(x_c) / sum over c of exp(x_c), along `axis`, at every other position on its own. The largest x is
    subtracted first, which changes nothing but keeps exp finite.

Shapes:
    The top has the bottom's shape.

Gradient:
    dx_c = y_c (dy_c - sum over k of dy_k y_k).

Caffe notes:
    `axis` counts from the end if negative. NaN at a position makes all classes at that position NaN.
"""

from netc.kernels.geometry import Along
from netc.kernels.softmax import softmax, softmax_gradient
from netc.layer import AXIS_OUT_OF_RANGE, Call, Example, Input, LayerType, Refused, Setup, Site, flat
from netc.role import Role


def setup(site: Site) -> Setup:
    return Setup(tops=(site.bottoms[0],), reads=("y",), in_place=True, geometry=Along(site.axis(site.p.axis)))


def forward(call: Call) -> None:
    axis = call.known(Along).axis
    softmax(flat(call.bottoms[0], axis), flat(call.tops[0], axis))


def backward(call: Call) -> None:
    axis = call.known(Along).axis
    dx = call.bottom_diffs[0]
    if dx is not None:
        softmax_gradient(flat(call.tops[0], axis), flat(call.top_diffs[0], axis), flat(dx, axis))


SOFTMAX = LayerType(
    "Softmax",
    __doc__,
    setup,
    forward,
    backward,
    param="softmax_param",
    role=Role("activation", probabilities=True, judged_by="SoftmaxWithLoss", space="same"),
    examples=(
        Example(inputs=(Input((3, 7)),)),
        Example(inputs=(Input((2, 5, 3, 4)),)),
        Example("softmax_param { axis: 2 }", inputs=(Input((2, 3, 4, 5)),)),
        Example("softmax_param { axis: -1 }", inputs=(Input((2, 3, 4)),)),
        Example("softmax_param { axis: 0 }", inputs=(Input((5,)),)),
    ),
    refuses=(Refused(AXIS_OUT_OF_RANGE, "softmax_param { axis: 4 }"),),
)
