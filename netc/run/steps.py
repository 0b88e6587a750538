"""Steps of a plan by the layers' own kernels: what both executors do alike, on arrays that each has in its own way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from math import prod
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

from netc.errors import Diagnostic, NetError
from netc.graph import Node
from netc.kernels.philox import stream
from netc.layer import Array, Call, Setup, Shape, Site
from netc.plan.model import Step
from netc.run.codes import NO_DATA, TOO_LARGE
from netc.run.executor import Buckets, Storage


class Steps(ABC):
    """Calls of layers' own kernels: `calls` those of forward, `backward_calls` those of backward, by layer.

    Each is bound to memory once. A layer's two are one object, except where what it reads is rematerialised, in other
    arrays (`Plan.backward_data`).
    shapes: those that values have now. After a dynamic layer, what follows from it is set up for the true ones.
    """

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.plan = storage.plan
        self.calls: dict[int, Call] = {}
        self.backward_calls: dict[int, Call] = {}
        self.shapes: list[Shape] = list(self.plan.shapes)
        self._value_of_diff = {slot: value for value, slot in enumerate(self.plan.diff) if slot is not None}
        self._backward_of = {s.layer: s for s in self.plan.backward if s.kind == "backward"}
        nodes = self.plan.graph.nodes
        self._sized_late = frozenset(n.index for n in nodes if not self.plan.bounded.isdisjoint(n.bottoms))

    @abstractmethod
    def backward(self, first: int, last: int) -> None:
        """See `Executor`."""

    def backward_by_buckets(self, buckets: Buckets, done: Callable[[], None]) -> None:
        """See `Executor`: here no bucket is done before all are."""
        self.backward(0, len(self.plan.layers) - 1)
        for _ in buckets:
            done()

    # ------------------------------------------------------------ arrays, which executors have

    @abstractmethod
    def _data(self, value: int) -> Array:
        """A value, as forward sees it."""

    @abstractmethod
    def _room(self, value: int) -> Array:
        """The array of a value, of the shape that is planned."""

    @abstractmethod
    def _backward_data(self, value: int, seen: Array) -> Array:
        """A value, as backward sees it; seen: as forward does."""

    @abstractmethod
    def _diff(self, slot: int) -> Array:
        """A gradient."""

    @abstractmethod
    def _buffers(self, layer: int, setup: Setup) -> dict[str, Array]:
        """A layer's buffers."""

    @abstractmethod
    def _backward_buffers(self, layer: int, call: Call) -> dict[str, Array]:
        """A layer's buffers, as backward sees them; call: that of forward."""

    # ------------------------------------------------------------ calls

    def _bind(self, layer: int) -> None:
        """Make a layer's calls."""
        self.calls[layer] = self._call(layer, self.plan.layers[layer].setup)
        self.backward_calls[layer] = self._backward_call(layer)

    def _call(self, layer: int, setup: Setup) -> Call:
        node, step = self.plan.graph.nodes[layer], self._backward_of.get(layer)
        blobs = self.storage.parameters.of_layer(layer)
        return Call(
            record=node.record,
            p=getattr(node.record, node.type.param) if node.type.param else node.record,
            setup=setup,
            phase=self.plan.graph.state.phase,
            bottoms=self._bottoms(layer),
            tops=self._values(layer, node.tops),
            params=tuple(b.data if node.type.role.foreign else b.array for b in blobs),  # a user's object may keep them
            buffers=self._buffers(layer, setup),
            bottom_diffs=tuple(None if s is None else self._diff(s) for s in step.bottom_diffs) if step else (),
            top_diffs=tuple(self._diff(s) for s in step.top_diffs) if step else (),
            param_diffs=tuple(b.added if self.plan.params[b.param.index].learned else None for b in blobs),
            places=tuple(None if b.rows is None else b.rows.placed for b in blobs),
            seed=self.storage.seed,
            stream=stream(node.key, -1),
            writes=self.storage.writes,
        )

    def _bottoms(self, layer: int) -> tuple[Array, ...]:
        return self._values(layer, self.plan.graph.nodes[layer].bottoms)

    def _values(self, layer: int, values: Iterable[int]) -> tuple[Array, ...]:
        """A layer's bottoms or tops; none where only its backward runs, which looks at gradients."""
        return () if layer in self.plan.skipped else tuple(map(self._data, values))

    def _backward_call(self, layer: int) -> Call:
        """The call of backward; the same one where nothing of it has moved."""
        node, call = self.plan.graph.nodes[layer], self.calls[layer]
        values = (*node.bottoms, *node.tops)
        buffers = self.plan.backward_buffers[layer] != self.plan.buffers[layer]
        moved = buffers or any(self.plan.backward_data[v] != self.plan.data[v] for v in values)
        if layer in self.plan.skipped or not moved:
            return call
        return replace(
            call,
            bottoms=tuple(map(self._backward_data, node.bottoms, call.bottoms)),
            tops=tuple(map(self._backward_data, node.tops, call.tops)),
            buffers=self._backward_buffers(layer, call),
        )

    def memory(self, layer: int) -> dict[str, Any]:
        """What a layer that runs by its own kernels keeps between calls, besides arrays."""
        return self.calls[layer].memory

    # ------------------------------------------------------------ steps

    def _do(self, step: Step) -> None:
        if step.kind == "forward" and step.reader >= 0:
            self._recompute(step.layer)
        elif step.kind == "forward":
            self._forward(step.layer)
        elif step.kind == "backward":
            self._backward(step.layer)
        elif step.kind == "add":
            target = self._diff(step.target)
            np.add(target, self._diff(step.source), out=target)
        else:
            value = self._value_of_diff.get(step.target, -1)
            self._diff(step.target)[...] = self.storage.seeds.get(value, step.weight)

    def _forward(self, layer: int) -> None:
        node, call = self.plan.graph.nodes[layer], self.calls[layer]
        if layer in self.plan.skipped:
            return
        if node.type.source and node.type.forward is None:
            self._feed(layer)
            return
        call.seed, call.iteration = self.storage.seed, self.storage.iteration
        if node.type.forward is None:
            return
        if call.setup.dynamic:
            call.resized.clear()
            call.tops = tuple(map(self._room, node.tops))
        if call.setup.dynamic or not self._is_empty(layer, call.tops):
            node.type.forward(call)
        if call.setup.dynamic:
            self.resize(layer, call.resized)

    def _backward(self, layer: int) -> None:
        backward = self.plan.graph.nodes[layer].type.backward
        call = self._as_drawn(layer)
        if backward is not None and not self._is_empty(layer, call.top_diffs):
            backward(call)
        elif backward is not None:
            for diff in call.bottom_diffs:
                if diff is not None:
                    diff[...] = 0

    def _is_empty(self, layer: int, arrays: Sequence[Array]) -> bool:
        """Whether there is nothing for a layer to do, as a dynamic layer before it has given no items."""
        return layer in self._sized_late and bool(arrays) and not any(a.size for a in arrays)

    def _recompute(self, layer: int) -> None:
        """Run a layer's forward in backward: the same numbers; what it keeps for later (statistics) stays as it is."""
        forward, call = self.plan.graph.nodes[layer].type.forward, self.backward_calls[layer]
        if forward is None or layer in self.plan.skipped:
            return
        params = zip(self.plan.layers[layer].setup.params, call.params, strict=True)
        kept = [(array, array.copy()) for blob, array in params if not blob.learned]
        forward(self._as_drawn(layer))
        for array, values in kept:
            array[...] = values

    def resize(self, layer: int, resized: Mapping[int, Shape]) -> None:
        """After a dynamic layer: give its tops their true shapes, and set up again every layer that follows from it.

        resized: the shapes that are not as planned, by top. Raises NetError(RUN017), or RefusalError if a later layer
        cannot have them; all is as before then.
        """
        before, self.shapes = self.shapes, list(self.shapes)
        try:
            fresh = self._set_up_again(layer, resized)
            self._follow(layer)
        except BaseException:
            self.shapes = before
            raise
        for later, call in fresh.items():
            call.memory = self.calls[later].memory
            self.calls[later] = self.backward_calls[later] = call

    def _set_up_again(self, layer: int, resized: Mapping[int, Shape]) -> dict[int, Call]:
        """The calls of the layers that follow from a dynamic one, where their shapes have changed."""
        nodes, fresh = self.plan.graph.nodes, dict[int, Call]()
        tops = (resized.get(i, self.plan.shapes[v]) for i, v in enumerate(nodes[layer].tops))
        changed = self._take(nodes[layer], tops)
        for later in nodes[layer + 1 :] if changed else ():
            if changed.isdisjoint(later.bottoms):
                continue
            bottoms = tuple(self.shapes[v] for v in later.bottoms)
            setup = later.type.setup(Site(later.record, later.type, bottoms, self.plan.graph.state.phase))
            changed |= self._take(later, setup.tops)
            if later.index in self.calls:
                fresh[later.index] = self._call(later.index, setup)
        return fresh

    def _take(self, node: Node, tops: Iterable[Shape]) -> set[int]:
        """Give a layer's tops these shapes; returns the values whose shape has changed. Raises NetError(RUN017)."""
        changed = set()
        for value, shape in zip(node.tops, tops, strict=True):
            planned = self.plan.shapes[value]
            if prod(shape) > prod(planned):
                name = self.plan.graph.values[value].name
                raise NetError(Diagnostic(TOO_LARGE, f'"{name}" was planned with shape {planned}, but got {shape}'))
            if shape != self.shapes[value]:
                self.shapes[value] = shape
                changed.add(value)
        return changed

    def _follow(self, layer: int) -> None:
        """Let a dynamic layer's own call see its tops, and their gradients, in their shapes of now."""
        call, step = self.calls.get(layer), self._backward_of.get(layer)
        if call is not None:
            call.tops = self._values(layer, self.plan.graph.nodes[layer].tops)
            if step is not None:
                call.top_diffs = tuple(map(self._diff, step.top_diffs))

    def _as_drawn(self, layer: int) -> Call:
        """The call of backward, with the random draws that forward made."""
        drawn, call = self.calls[layer], self.backward_calls[layer]
        call.iteration, call.seed = drawn.iteration, drawn.seed
        return call

    def _feed(self, layer: int) -> None:
        node, call = self.plan.graph.nodes[layer], self.calls[layer]
        feed = self.storage.feeds.get(node.name)
        if feed is not None:
            feed.next(call.tops)
            return
        for value, top in zip(node.tops, call.tops, strict=True):
            if value not in self.storage.inputs:
                message = f'layer "{node.name}" ({node.type.name}) has no source to fill its tops'
                raise NetError(Diagnostic(NO_DATA, message, node.record.span))
            top[...] = self.storage.inputs[value]

    def _loss(self, layer: int) -> float:
        """The weighted sum of a layer's tops, as far as they are losses."""
        node = self.plan.graph.nodes[layer]
        pairs = zip(node.loss_weights, node.tops, strict=False)
        return sum(w * float(self._data(v).sum(dtype=np.float64)) for w, v in pairs if w)


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


def one_thread() -> Any:
    """`with one_thread():` BLAS uses one thread, so that sums are made in one order whatever the machine."""
    return _controller().limit(limits=1, user_api="blas")
