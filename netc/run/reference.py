"""The reference executor: each layer's own kernels, one after the other, over the planned arena.

It defines what netc computes. BLAS runs on one thread here, so that sums are made in one order whatever the machine.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from typing import Any, Literal

import numpy as np
from threadpoolctl import ThreadpoolController

from netc.errors import Diagnostic, NetError
from netc.kernels.philox import stream
from netc.layer import Array, Call, Setup, Site
from netc.plan.model import Plan, Step
from netc.run.arena import Arena, Watch
from netc.run.codes import NO_DATA
from netc.run.executor import Storage


class Reference:
    """Walks the plan's steps. `calls` has one Call per layer, bound to the arena once; `late` those of backward.

    The two are one, except where arrays have a second life in backward (`Plan.late`).
    """

    def __init__(self, storage: Storage, debug: bool = False) -> None:
        self.storage = storage
        self.plan = storage.plan
        self.arena = Arena(self.plan, storage.dtype)
        self.shapes = list(self.plan.shapes)
        self.at = -1  # the last step that was run
        self._backward_of = {s.layer: s for s in self.plan.backward if s.kind == "backward"}
        self._value_of_diff = {slot: value for value, slot in enumerate(self.plan.diff) if slot is not None}
        self.calls = [self._call(layer) for layer in range(len(self.plan.layers))]
        self.late = [self._late(layer) for layer in range(len(self.plan.layers))]
        for buffer in self.state().values():
            buffer[...] = 0
        self._watch = Watch(self.arena) if debug else None

    def replica(self, storage: Storage) -> Reference:
        """The same plan on blobs of its own. The storage's parameters are this one's."""
        return Reference(storage, self._watch is not None)

    # ------------------------------------------------------------ running

    def forward(self, first: int, last: int) -> float:
        loss = 0.0
        with _one_thread():
            for at, step in enumerate(self.plan.forward):
                if first <= step.layer <= last:
                    self._run(at, step)
                    loss += self._loss(step.layer)
        return loss

    def backward(self, first: int, last: int) -> None:
        with _one_thread():
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
            self.storage.observer(kind, step.layer, (self.calls if kind == "forward" else self.late)[step.layer])

    def _do(self, step: Step) -> None:
        if step.kind == "forward" and step.reader >= 0:
            if step.layer not in self.plan.skipped:
                run_again(self.plan, step.layer, self.calls[step.layer], self.late[step.layer])
        elif step.kind == "forward":
            self._forward(step.layer)
        elif step.kind == "backward":
            backward = self.plan.graph.nodes[step.layer].type.backward
            if backward is not None:
                backward(as_of(self.calls[step.layer], self.late[step.layer]))
        elif step.kind == "add":
            target = self._diff(step.target)
            np.add(target, self._diff(step.source), out=target)
        else:
            value = self._value_of_diff.get(step.target, -1)
            target = self._diff(step.target)
            target[...] = self.storage.seeds.get(value, step.weight)

    def _forward(self, layer: int) -> None:
        node, call = self.plan.graph.nodes[layer], self.calls[layer]
        if layer in self.plan.skipped:
            return
        if node.type.source and node.type.forward is None:
            self._feed(layer)
            return
        call.seed, call.iteration = self.storage.seed, self.storage.iteration
        if call.setup.dynamic:
            call.resized.clear()
            call.tops = tuple(self.arena.view(self.plan.data[v]) for v in node.tops)
        if node.type.forward is not None:
            node.type.forward(call)
        if call.setup.dynamic:
            self._resize(layer)

    def _feed(self, layer: int) -> None:
        node, call = self.plan.graph.nodes[layer], self.calls[layer]
        feed = self.storage.feeds.get(node.key)
        if feed is not None:
            feed.next(call.tops)
            return
        for value, top in zip(node.tops, call.tops, strict=True):
            if value not in self.storage.inputs:
                message = f'layer "{node.name}" ({node.type.name}) has no source to fill its tops'
                raise NetError(Diagnostic(NO_DATA, message, node.record.span))
            top[...] = self.storage.inputs[value]

    def _loss(self, layer: int) -> float:
        weights, tops = self.plan.graph.nodes[layer].loss_weights, self.calls[layer].tops
        return sum(w * float(top.sum(dtype=np.float64)) for w, top in zip(weights, tops, strict=False) if w)

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

    def _late(self, layer: int) -> Call:
        """The call of backward; the same one where nothing of it has moved."""
        node = self.plan.graph.nodes[layer]
        if not moved(self.plan, layer):
            return self.calls[layer]
        slots, early = self.plan.late_buffers[layer], self.calls[layer]
        return replace(
            early,
            bottoms=tuple(self.arena.view(self.plan.late[v], self.shapes[v]) for v in node.bottoms),
            tops=tuple(self.arena.view(self.plan.late[v], self.shapes[v]) for v in node.tops),
            buffers={b.name: self.arena.view(slots[b.name], b.shape) for b in early.setup.buffers if b.name in slots},
        )

    def _call(self, layer: int, setup: Setup | None = None) -> Call:
        node, planned = self.plan.graph.nodes[layer], self.plan.layers[layer]
        setup = setup or planned.setup
        slots, blobs = self.plan.buffers[layer], self.storage.parameters.of_layer(layer)
        call = Call(
            record=node.record,
            p=getattr(node.record, node.type.param) if node.type.param else node.record,
            setup=setup,
            phase=self.plan.graph.state.phase,
            bottoms=self._values(node.bottoms),
            tops=self._values(node.tops),
            params=tuple(b.data for b in blobs),
            buffers={b.name: self.arena.view(slots[b.name], b.shape) for b in setup.buffers if b.name in slots},
            param_diffs=tuple(b.diff for b in blobs),
            seed=self.storage.seed,
            stream=stream(node.key, -1),
            writes=self.storage.writes,
        )
        if step := self._backward_of.get(layer):
            call.bottom_diffs = tuple(None if slot is None else self._diff(slot) for slot in step.bottom_diffs)
            call.top_diffs = tuple(self._diff(slot) for slot in step.top_diffs)
        return call

    def _values(self, values: Iterable[int]) -> tuple[Array, ...]:
        return tuple(self.arena.view(self.plan.data[v], self.shapes[v]) for v in values)

    def _resize(self, layer: int) -> None:
        """After a dynamic layer: give its tops their true shapes, and set up again every layer that follows from it."""
        node, call = self.plan.graph.nodes[layer], self.calls[layer]
        changed = set()
        for index, value in enumerate(node.tops):
            shape = call.resized.get(index, self.plan.shapes[value])
            if shape != self.shapes[value]:
                self.shapes[value] = shape
                changed.add(value)
        call.tops = self._values(node.tops)
        if changed and (step := self._backward_of.get(layer)):
            call.top_diffs = tuple(self._diff(slot) for slot in step.top_diffs)
        for later in self.plan.graph.nodes[layer + 1 :] if changed else ():
            if changed.isdisjoint(later.bottoms):
                continue
            bottoms = tuple(self.shapes[v] for v in later.bottoms)
            setup = later.type.setup(Site(later.record, later.type, bottoms, self.plan.graph.state.phase))
            for value, shape in zip(later.tops, setup.tops, strict=True):
                self.shapes[value] = shape
                changed.add(value)
            memory = self.calls[later.index].memory
            self.calls[later.index] = self.late[later.index] = self._call(later.index, setup)
            self.calls[later.index].memory = memory

    # ------------------------------------------------------------ debug mode

    def _writes(self, step: Step) -> set[int]:
        """Slots that a step may write."""
        if step.kind not in ("forward", "backward"):
            return {step.target}
        late = step.kind == "backward" or step.reader >= 0
        buffers = set((self.plan.late_buffers if late else self.plan.buffers)[step.layer].values())
        if step.kind == "forward":
            data = self.plan.late if late else self.plan.data
            return buffers | {data[v] for v in self.plan.graph.nodes[step.layer].tops}
        return buffers | {slot for slot in step.bottom_diffs if slot is not None}

    def _describe(self, step: Step) -> str:
        what = f'{step.kind} of "{self.plan.graph.nodes[step.layer].name}"' if step.layer >= 0 else step.kind
        return f"step {what}"


def moved(plan: Plan, layer: int) -> bool:
    """Whether some array of a layer has a second life in backward."""
    node = plan.graph.nodes[layer]
    values = (*node.bottoms, *node.tops)
    return plan.late_buffers[layer] != plan.buffers[layer] or any(plan.late[v] != plan.data[v] for v in values)


def as_of(early: Call, late: Call) -> Call:
    """The call of backward, with the random draws that forward made."""
    late.iteration, late.seed = early.iteration, early.seed
    return late


def run_again(plan: Plan, layer: int, early: Call, late: Call) -> None:
    """Run a layer's forward in backward: the same numbers; what it keeps for later (statistics) stays as it is."""
    forward = plan.graph.nodes[layer].type.forward
    if forward is None:
        return
    params = zip(plan.layers[layer].setup.params, late.params, strict=True)
    kept = [(array, array.copy()) for blob, array in params if not blob.learned]
    forward(as_of(early, late))
    for array, values in kept:
        array[...] = values


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


def _one_thread() -> Any:
    return _controller().limit(limits=1, user_api="blas")
