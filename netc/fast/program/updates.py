"""Updates in the middle of backward: each parameter's as soon as its gradient is complete.

Backward is lowered twice into one list of items: *accumulating* gradients in the parameters' own memory (what
`Net.backward` does), and *updating* the parameters, where a gradient is an array of the arena that lives from the first
layer that adds to it to its update. What differs is only where launches write, and the updates themselves.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import prod

from netc.fast.machine.moves import clear
from netc.fast.machine.rows import clear as forget
from netc.fast.program.builder import Builder
from netc.fast.program.lowered import Values
from netc.fast.program.rows import rows_of
from netc.fast.program.rows import update as update_rows


class UpdatesInBackward:
    """Which gradients are where, and when they are complete. Without `Builder.updates` it does nothing."""

    def __init__(self, b: Builder) -> None:
        self.b = b
        self.learned = [p.index for p in b.plan.params if p.learned] if b.updates is not None else []
        users: dict[int, set[int]] = {index: set() for index in self.learned}
        for layer, planned in enumerate(b.plan.layers):
            for index in planned.params:
                if index in users:
                    users[index] |= {layer, b.fused.get(layer, layer)}
        self.last = {index: self._last(layers) for index, layers in users.items()}
        self.movable = {
            i for i, layers in users.items() if layers <= b.accepted | b.fused.keys() and self.last[i] >= 0
        } - {p.index for p in b.plan.params if p.rows}

    def _last(self, layers: Iterable[int]) -> int:
        """The last step of backward that may add to a gradient; -1: none does."""
        steps = (i for i, s in enumerate(self.b.plan.backward) if s.kind == "backward" and s.layer in layers)
        return max(steps, default=-1)

    def start(self) -> None:
        """At the start of backward: gradients that layers' own kernels add to stay where they are, and are cleared."""
        for index in self.learned:
            gradient = self.b.gradient(index)
            if index in self.movable:
                self.b.movable.add(gradient.array)
                continue
            rows = rows_of(self.b, index)
            with self.b.in_variant("updating"):
                self.b.emit(clear(gradient) if rows is None else forget(rows), "update")

    def after(self, step: int) -> None:
        """After a step: update the parameters whose gradients are complete now."""
        for index in self.learned:
            if self.last[index] == step:
                self._update(index)

    def finish(self) -> None:
        """At the end of backward: parameters without a gradient decay all the same."""
        for index in self.learned:
            self._update(index)

    def _update(self, index: int) -> None:
        if index in self.b.updated:
            return
        if (rows := rows_of(self.b, index)) is not None:
            update_rows(self.b, index, rows)
            return
        gradient = self.b.gradient(index)
        with self.b.in_variant("updating"):
            if index in self.movable and gradient.array not in self.b.moved:  # no family has added to it
                self.b.emit(clear(gradient), "update")
        whole = Values(0, prod(self.b.plan.params[index].shape))
        self.b.update(index, self.b.moved.get(gradient.array, gradient), whole)
