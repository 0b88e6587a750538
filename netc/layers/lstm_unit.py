"""One step of an LSTM: gates to cell and hidden state (the LSTM layer holds this and its weights).

Computes:
    i, f, o = sigmoid and g = tanh of the quarters of x; c = cont f c_before + i g; h = o tanh(c).

Shapes:
    Bottoms: c_before (1 x N x D), x (1 x N x 4D), cont (1 x N). Tops: c and h (1 x N x D).

Gradient:
    With e = dc + dh o (1 - tanh(c)^2): dc_before = e cont f; di = e g, df = e c_before, do = dh tanh(c), dg = e i, each
    times the slope of its squashing function.

Caffe notes:
    cont takes no gradient. cont f stands for f in the slope f (1 - f), which is exact for cont 0 and 1.
"""

import numpy as np

from netc.kernels.recurrent import lstm_cell, lstm_cell_gradient
from netc.layer import (
    BAD_BOTTOM_SHAPE,
    Arity,
    Buffer,
    Call,
    Example,
    Input,
    LayerType,
    Refused,
    Setup,
    Site,
    format_shape,
)
from netc.role import ANYTHING, Holds, Role


def setup(site: Site) -> Setup:
    c, x, cont = site.bottoms
    if len(c) != 3 or c[0] != 1 or x != (1, c[1], 4 * c[2]) or cont != (1, c[1]):
        shapes = ", ".join(map(format_shape, site.bottoms))
        site.refuse(BAD_BOTTOM_SHAPE, f"needs bottoms 1 x N x D, 1 x N x 4D and 1 x N, but has {shapes}", "bottom")
    return Setup(
        tops=(c, c), buffers=(Buffer("gates", x[1:]),), reads=("x0", "y0"), holds=(ANYTHING, ANYTHING, Holds("binary"))
    )


def forward(call: Call) -> None:
    c_before, x, cont = (bottom[0] for bottom in call.bottoms)
    lstm_cell(x, call.buffers["gates"], c_before, cont, call.tops[0][0], call.tops[1][0])


def backward(call: Call) -> None:
    c_before, c = call.bottoms[0][0], call.tops[0][0]
    dc, dh = (diff[0] for diff in call.top_diffs)
    gates = call.buffers["gates"]
    dx, dc_before = np.empty_like(gates), np.empty_like(c)
    lstm_cell_gradient(gates, c_before, c, dc, dh, dx, dc_before)
    for diff, value in zip(call.bottom_diffs[:2], (dc_before, dx), strict=True):
        if diff is not None:
            diff[0] = value


LSTM_UNIT = LayerType(
    "LSTMUnit",
    __doc__,
    setup,
    forward,
    backward,
    bottoms=Arity(3, 3),
    tops=Arity(2, 2),
    differentiable=(True, True, False),
    role=Role("recurrent", sequence=True),
    examples=(
        Example(
            inputs=(Input((1, 4, 3)), Input((1, 4, 12)), Input((1, 4), "values", values=(1, 0, 1, 1))),
            tops=2,
        ),
    ),
    refuses=(
        Refused(BAD_BOTTOM_SHAPE, bottoms=((1, 4, 3), (1, 4, 9), (1, 4)), tops=2),
        Refused(BAD_BOTTOM_SHAPE, bottoms=((2, 4, 3), (2, 4, 12), (2, 4)), tops=2),
    ),
)
