"""Layers over sequences: recurrent ones step by step (ONNX's own know no `cont`), and attention."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from netc.convert.onnx.writer import LayerWriter, Tops, Write
from netc.kernels.recurrent import Layout
from netc.layer import LayerType
from netc.layers.attention import ATTENTION, AttentionGeometry
from netc.layers.gru import GRU
from netc.layers.lstm import LSTM
from netc.layers.lstm_unit import LSTM_UNIT
from netc.layers.rnn import RNN

Step = Callable[[LayerWriter, str, str, list[str]], list[str]]
"""From a step's transformed input, its cont (N x 1) and the states before it to the states after it, h first."""

HIGHEST = float(np.finfo(np.float32).max)


def recurrent(step: Step, output: Callable[[LayerWriter, str], str] | None = None) -> Write:
    def write(layer: LayerWriter) -> Tops:
        at = layer.setup.known(Layout)
        if not at.exposed:
            layer.refuse(
                "its state is kept from run to run, which ONNX cannot; with expose_hidden: true it goes in and out",
                "expose_hidden",
            )
        inputs = _transformed(layer, at)
        cont = layer.reshape(layer.bottoms[1], (at.steps, at.streams, 1))
        states = [layer.reshape(state, at.state) for state in layer.bottoms[at.first_state :]]
        made = []
        for t in range(at.steps):
            here, before = (layer.op("Gather", value, layer.integers(t), axis=0) for value in (inputs, cont))
            states = step(layer, here, before, states)
            made.append(layer.reshape(states[0], (1, *at.state)))
        top = layer.op("Concat", *made, axis=0)
        return [output(layer, top) if output else top, *(layer.reshape(s, (1, *at.state)) for s in states)]

    return write


def _transformed(layer: LayerWriter, at: Layout) -> str:
    """W_x x + b (+ W_static x_static) of all steps, T x N x ..."""
    gates = layer.params[0].shape[0]
    rows = layer.reshape(layer.x, (at.rows, at.inputs))
    made = layer.op("Gemm", rows, layer.param(0), layer.param(1), transB=1)
    made = layer.reshape(made, (at.steps, at.streams, gates))
    if not at.static:
        return made
    static = layer.op("Gemm", layer.reshape(layer.bottoms[2], (at.streams, at.static)), layer.param(2), transB=1)
    return layer.op("Add", made, static)


def _product(layer: LayerWriter, state: str) -> str:
    """W_h times a state."""
    return layer.op("Gemm", state, layer.param(layer.setup.known(Layout).hidden), transB=1)


def _lstm(layer: LayerWriter, u: str, cont: str, states: list[str]) -> list[str]:
    h, c = states
    gates = layer.op("Add", u, _product(layer, layer.op("Mul", h, cont)))
    return _cell(layer, gates, cont, c, axis=1)


def _cell(layer: LayerWriter, gates: str, cont: str, c: str, axis: int) -> list[str]:
    """h and c after a step; gates in the order i, f, o, g."""
    i, f, o, g = layer.ops("Split", [gates], 4, axis=axis)
    kept = layer.op("Mul", layer.op("Mul", layer.op("Sigmoid", f), cont), c)
    c = layer.op("Add", kept, layer.op("Mul", layer.op("Sigmoid", i), layer.op("Tanh", g)))
    return [layer.op("Mul", layer.op("Sigmoid", o), layer.op("Tanh", c)), c]


def _rnn(layer: LayerWriter, u: str, cont: str, states: list[str]) -> list[str]:
    return [layer.op("Tanh", layer.op("Add", u, _product(layer, layer.op("Mul", states[0], cont))))]


def _rnn_output(layer: LayerWriter, h: str) -> str:
    at = layer.setup.known(Layout)
    rows = layer.reshape(h, (at.rows, at.outputs))
    made = layer.op("Gemm", rows, layer.param(at.hidden + 1), layer.param(at.hidden + 2), transB=1)
    return layer.reshape(layer.op("Tanh", made), layer.top_shapes[0])


def _gru(layer: LayerWriter, u: str, cont: str, states: list[str]) -> list[str]:
    """The blob W_h in thirds r, z, n; r comes before the product with the last."""
    s = layer.op("Mul", states[0], cont)
    weights = layer.params[layer.setup.known(Layout).hidden]
    parts = [layer.numbers(part, f"{layer.node.name}/W_h") for part in np.split(weights, 3)]
    u_r, u_z, u_n = layer.ops("Split", [u], 3, axis=1)
    r, z = (
        layer.op("Sigmoid", layer.op("Add", x, layer.op("Gemm", s, w, transB=1)))
        for x, w in ((u_r, parts[0]), (u_z, parts[1]))
    )
    n = layer.op("Tanh", layer.op("Add", u_n, layer.op("Gemm", layer.op("Mul", r, s), parts[2], transB=1)))
    rest = layer.op("Mul", layer.op("Sub", layer.numbers(1), z), n)
    return [layer.op("Add", layer.op("Mul", z, s), rest)]


def lstm_unit(layer: LayerWriter) -> Tops:
    c, gates, cont = layer.bottoms
    shape = (*layer.bottom_shapes[2], 1)
    h, c = _cell(layer, gates, layer.reshape(cont, shape), c, axis=2)
    return [c, h]


def attention(layer: LayerWriter) -> Tops:
    """softmax(scale q k^T) v for each head; what a position must not see is far below everything else."""
    g = layer.setup.known(AttentionGeometry)
    q, k, v = (_heads(layer, index, g.heads, turn) for index, turn in enumerate((False, True, False)))
    scores = layer.op("MatMul", layer.times(q, g.scale), k)
    steps, seen = layer.bottom_shapes[0][1], layer.bottom_shapes[1][1]
    allowed = np.tril(np.ones((1, 1, steps, seen))) if layer.p.causal else np.ones((1, 1, 1, 1))
    mask = layer.numbers(allowed)
    if len(layer.bottoms) > 3:
        given = layer.op("Cast", layer.reshape(layer.bottoms[3], (-1, 1, 1, seen)), to=9)
        mask = layer.op("Mul", mask, layer.to_float(given))
    if len(layer.bottoms) > 3 or layer.p.causal:
        hidden = layer.op("Mul", layer.op("Sub", mask, layer.numbers(1)), layer.numbers(HIGHEST / 2))
        scores = layer.op("Add", layer.op("Mul", scores, mask), hidden)
        prob = layer.op("Mul", layer.op("Softmax", scores, axis=3), mask)  # a position that sees nothing gives 0
    else:
        prob = layer.op("Softmax", scores, axis=3)
    made = layer.op("Transpose", layer.op("MatMul", prob, v), perm=[0, 2, 1, 3])
    return layer.reshape(made, layer.top_shapes[0])


def _heads(layer: LayerWriter, index: int, heads: int, turn: bool) -> str:
    """A bottom N x T x D as N x heads x T x D / heads; with `turn` its last two axes exchanged."""
    num, steps, size = layer.bottom_shapes[index]
    table = layer.reshape(layer.bottoms[index], (num, steps, heads, size // heads))
    return layer.op("Transpose", table, perm=[0, 2, 3, 1] if turn else [0, 2, 1, 3])


WRITERS: dict[LayerType, Write] = {
    LSTM: recurrent(_lstm),
    RNN: recurrent(_rnn, _rnn_output),
    GRU: recurrent(_gru),
    LSTM_UNIT: lstm_unit,
    ATTENTION: attention,
}
