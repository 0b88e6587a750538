"""Layers over sequences: recurrent ones step by step (ONNX's own know no `cont`), turning around, and attention.

A state that a layer keeps from run to run, which no ONNX file can, becomes an input that is zero unless it is given,
and an output.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from netc.convert.onnx.runtime import Dim
from netc.convert.onnx.writer import LayerWriter, Operation, State, Tops, Write
from netc.kernels.geometry import Along, AttentionGeometry
from netc.kernels.recurrent import Layout
from netc.layer import LayerType
from netc.layers.attention import ATTENTION
from netc.layers.gru import GRU
from netc.layers.lstm import LSTM
from netc.layers.lstm_unit import LSTM_UNIT
from netc.layers.reverse import REVERSE
from netc.layers.rnn import RNN

Step = Callable[[LayerWriter, list[str], str, str, list[str]], list[str]]
"""From the weights of the state, a step's transformed input, its cont (N x 1) and the states before it to the states
after it, h first."""

HIGHEST = float(np.finfo(np.float32).max)


def recurrent(step: Step, output: Callable[[LayerWriter, str], str] | None = None, parts: int = 1) -> Write:
    """The writer of a recurrent type. output: from all h to the top; parts: how many blobs its W_h is cut into."""

    def write(layer: LayerWriter) -> Tops:
        at = layer.setup.known(Layout)
        layer.known_sizes(0)
        streams = layer.shape[1]
        inputs, weights = _transformed(layer, at), _state_weights(layer, at, parts)
        cont = layer.reshape(layer.bottoms[1], (at.steps, streams, 1))
        since = len(layer.writer.states)
        given = layer.bottoms[at.first_state :] if at.exposed else _kept(layer, at)
        states = [layer.reshape(state, (streams, at.outputs)) for state in given]
        made = []
        for t in range(at.steps):
            here, before = (layer.op("Gather", value, layer.integers(t), axis=0) for value in (inputs, cont))
            states = step(layer, weights, here, before, states)
            made.append(layer.op("Unsqueeze", states[0], layer.integers([0])))
        top = layer.op("Concat", *made, axis=0) if len(made) > 1 else made[0]
        tops = [output(layer, top) if output else top]
        after = [layer.op("Unsqueeze", state, layer.integers([0])) for state in states]
        if at.exposed:
            return [*tops, *after]
        for state, value in zip(layer.writer.states[since:], after, strict=False):
            layer.writer.operations.append(Operation("Identity", [value], [state.after], {}))
        return tops

    return write


def _kept(layer: LayerWriter, at: Layout) -> list[str]:
    """The states before the first step, h first, which the layer would keep: inputs of the graph.

    Where the number of streams is free an input can have no default, so the states are zero.
    """
    if layer.is_free(1):
        layer.writer.notes.append(f'layer "{layer.node.name}" keeps its state from run to run: here it begins at zero')
        return [layer.op("ConstantOfShape", layer.vector([layer.shape[1], at.outputs]))] * at.states
    made = []
    for letter in ("h", "c")[: at.states]:
        before, after = (layer.writer.unique(f"{layer.node.name}/{letter}_{end}") for end in ("0", "T"))
        layer.writer.states.append(State(before, after, (1, *at.state)))
        made.append(before)
    names = " and ".join(made)
    said = f"keeps its state from run to run: here it is zero unless the inputs {names} are given"
    layer.writer.notes.append(f'layer "{layer.node.name}" {said}')
    return made


def _transformed(layer: LayerWriter, at: Layout) -> str:
    """W_x x + b (+ W_static x_static) of all steps, T x N x ..."""
    gates = layer.params[0].shape[0]
    rows = layer.reshape(layer.x, (-1, at.inputs))
    made = layer.op("Gemm", rows, layer.param(0), layer.param(1), transB=1)
    made = layer.reshape(made, (at.steps, layer.shape[1], gates))
    if not at.static:
        return made
    static = layer.op("Gemm", layer.reshape(layer.bottoms[2], (-1, at.static)), layer.param(2), transB=1)
    return layer.op("Add", made, static)


def _state_weights(layer: LayerWriter, at: Layout, parts: int) -> list[str]:
    if parts == 1:
        return [layer.param(at.hidden)]
    name = layer.param_names[at.hidden]
    return [layer.numbers(part, name) for part in np.split(np.asarray(layer.params[at.hidden]), parts)]


def _product(layer: LayerWriter, state: str, weights: str) -> str:
    """Weights times a state."""
    return layer.op("Gemm", state, weights, transB=1)


def _lstm(layer: LayerWriter, weights: list[str], u: str, cont: str, states: list[str]) -> list[str]:
    h, c = states
    gates = layer.op("Add", u, _product(layer, layer.op("Mul", h, cont), weights[0]))
    return _cell(layer, gates, cont, c, axis=1)


def _cell(layer: LayerWriter, gates: str, cont: str, c: str, axis: int) -> list[str]:
    """h and c after a step; gates in the order i, f, o, g."""
    i, f, o, g = layer.ops("Split", [gates], 4, axis=axis)
    kept = layer.op("Mul", layer.op("Mul", layer.op("Sigmoid", f), cont), c)
    c = layer.op("Add", kept, layer.op("Mul", layer.op("Sigmoid", i), layer.op("Tanh", g)))
    return [layer.op("Mul", layer.op("Sigmoid", o), layer.op("Tanh", c)), c]


def _rnn(layer: LayerWriter, weights: list[str], u: str, cont: str, states: list[str]) -> list[str]:
    return [layer.op("Tanh", layer.op("Add", u, _product(layer, layer.op("Mul", states[0], cont), weights[0])))]


def _rnn_output(layer: LayerWriter, h: str) -> str:
    at = layer.setup.known(Layout)
    rows = layer.reshape(h, (-1, at.outputs))
    made = layer.op("Gemm", rows, layer.param(at.hidden + 1), layer.param(at.hidden + 2), transB=1)
    return layer.reshape(layer.op("Tanh", made), (at.steps, layer.shape[1], at.outputs))


def _gru(layer: LayerWriter, weights: list[str], u: str, cont: str, states: list[str]) -> list[str]:
    """The blob W_h in thirds r, z, n; r comes before the product with the last."""
    s = layer.op("Mul", states[0], cont)
    u_r, u_z, u_n = layer.ops("Split", [u], 3, axis=1)
    r, z = (
        layer.op("Sigmoid", layer.op("Add", x, _product(layer, s, w)))
        for x, w in zip((u_r, u_z), weights[:2], strict=True)
    )
    n = layer.op("Tanh", layer.op("Add", u_n, _product(layer, layer.op("Mul", r, s), weights[2])))
    rest = layer.op("Mul", layer.op("Sub", layer.numbers(1), z), n)
    return [layer.op("Add", layer.op("Mul", z, s), rest)]


def lstm_unit(layer: LayerWriter) -> Tops:
    c, gates, cont = layer.bottoms
    shape = (*layer.dims(2), 1)
    h, c = _cell(layer, gates, layer.reshape(cont, shape), c, axis=2)
    return [c, h]


def reverse(layer: LayerWriter) -> Tops:
    axis = layer.setup.known(Along).axis
    if len(layer.bottoms) == 1:
        end = int(np.iinfo(np.int64).min)
        return layer.op("Slice", layer.x, *map(layer.integers, ([-1], [end], [axis], [-1])))
    layer.known_sizes(axis)
    places = _turned(layer, axis)
    inner = len(layer.shape) - 2
    if inner:
        places = layer.op("Unsqueeze", places, layer.integers(range(2, 2 + inner)))
        places = layer.op("Expand", places, layer.size_of(layer.x))
    return layer.op("GatherElements", layer.x, places, axis=axis)


def _turned(layer: LayerWriter, axis: int) -> str:
    """The steps that take each step's place: where its sequence begins + where it ends - itself.

    A sequence begins at the last step up to here, and ends before the first step after here, at which one begins.
    """
    count = layer.bottom_shapes[1][axis]
    here, there = np.arange(count)[:, None, None], np.arange(count)[None, :, None]
    begins = layer.to_float(layer.op("Equal", layer.bottoms[1], layer.numbers(0)))
    begins = layer.op("Transpose", begins, perm=[1, 0]) if axis else begins
    begins = layer.op("Unsqueeze", begins, layer.integers([0]))
    before, after = np.where(there <= here, there, 0), np.where(there > here, count - there, 0)
    first, rest = (
        layer.op("ReduceMax", layer.op("Mul", begins, layer.numbers(table)), axes=[1], keepdims=0)
        for table in (before, after)
    )
    mirrored = layer.numbers(count - 1 - np.arange(count)[:, None])
    places = layer.op("Sub", layer.op("Add", first, mirrored), rest)
    return layer.to_index(layer.op("Transpose", places, perm=[1, 0]) if axis else places)


def attention(layer: LayerWriter) -> Tops:
    """softmax(scale q k^T) v for each head; what a position must not see is far below everything else."""
    g = layer.setup.known(AttentionGeometry)
    q, k, v = (_heads(layer, index, g.heads, turn) for index, turn in enumerate((False, True, False)))
    scores = layer.op("MatMul", layer.times(q, g.scale), k)
    steps, seen = layer.shape[1], layer.dims(1)[1]
    mask = _earlier(layer, steps, seen) if layer.p.causal else layer.numbers(np.ones((1, 1, 1, 1)))
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
    return layer.reshape(made, (*layer.shape[:2], layer.top_shapes[0][2]))


def _earlier(layer: LayerWriter, steps: Dim, seen: Dim) -> str:
    """1 where a position may see another: it is not later; T x S with two axes of 1 before."""
    if isinstance(steps, int) and isinstance(seen, int):
        return layer.numbers(np.tril(np.ones((1, 1, steps, seen))))
    rows = layer.op("Unsqueeze", layer.count(steps), layer.integers([1]))
    later = layer.op("Greater", layer.count(seen), rows)
    return layer.op("Unsqueeze", layer.to_float(layer.op("Not", later)), layer.integers([0, 1]))


def _heads(layer: LayerWriter, index: int, heads: int, turn: bool) -> str:
    """A bottom N x T x D as N x heads x T x D / heads; with `turn` its last two axes exchanged."""
    num, steps, _ = layer.dims(index)
    table = layer.reshape(layer.bottoms[index], (num, steps, heads, layer.bottom_shapes[index][2] // heads))
    return layer.op("Transpose", table, perm=[0, 2, 3, 1] if turn else [0, 2, 1, 3])


WRITERS: dict[LayerType, Write] = {
    LSTM: recurrent(_lstm),
    RNN: recurrent(_rnn, _rnn_output),
    GRU: recurrent(_gru, parts=3),
    LSTM_UNIT: lstm_unit,
    REVERSE: reverse,
    ATTENTION: attention,
}
