"""What the recurrent layers share: the layout of their bottoms, the input transform, carried states, the LSTM cell.

Arrays are (steps T, streams N, values). `cont` (T, N) is 0 where a sequence begins: the state before it counts as 0.
Blobs come in the order W_x, b, W_static (only with a static input), W_h, then whatever the type adds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from netc.jit import kernel
from netc.role import ANYTHING, Holds

Array = NDArray[Any]
Shape = tuple[int, ...]

HOLDS = (ANYTHING, Holds("binary"), ANYTHING)
"""What bottoms hold: the input, `cont`, and the static input and states."""


class Arrays(Protocol):
    """What is used of a layer's call (`netc.layer.Call`): arrays, None where no gradient is asked for."""

    bottoms: tuple[Array, ...]
    tops: tuple[Array, ...]
    params: tuple[Array, ...]
    buffers: dict[str, Array]
    bottom_diffs: tuple[Array | None, ...]
    top_diffs: tuple[Array, ...]
    param_diffs: tuple[Array | None, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """Sizes of a recurrent layer: T steps of N streams, I inputs, D outputs, S static inputs (0: none).

    states: how many states (h; h and c) are carried. exposed: they are bottoms and tops, not kept inside.
    """

    steps: int
    streams: int
    inputs: int
    outputs: int
    static: int
    states: int
    exposed: bool

    @property
    def rows(self) -> int:
        return self.steps * self.streams

    @property
    def first_state(self) -> int:
        """Index of the first bottom that is a state, where states are exposed."""
        return 3 if self.static else 2

    @property
    def hidden(self) -> int:
        """Index of the blob W_h."""
        return 3 if self.static else 2

    @property
    def state(self) -> Shape:
        return (self.streams, self.outputs)

    @property
    def tops(self) -> tuple[Shape, ...]:
        states = ((1, *self.state),) * (self.states if self.exposed else 0)
        return ((self.steps, *self.state), *states)

    def macs(self, gates: int) -> int:
        """Multiply-adds of `gates` transforms of the input, of the state and of the static input."""
        return gates * self.outputs * (self.rows * (self.inputs + self.outputs) + self.streams * self.static)


def transform_input(call: Arrays, at: Layout, out: Array) -> None:
    """out (T, N, G) = W_x x + b (+ W_static x_static at every step)."""
    flat = out.reshape(at.rows, -1)
    np.matmul(call.bottoms[0].reshape(at.rows, at.inputs), call.params[0].T, out=flat)
    flat += call.params[1]
    if at.static:
        out += call.bottoms[2].reshape(at.streams, at.static) @ call.params[2].T


def input_gradients(call: Arrays, at: Layout, dgates: Array) -> None:
    """Gradients of x, x_static and their blobs from those of the transformed input."""
    flat, x = dgates.reshape(at.rows, -1), call.bottoms[0].reshape(at.rows, at.inputs)
    add_product(call.param_diffs[0], flat, x)
    if call.param_diffs[1] is not None:
        call.param_diffs[1][...] += flat.sum(axis=0)
    if (dx := call.bottom_diffs[0]) is not None:
        np.matmul(flat, call.params[0], out=dx.reshape(at.rows, at.inputs))
    if at.static:
        total = dgates.sum(axis=0)
        add_product(call.param_diffs[2], total, call.bottoms[2].reshape(at.streams, at.static))
        if (dx := call.bottom_diffs[2]) is not None:
            np.matmul(total, call.params[2], out=dx.reshape(at.streams, at.static))


def last_gradients(call: Arrays, at: Layout) -> tuple[Array, ...]:
    """Gradients of the states after the last step: those of the tops that expose them, else zeros."""
    if at.exposed:
        return tuple(diff.reshape(at.state).copy() for diff in call.top_diffs[1:])
    return tuple(np.zeros(at.state, call.top_diffs[0].dtype) for _ in range(at.states))


def first_gradients(call: Arrays, at: Layout, *states: Array) -> None:
    """Give the gradients of the states before the first step to the bottoms that expose them."""
    for dx, state in zip(call.bottom_diffs[at.first_state :], states, strict=False):
        if dx is not None:
            dx[...] = state.reshape(dx.shape)


def add_product(diff: Array | None, dy: Array, x: Array) -> None:
    """diff += dy^T x, if a gradient is asked for."""
    if diff is not None:
        diff += dy.T @ x


def begin(call: Arrays, at: Layout, names: tuple[str, ...]) -> None:
    """Put the states before the first step into the buffers `names`: from the bottoms, or from the last call."""
    for i, name in enumerate(names):
        source = call.bottoms[at.first_state + i] if at.exposed else call.buffers[f"{name}_carried"]
        call.buffers[name][...] = source.reshape(at.state)


def end(call: Arrays, at: Layout, names: tuple[str, ...], last: tuple[Array, ...]) -> None:
    """Hand on the states after the last step: as tops, or to the next call."""
    for i, (name, value) in enumerate(zip(names, last, strict=True)):
        target = call.tops[1 + i] if at.exposed else call.buffers[f"{name}_carried"]
        target[...] = value.reshape(target.shape)


def previous(states: Array, first: Array, cont: Array) -> Array:
    """The state before each step, times cont: (T, N, D)."""
    before = np.concatenate([first[None], states[:-1]])
    before *= cont[:, :, None]
    return before


@kernel
def lstm_cell(x: Array, acts: Array, c_before: Array, cont: Array, c: Array, h: Array) -> None:
    """One step: gates (N, 4D) in the order i, f, o, g to cell and hidden state (N, D); `acts` may be `x`."""
    size = c.shape[1]
    for n in range(c.shape[0]):
        for d in range(size):
            i = 1 / (1 + math.exp(-x[n, d]))
            f = 0.0 if cont[n] == 0 else cont[n] / (1 + math.exp(-x[n, size + d]))
            o = 1 / (1 + math.exp(-x[n, 2 * size + d]))
            g = math.tanh(x[n, 3 * size + d])
            acts[n, d], acts[n, size + d], acts[n, 2 * size + d], acts[n, 3 * size + d] = i, f, o, g
            c[n, d] = f * c_before[n, d] + i * g
            h[n, d] = o * math.tanh(c[n, d])


@kernel
def lstm_cell_gradient(
    acts: Array, c_before: Array, c: Array, dc: Array, dh: Array, dx: Array, dc_before: Array
) -> None:
    """Gradients of the gates (N, 4D) and of the cell before from those of the cell and hidden state (N, D)."""
    size = c.shape[1]
    for n in range(c.shape[0]):
        for d in range(size):
            i, f, o, g = acts[n, d], acts[n, size + d], acts[n, 2 * size + d], acts[n, 3 * size + d]
            squashed = math.tanh(c[n, d])
            through = dc[n, d] + dh[n, d] * o * (1 - squashed * squashed)
            dx[n, d] = through * g * i * (1 - i)
            dx[n, size + d] = through * c_before[n, d] * f * (1 - f)
            dx[n, 2 * size + d] = dh[n, d] * squashed * o * (1 - o)
            dx[n, 3 * size + d] = through * i * (1 - g * g)
            dc_before[n, d] = through * f
