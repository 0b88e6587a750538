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
    previous,
    transform_input,
)
from netc.layer import (
    Arity,
    Buffer,
    Call,
    LayerType,
    ParamBlob,
    Setup,
    Site,
)
from netc.role import Role
from netc.setups import recurrent

_STATES = ("h_0",)


def setup(site: Site) -> Setup:
    p, at = site.p, recurrent.layout(site, states=1)
    size = at.outputs
    params = recurrent.input_blobs(site, at, size, "W_xh", "b_h")
    params += [ParamBlob(name, (size, size), p.weight_filler) for name in ("W_hh", "W_ho")]
    params.append(ParamBlob("b_o", (size,), p.bias_filler))
    buffers = [Buffer("h", (at.steps, *at.state)), Buffer("dh", (at.steps, *at.state), kind="scratch")]
    buffers += recurrent.state_buffers(at, _STATES)
    macs = at.macs(1) + at.rows * size * size
    return Setup(at.tops, tuple(params), tuple(buffers), recurrent.reads(at), macs=macs, holds=HOLDS, geometry=at)


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
    examples=recurrent.examples(1),
    refuses=recurrent.REFUSES,
)
