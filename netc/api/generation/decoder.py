"""A net that goes on with several texts side by side, a token at a time; what need not run again runs once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from netc import run
from netc.api.definition import Definition
from netc.api.generation.choosing import log_probabilities
from netc.api.generation.parts import Parts
from netc.api.planner import Planner
from netc.api.sized import SizedNet
from netc.graph import State
from netc.layer import Shape
from netc.run.held import Held

Array = NDArray[Any]


class Decoder:
    """Runs the parts of a net, with the parameters of another net of the same layers.

    rows: texts that go side by side. A net without carried states takes the last `parts.steps` tokens in each step.
    """

    def __init__(self, parts: Parts, params: run.Net, rows: int, **run_options: Unpack[run.RunOptions]) -> None:
        self.parts, self.rows = parts, rows
        options: run.RunOptions = {"executor": "fast", **run_options, "writes": "nowhere"}
        self._encoder = _net(parts.encoder, params, options, keep=True) if parts.encoder else None
        self._net = _net(parts.decoder, params, options)
        shapes: dict[str, Shape] = {parts.into: self._shape()}
        if parts.cont is not None:
            shapes[parts.cont] = self._shape()
        shapes |= {n: _with(self._net.inputs[n].shape, axis, rows) for n, axis in parts.crossing.items()}
        self._net.reshape(**shapes)
        self._texts: list[list[int]] = [[]]
        self._fresh = True
        self._began: bool | None = None  # whether the net has been told that texts begin

    @property
    def input_shapes(self) -> Mapping[str, Shape]:
        """The shapes, for one text, of the inputs that are not tokens so far: what `begin` takes."""
        nets = [net for net in (self._encoder, self._net) if net is not None]
        found = {name: array.shape for net in reversed(nets) for name, array in net.inputs.items()}
        return {name: self._alone(name, found[name]) for name in self.parts.inputs}

    def _alone(self, name: str, shape: Shape) -> Shape:
        taken_by_encoder = self._encoder is not None and name in self._encoder.inputs
        return shape if taken_by_encoder else _with(shape, self.parts.crossing.get(name), 1)

    def _shape(self) -> Shape:
        """The shape of tokens."""
        if self.parts.axes < 2:
            return (self.rows,)
        return (self.parts.steps, self.rows) if self.parts.streams else (self.rows, self.parts.steps)

    # ------------------------------------------------------------ one text after the other

    def begin(self, inputs: Mapping[str, Array]) -> None:
        """Begin a text: these are the inputs that do not change, zero if not given; the first part runs now."""
        values = {name: np.asarray(array, np.float32) for name, array in inputs.items()}
        if self._encoder is not None:
            _clear(self._encoder)
            for name in self._encoder.inputs:
                self._encoder.set_input(name, values.get(name, np.zeros_like(self._encoder.inputs[name])))
            self._encoder.forward()
            values |= {n: self._encoder.blobs[n].copy() for n in self.parts.crossing if n in self._encoder.blobs}
        for name, axis in self.parts.crossing.items():
            target = self._net.inputs[name]
            value = values.get(name, np.zeros(_with(target.shape, axis, 1), np.float32))
            self._net.set_input(name, value if axis is None else np.repeat(value, self.rows, axis))
        _clear(self._net)
        self._texts, self._fresh = [[]], True

    def step(self, tokens: Sequence[int], parents: Sequence[int]) -> Array:
        """After row `parents[i]` of the last step comes `tokens[i]`: log-probabilities of what follows, a row each."""
        self._texts = [[*self._texts[parent], token] for parent, token in zip(parents, tokens, strict=True)]
        if not self._fresh and list(parents) != list(range(len(parents))):
            self._reorder(parents)
        with Held():  # once for a step, which is short
            self._net.set_input(self.parts.into, self._tokens())
            if self.parts.cont is not None and self._began is not self._fresh:
                self._net.set_input(self.parts.cont, self._cont())
                self._began = self._fresh
            outputs = self._net.forward()
            self._carry(outputs)
            self._fresh = False
        return log_probabilities(self._last(outputs[self.parts.out])[: len(tokens)], self.parts.probabilities)

    def _tokens(self) -> Array:
        """The last tokens of each text, from the first step on."""
        found = np.zeros((self.parts.steps, self.rows), np.float32)
        for row, text in enumerate(self._texts):
            last = text[-self.parts.steps :]
            found[: len(last), row] = last
        return self._laid(found)

    def _cont(self) -> Array:
        """0 where a text begins: before its first token, for a net that carries states."""
        found = np.ones((self.parts.steps, self.rows), np.float32)
        if self._fresh or self.parts.steps > 1:
            found[0] = 0
        return self._laid(found)

    def _laid(self, values: Array) -> Array:
        """Steps x texts as the input has them."""
        if self.parts.axes < 2:
            return np.asarray(values[-1])
        return values if self.parts.streams else np.asarray(values.T, order="C")

    def _last(self, values: Array) -> Array:
        """Of each text, the values behind its last token: rows x tokens of the vocabulary."""
        positions, size = values.size // values.shape[-1], values.shape[-1]
        if positions == self.rows:
            return values.reshape(self.rows, size)
        by_row = values.reshape(self.parts.steps, self.rows, size)
        if not self.parts.streams:
            by_row = values.reshape(self.rows, self.parts.steps, size).swapaxes(0, 1)
        at = [min(len(text), self.parts.steps) - 1 for text in self._texts]
        return np.asarray(by_row[at, np.arange(len(at))])

    # ------------------------------------------------------------ states

    def _reorder(self, parents: Sequence[int]) -> None:
        """Let each row go on with the states of the row that it continues."""
        order = np.zeros(self.rows, np.intp)
        order[: len(parents)] = parents
        for _, array in self._states():
            array[...] = array[order]
        for _, name in self.parts.carried:
            axis = self.parts.crossing[name]
            if axis is not None:
                self._net.set_input(name, np.take(self._net.inputs[name], order, axis))

    def _carry(self, outputs: Mapping[str, Array]) -> None:
        """Exposed states after the step are those before the next."""
        for after, before in self.parts.carried:
            self._net.set_input(before, outputs[after])

    def _states(self) -> list[tuple[str, Array]]:
        """What recurrent layers keep from step to step: a row for each text."""
        nodes = {n.key: n for n in self._net.graph.nodes if n.type.role.sequence}
        return [(name, array) for (key, name), array in self._net.state.items() if key in nodes]


def _net(definition: Definition, params: run.Net, options: run.RunOptions, *, keep: bool = False) -> SizedNet:
    planner = Planner(definition, State("TEST"), training=(False,), keep=keep)
    return SizedNet(planner, {}, params=params, **options)


def _clear(net: run.Net) -> None:
    for array in net.state.values():
        array[...] = 0


def _with(shape: Shape, axis: int | None, size: int) -> Shape:
    return shape if axis is None else (*shape[:axis], size, *shape[axis + 1 :])
