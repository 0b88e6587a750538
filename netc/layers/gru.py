"""Gated recurrent unit (Cho et al. 2014).

Computes:
    For each step t, with s = cont_t h_{t-1} and u = W_x x_t + b (+ W_x_static x_static): r = sigmoid(u_r + W_hr s),
    z = sigmoid(u_z + W_hz s), n = tanh(u_n + W_hn (r s)), h_t = z s + (1 - z) n. The top is h.

Shapes:
    Bottoms: x (T x N x ...: T steps of N streams), cont (T x N; 0 where a sequence begins), and perhaps a static input
    (N x ...). Top: T x N x num_output. With `expose_hidden` there is one more bottom, h_0, and one more top, h_T, each
    1 x N x num_output. Blobs, each in thirds r, z, n: W_x (3D x I), b (3D), W_x_static (3D x S) with a static input,
    W_h (3D x D).

Gradient:
    Backpropagation through all T steps, from an exposed state after the last step to that before the first; it stops at
    a state that is kept.

Caffe notes:
    Caffe has no GRU; bottoms, states and fields are those of its LSTM. The reset gate stands before the product with
    W_hn, as in the paper.
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
    Array,
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
    at = recurrent.layout(site, states=1)
    gates = 3 * at.outputs
    params = recurrent.input_blobs(site, at, gates, "W_x", "b")
    params.append(ParamBlob("W_h", (gates, at.outputs), site.p.weight_filler))
    values = (at.steps, at.streams, gates)
    buffers = [Buffer("gates", values), Buffer("dgates", values, kind="scratch")]
    buffers += recurrent.state_buffers(at, _STATES)
    return Setup(at.tops, tuple(params), tuple(buffers), recurrent.reads(at), macs=at.macs(3), holds=HOLDS, geometry=at)


def _sigmoid(x: Array) -> Array:
    return 0.5 * (np.tanh(0.5 * x) + 1)  # no overflow


def forward(call: Call) -> None:
    at = call.known(Layout)
    size = at.outputs
    cont, gates, h = call.bottoms[1], call.buffers["gates"], call.tops[0]
    begin(call, at, _STATES)
    before = call.buffers["h_0"]
    transform_input(call, at, gates)
    weights = call.params[at.hidden].T
    for t in range(at.steps):
        s, gate = before * cont[t, :, None], gates[t]
        gate[:, : 2 * size] = _sigmoid(gate[:, : 2 * size] + s @ weights[:, : 2 * size])
        r, z, n = gate[:, :size], gate[:, size : 2 * size], gate[:, 2 * size :]
        n[...] = np.tanh(n + (r * s) @ weights[:, 2 * size :])
        h[t] = z * s + (1 - z) * n
        before = h[t]
    end(call, at, _STATES, (before,))


def backward(call: Call) -> None:
    at = call.known(Layout)
    size = at.outputs
    cont, gates, dgates = call.bottoms[1], call.buffers["gates"], call.buffers["dgates"]
    weights = call.params[at.hidden]
    states = previous(call.tops[0], call.buffers["h_0"], cont)
    (after,) = last_gradients(call, at)
    for t in reversed(range(at.steps)):
        s, dh = states[t], call.top_diffs[0][t] + after
        r, z, n = gates[t][:, :size], gates[t][:, size : 2 * size], gates[t][:, 2 * size :]
        dn = dh * (1 - z) * (1 - n * n)
        reset = dn @ weights[2 * size :]
        dgates[t][:, :size] = reset * s * r * (1 - r)
        dgates[t][:, size : 2 * size] = dh * (s - n) * z * (1 - z)
        dgates[t][:, 2 * size :] = dn
        after = (dh * z + reset * r + dgates[t][:, : 2 * size] @ weights[: 2 * size]) * cont[t, :, None]
    flat = dgates.reshape(at.rows, -1)
    if (dw := call.param_diffs[at.hidden]) is not None:
        add_product(dw[: 2 * size], flat[:, : 2 * size], states.reshape(at.rows, -1))
        add_product(dw[2 * size :], flat[:, 2 * size :], (gates[:, :, :size] * states).reshape(at.rows, -1))
    input_gradients(call, at, dgates)
    first_gradients(call, at, after)


GRU = LayerType(
    "GRU",
    __doc__,
    setup,
    forward,
    backward,
    param="recurrent_param",
    bottoms=Arity(2, 4),
    tops=Arity(1, 2),
    differentiable=(True, False, True),
    origin="netc",
    role=Role("recurrent", sequence=True),
    examples=recurrent.examples(1),
    refuses=recurrent.REFUSES,
)
