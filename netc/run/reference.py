"""The reference executor: each layer's own kernels, one after the other, over the planned arena.

It defines what netc computes. BLAS runs on one thread here, so that sums are made in one order whatever the machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from netc.layer import Array, Call, Setup
from netc.plan.model import Step
from netc.run.arena import Arena, Watch
from netc.run.executor import Storage
from netc.run.steps import Steps, one_thread


class Reference(Steps):
    """Walks the plan's steps, each by its layer's own kernels."""

    def __init__(self, storage: Storage, debug: bool = False) -> None:
        super().__init__(storage)
        self.arena = Arena(self.plan, storage.dtype)
        self.at = -1  # the last step that was run
        for layer in range(len(self.plan.layers)):
            self._bind(layer)
        for buffer in self.state().values():
            buffer[...] = 0
        self._watch = Watch(self.arena) if debug else None
        blobs = storage.parameters.all
        self._statistics = [blob.values for blob in blobs if not blob.param.blob.learned]  # forward may write them

    @property
    def planned_bytes(self) -> int:
        """The size of the arena: blobs, gradients and buffers."""
        return self.arena.memory.nbytes

    @property
    def own_bytes(self) -> int:
        """All of it: replicas share nothing but the parameters."""
        return self.planned_bytes

    def replica(self, storage: Storage) -> Reference:
        """An executor of the same plan on blobs of its own. The storage's parameters are this one's."""
        return Reference(storage, self._watch is not None)

    # ------------------------------------------------------------ running

    def forward(self, first: int, last: int) -> float:
        loss = 0.0
        try:
            with one_thread():
                for at, step in enumerate(self.plan.forward):
                    if first <= step.layer <= last:
                        self._run(at, step)
                        loss += self._loss(step.layer)
        finally:
            for values in self._statistics:
                values.touch()
        return loss

    def backward(self, first: int, last: int) -> None:
        with one_thread():
            for at, step in enumerate(self.plan.backward, len(self.plan.forward)):
                if step.layer < 0 or first <= step.layer <= last:
                    self._run(at, step)

    def _run(self, at: int, step: Step) -> None:
        self.at = -1  # an exception on the way leaves no values that anyone could take for good
        if self._watch is None:
            self._do(step)
        else:
            self._watch.begin(at)
            self._do(step)
            self._watch.end(self._writes(step), self._describe(step))
        self.at = at
        if self.storage.observer is not None and step.kind in ("forward", "backward") and step.reader < 0:
            kind: Literal["forward", "backward"] = "forward" if step.kind == "forward" else "backward"
            self.storage.observer(
                kind, step.layer, (self.calls if kind == "forward" else self.backward_calls)[step.layer]
            )

    # ------------------------------------------------------------ arrays

    def value(self, index: int) -> Array | None:
        slot = self.plan.data[index]
        return self.arena.view(slot, self.shapes[index]) if self._alive(slot) else None

    def gradient(self, index: int) -> Array | None:
        slot = self.plan.diff[index]
        return self._diff(slot) if slot is not None and self._alive(slot) else None

    def state(self) -> dict[tuple[int, str], Array]:
        return {
            (layer, b.name): self.arena.view(self.plan.buffers[layer][b.name], b.shape)
            for layer, planned in enumerate(self.plan.layers)
            for b in planned.setup.buffers
            if b.kind == "state"
        }

    def _alive(self, slot: int) -> bool:
        alive = self.plan.slots[slot].first <= self.at <= self.plan.slots[slot].last
        return alive and not self.plan.is_over(slot, self.at)

    def _diff(self, slot: int) -> Array:
        """A gradient, in the shape that its value has now."""
        return self.arena.view(slot, self.shapes[self.plan.slots[slot].owner])

    # ------------------------------------------------------------ binding

    def _data(self, value: int) -> Array:
        return self.arena.view(self.plan.data[value], self.shapes[value])

    def _room(self, value: int) -> Array:
        return self.arena.view(self.plan.data[value])

    def _values(self, layer: int, values: Iterable[int]) -> tuple[Array, ...]:
        """Those of layers that are only other names, too: observers look at them."""
        return tuple(map(self._data, values))

    def _backward_data(self, value: int, forward: Array) -> Array:
        return self.arena.view(self.plan.backward_data[value], self.shapes[value])

    def _buffers(self, layer: int, setup: Setup) -> dict[str, Array]:
        return self._views(self.plan.buffers[layer], setup)

    def _backward_buffers(self, layer: int, forward: Call) -> dict[str, Array]:
        return self._views(self.plan.backward_buffers[layer], forward.setup)

    def _views(self, slots: Mapping[str, int], setup: Setup) -> dict[str, Array]:
        return {b.name: self.arena.view(slots[b.name], b.shape) for b in setup.buffers if b.name in slots}

    # ------------------------------------------------------------ debug mode

    def _writes(self, step: Step) -> set[int]:
        """Slots that a step may write."""
        if step.kind not in ("forward", "backward"):
            return {step.target}
        backward = step.kind == "backward" or step.reader >= 0
        buffers = set((self.plan.backward_buffers if backward else self.plan.buffers)[step.layer].values())
        if step.kind == "forward":
            data = self.plan.backward_data if backward else self.plan.data
            return buffers | {data[v] for v in self.plan.graph.nodes[step.layer].tops}
        return buffers | {slot for slot in step.bottom_diffs if slot is not None}

    def _describe(self, step: Step) -> str:
        what = f'{step.kind} of "{self.plan.graph.nodes[step.layer].name}"' if step.layer >= 0 else step.kind
        return f"step {what}"
