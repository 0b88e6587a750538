"""Long short-term memory (Hochreiter & Schmidhuber 1997; this form: Graves 2013 without peepholes).

Computes:
    For each step t: gates = W_xc x_t + b_c (+ W_xc_static x_static) + W_hc (cont_t h_{t-1}); i, f, o = sigmoid and
    g = tanh of the gates' quarters; c_t = cont_t f c_{t-1} + i g; h_t = o tanh(c_t). The top is h.

Shapes:
    Bottoms: x (T x N x ...: T steps of N streams), cont (T x N; 0 where a sequence begins), and perhaps a static input
    (N x ...). Top: T x N x num_output. With `expose_hidden` there are two more bottoms, h_0 and c_0, and two more tops,
    h_T and c_T, each 1 x N x num_output. Blobs: W_xc (4D x I), b_c (4D), W_xc_static (4D x S) with a static input,
    W_hc (4D x D).

Gradient:
    Backpropagation through all T steps, from exposed states after the last step to those before the first; it stops at
    states that are kept.

Caffe notes:
    Without `expose_hidden` the states after the last step are kept for the next forward pass, which begins with them
    unless cont says otherwise; they are zero at first. In Caffe exposed states take and give no gradient, so that an
    encoder never learns from what reads its last state; here they do. `debug_info` is ignored.
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
    lstm_cell,
    lstm_cell_gradient,
    previous,
    transform_input,
)
from netc.layer import (
    BAD_BOTTOM_SHAPE,
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
from netc.setups import recurrent

_STATES = ("h_0", "c_0")


def setup(site: Site) -> Setup:
    at = recurrent.layout(site, states=2)
    gates = 4 * at.outputs
    params = recurrent.input_blobs(site, at, gates, "W_xc", "b_c")
    params.append(ParamBlob("W_hc", (gates, at.outputs), site.p.weight_filler))
    values = (at.steps, at.streams, gates)
    buffers = [Buffer("gates", values), Buffer("c", (at.steps, *at.state)), Buffer("dgates", values, kind="scratch")]
    buffers += recurrent.state_buffers(at, _STATES)
    return Setup(at.tops, tuple(params), tuple(buffers), recurrent.reads(at), macs=at.macs(4), holds=HOLDS, geometry=at)


def forward(call: Call) -> None:
    at = call.known(Layout)
    cont, h = call.bottoms[1], call.tops[0]
    gates, c = call.buffers["gates"], call.buffers["c"]
    begin(call, at, _STATES)
    h_before, c_before = (call.buffers[name] for name in _STATES)
    transform_input(call, at, gates)
    weights = call.params[at.hidden].T
    for t in range(at.steps):
        gates[t] += (h_before * cont[t, :, None]) @ weights
        lstm_cell(gates[t], gates[t], c_before, cont[t], c[t], h[t])
        h_before, c_before = h[t], c[t]
    end(call, at, _STATES, (h_before, c_before))


def backward(call: Call) -> None:
    at = call.known(Layout)
    cont, h, dh = call.bottoms[1], call.tops[0], call.top_diffs[0]
    gates, dgates, c = (call.buffers[name] for name in ("gates", "dgates", "c"))
    weights = call.params[at.hidden]
    dh_after, dc = last_gradients(call, at)
    for t in reversed(range(at.steps)):
        c_before = c[t - 1] if t else call.buffers["c_0"]
        dc_before = np.empty_like(dc)
        lstm_cell_gradient(gates[t], c_before, c[t], dc, dh[t] + dh_after, dgates[t], dc_before)
        dh_after, dc = (dgates[t] @ weights) * cont[t, :, None], dc_before
    before = previous(h, call.buffers["h_0"], cont)
    add_product(call.param_diffs[at.hidden], dgates.reshape(at.rows, -1), before.reshape(at.rows, -1))
    input_gradients(call, at, dgates)
    first_gradients(call, at, dh_after, dc)


LSTM = LayerType(
    "LSTM",
    __doc__,
    setup,
    forward,
    backward,
    param="recurrent_param",
    bottoms=Arity(2, 5),
    tops=Arity(1, 3),
    differentiable=(True, False, True),
    role=Role("recurrent", sequence=True, called={"lstmcell": ""}),
    examples=(
        *recurrent.examples(2),
        Example(
            f"recurrent_param {{ num_output: 3 expose_hidden: true {recurrent.FILLERS} }}",
            inputs=(Input((4, 2, 3)), recurrent.CONT, Input((2, 2)), Input((1, 2, 3)), Input((1, 2, 3))),
            tops=3,
        ),
    ),
    refuses=(
        *recurrent.REFUSES,
        Refused(
            BAD_BOTTOM_SHAPE,
            "recurrent_param { num_output: 3 expose_hidden: true }",
            bottoms=((4, 2, 3), (4, 2), (1, 2, 3), (1, 2, 4)),
            tops=3,
        ),
    ),
)
