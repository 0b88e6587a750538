"""Recurrent layer of Elman's kind, with a second layer for the output.

Computes:
    For each step t: h_t = tanh(W_xh x_t + b_h (+ W_xh_static x_static) + W_hh (cont_t h_{t-1})),
    o_t = tanh(W_ho h_t + b_o). The top is o.

Shapes:
    Bottoms: x (T x N x ...: T steps of N streams), cont (T x N; 0 where a sequence begins), and perhaps a static input
    (N x ...). Top: T x N x num_output. With `expose_hidden` there is one more bottom, h_0, and one more top, h_T, each
    1 x N x num_output. Blobs: W_xh (D x I), b_h (D), W_xh_static (D x S) with a static input, W_hh (D x D),
    W_ho (D x D), b_o (D).

Gradient:
    Backpropagation through all T steps, from an exposed state after the last step to that before the first; it stops at
    a state that is kept.

Caffe notes:
    Without `expose_hidden` the state after the last step is kept for the next forward pass, which begins with it unless
    cont says otherwise; it is zero at first. In Caffe an exposed state takes and gives no gradient, so that an encoder
    never learns from what reads its last state; here it does. `debug_info` is ignored.
"""

import numpy as np

from netc.kernels.recurrent import (
    HOLDS,
    Layout,
    add_product,
    begin,
    end,
    first_gradients,
    input_gradients,
    last_gradients,
    layout,
    previous,
    problem,
    transform_input,
)
from netc.layer import (
    BAD_BOTTOM_SHAPE,
    BAD_FIELD,
    MISSING_FIELD,
    Arity,
    Buffer,
    Call,
    Example,
    Input,
    LayerType,
    ParamBlob,
    Refused,
    Setup,
    Site,
)
from netc.role import Role

_STATES = ("h_0",)


def setup(site: Site) -> Setup:
    p = site.p
    if not p.num_output:
        site.refuse(MISSING_FIELD, "needs num_output, the size of the state", "num_output")
    if message := problem(site.bottoms, p.num_output, 1, p.expose_hidden):
        site.refuse(BAD_BOTTOM_SHAPE, message, "bottom")
    at = layout(site.bottoms, p.num_output, 1, p.expose_hidden)
    if site.top_count != len(at.tops):
        message = f"needs {len(at.tops)} tops {'with' if at.exposed else 'without'} expose_hidden"
        site.refuse(BAD_FIELD, f"{message}, but has {site.top_count}", "top", "expose_hidden")
    size = at.outputs
    params = [ParamBlob("W_xh", (size, at.inputs), p.weight_filler), ParamBlob("b_h", (size,), p.bias_filler)]
    if at.static:
        params.append(ParamBlob("W_xh_static", (size, at.static), p.weight_filler))
    params += [ParamBlob(name, (size, size), p.weight_filler) for name in ("W_hh", "W_ho")]
    params.append(ParamBlob("b_o", (size,), p.bias_filler))
    buffers = [Buffer("h", (at.steps, *at.state)), Buffer("dh", (at.steps, *at.state), kind="scratch")]
    buffers.append(Buffer("h_0", at.state))
    if not at.exposed:
        buffers.append(Buffer("h_0_carried", at.state, kind="state"))
    reads = ("x0", "x1", "x2", "y0") if at.static else ("x0", "x1", "y0")
    macs = at.macs(1) + at.rows * size * size
    return Setup(at.tops, tuple(params), tuple(buffers), reads, macs=macs, holds=HOLDS, geometry=at)


def forward(call: Call) -> None:
    at = call.known(Layout)
    cont, h, o = call.bottoms[1], call.buffers["h"], call.tops[0]
    begin(call, at, _STATES)
    before = call.buffers["h_0"]
    transform_input(call, at, h)
    recurrent, output, bias = call.params[at.hidden :]
    for t in range(at.steps):
        h[t] += (before * cont[t, :, None]) @ recurrent.T
        np.tanh(h[t], out=h[t])
        before = h[t]
    np.matmul(h.reshape(at.rows, -1), output.T, out=o.reshape(at.rows, -1))
    o += bias
    np.tanh(o, out=o)
    end(call, at, _STATES, (before,))


def backward(call: Call) -> None:
    at = call.known(Layout)
    cont, h, o, dh = call.bottoms[1], call.buffers["h"], call.tops[0], call.buffers["dh"]
    recurrent, output, _ = call.params[at.hidden :]
    d_recurrent, d_output, d_bias = call.param_diffs[at.hidden :]
    slope = (call.top_diffs[0] * (1 - o * o)).reshape(at.rows, -1)
    add_product(d_output, slope, h.reshape(at.rows, -1))
    if d_bias is not None:
        d_bias += slope.sum(axis=0)
    np.matmul(slope, output, out=dh.reshape(at.rows, -1))
    (after,) = last_gradients(call, at)
    for t in reversed(range(at.steps)):
        dh[t] = (dh[t] + after) * (1 - h[t] * h[t])
        after = (dh[t] @ recurrent) * cont[t, :, None]
    before = previous(h, call.buffers["h_0"], cont)
    add_product(d_recurrent, dh.reshape(at.rows, -1), before.reshape(at.rows, -1))
    input_gradients(call, at, dh)
    first_gradients(call, at, after)


_FILLERS = 'weight_filler { type: "uniform" min: -0.4 max: 0.4 } bias_filler { type: "uniform" min: -0.2 max: 0.2 }'
_CONT = Input((4, 2), "values", values=(0, 0, 1, 1, 1, 0, 1, 1))

RNN = LayerType(
    "RNN",
    __doc__,
    setup,
    forward,
    backward,
    param="recurrent_param",
    bottoms=Arity(2, 4),
    tops=Arity(1, 2),
    differentiable=(True, False, True),
    role=Role("recurrent", sequence=True),
    examples=(
        Example(f"recurrent_param {{ num_output: 3 {_FILLERS} }}", inputs=(Input((4, 2, 3)), _CONT)),
        Example(
            f"recurrent_param {{ num_output: 3 {_FILLERS} }}", inputs=(Input((4, 2, 2, 2)), _CONT, Input((2, 2, 3)))
        ),
        Example(
            f"recurrent_param {{ num_output: 3 expose_hidden: true {_FILLERS} }}",
            inputs=(Input((4, 2, 3)), _CONT, Input((1, 2, 3))),
            tops=2,
        ),
    ),
    refuses=(
        Refused(MISSING_FIELD, "", bottoms=((4, 2, 3), (4, 2))),
        Refused(BAD_BOTTOM_SHAPE, "recurrent_param { num_output: 3 }", bottoms=((4, 2, 3), (4, 3))),
        Refused(BAD_BOTTOM_SHAPE, "recurrent_param { num_output: 3 }", bottoms=((4, 2), (4, 2))),
        Refused(BAD_FIELD, "recurrent_param { num_output: 3 }", bottoms=((4, 2, 3), (4, 2)), tops=2),
    ),
)
