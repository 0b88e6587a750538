"""A net that runs as pycaffe shows it.

pycaffe has one array for the values and one for the gradient of each blob name, and scripts write into both between
passes, run parts of the net, and reshape it; `versions.py` makes it look so.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from copy import copy
from dataclasses import replace
from typing import Any, cast

import numpy as np

from netc import run
from netc.api.fed import FedNet
from netc.caffe.blobs import resized
from netc.caffe.sums import Sums
from netc.caffe.versions import Versions
from netc.errors import Diagnostic, NetError, Report
from netc.graph import Node
from netc.layer import Array, Shape, format_shape
from netc.layers.python import forward_in_any_shape, instance
from netc.plan.model import Plan
from netc.plan.shapes import source_tops
from netc.run.codes import NO_BACKWARD, PARAMETER_SHAPE
from netc.run.parameters import Parameters
from netc.run.reference import Reference

Hook = Callable[[int], object]
Planner = Callable[[Mapping[str, Shape], Mapping[str, tuple[Shape, ...]]], Plan]
"""Plans a net for shapes of its inputs, by blob, and of the tops of layers whose code alone knows them, by layer."""


class Engine(FedNet):
    """A planned net (with keep, by `make_plan` for given shapes of inputs) that can be reshaped while it lives.

    hooks: functions of a layer's index that are called around its passes, by name: "before_forward" and so on.
    Raises NetError.
    """

    def __init__(
        self,
        make_plan: Planner,
        *,
        seed: int,
        feeds: Callable[[Plan], Mapping[str, Any]],
        params: run.Net | None = None,
    ) -> None:
        self.make_plan = make_plan
        self.hooks: dict[str, list[Hook]] = {}
        self.asked: dict[str, Array] = {}  # blobs that got another shape since the last pass
        self.changed: list[Callable[[], object]] = []  # called when parameters lie in other arrays than before
        self._kept: Parameters | None = None
        self.given: dict[str, tuple[Shape, ...]] = {}  # tops of Python layers that are not as planned at first
        plan = make_plan({}, {})
        self._make(plan, seed, feeds(plan), params)

    def _make(self, plan: Plan, seed: int, feeds: Mapping[str, Any], params: run.Net | None) -> None:
        """Everything that depends on the plan."""
        super().__init__(plan, seed=seed, feeds=feeds, params=params)
        self._loose: dict[str, Array] = {}  # gradients of blobs that get none
        self._writers = _gradient_writers(plan)
        for index in self._storage.inputs:
            self._storage.inputs[index] = self._value(index)
        for step in plan.backward:
            if step.kind == "loss":
                self._gradient(plan.slots[step.target].owner)[...] = step.weight
        self._held = {n.index: tops for n in self.graph.nodes if (tops := _constant_tops(n, plan))}
        self._python = frozenset(n.index for n in self.graph.nodes if n.type.role.foreign)
        still = {*self._storage.inputs, *(v for tops in self._held.values() for v in tops)}
        self.versions = Versions(self.graph, self.executor, still, self._writers)
        self._sums = Sums(self.graph, self._writers, self._gradient)
        for layer, tops in self._held.items():
            self.executor.forward(layer, layer)
            for value in tops:
                self.values_of(self.graph.values[value].name)[...] = self._value(value)

    def _make_parameters(self, seed: int, params: run.Net | None) -> Parameters:
        """Those of before, when the net is planned again, so that arrays that a script or a solver holds stay good."""
        kept = self._kept
        if kept is not None and [p.shape for p in kept.plan.params] == [p.shape for p in self.plan.params]:
            return kept
        return super()._make_parameters(seed, params)

    # ------------------------------------------------------------ arrays

    def values_of(self, name: str) -> Array:
        """The values of a blob."""
        return self.asked[name] if name in self.asked else self._value(self.versions.shown(name))

    def gradient_of(self, name: str) -> Array:
        """The gradient of a blob, or zeros that may be written (a loss's weight) where the net computes none."""
        graded = self.versions.shown_gradient(name)
        if graded is not None and name not in self.asked:
            return self._gradient(graded)
        shape = self.values_of(name).shape
        if name not in self._loose or self._loose[name].shape != shape:
            value = self.graph.values[self.versions.of[name][-1]]
            weight = self.graph.nodes[value.producer].loss_weights[value.top]
            self._loose[name] = np.full(shape, weight, self.dtype)
        return self._loose[name]

    def _input(self, value: int) -> Array:
        return self.values_of(self.graph.values[value].name)

    def _value(self, value: int) -> Array:
        found = self.executor.value(value)
        assert found is not None  # planned with keep
        return found

    def _gradient(self, value: int) -> Array:
        found = self.executor.gradient(value)
        assert found is not None
        return found

    # ------------------------------------------------------------ forward

    def forward(self, start: str | None = None, end: str | None = None) -> dict[str, Array]:
        """As `run.Net.forward`; the solver's loop calls it."""
        last = self._layer(end, len(self.graph.nodes) - 1)
        self.run_forward(self._layer(start, 0), last)
        outputs = (v for v in self.graph.outputs if self.graph.values[v].producer <= last)
        return {self.graph.values[v].name: self._value(v).copy() for v in outputs}

    def run_forward(self, first: int, last: int) -> float:
        """Run layers by index, both included; returns the weighted sum of their losses. Raises NetError(RUN026)."""
        with self._turns.forward():
            return self._run_forward(first, last)

    def _run_forward(self, first: int, last: int) -> float:
        self.settle()
        self._refuse_empty(first, last)
        self.loss = 0.0
        for a, b in self._pieces(first, last, "forward", self._python.union(self._held)):
            self._call("before_forward", a)
            self.versions.before_forward(a, b)
            if b in self._python:
                self.loss += self._forward_python(b)
            else:
                held = {v: self._value(v).copy() for v in self._held.get(b, ())}
                self.loss += self.executor.forward(a, b)
                for value, array in held.items():
                    self._value(value)[...] = array
            self.versions.after_forward(a, b)
            self._call("after_forward", a)
        self.iteration += 1
        return self.loss

    def _pieces(self, first: int, last: int, direction: str, alone: Collection[int]) -> Iterator[tuple[int, int]]:
        """The ranges to run one after the other: cut at layers that are run in a way of their own, and for hooks."""
        every = bool(self.hooks.get(f"before_{direction}") or self.hooks.get(f"after_{direction}"))
        start = first
        for layer in range(first, last + 1):
            if every or layer in alone:
                if start < layer:
                    yield start, layer - 1
                yield layer, layer
                start = layer + 1
        if start <= last:
            yield start, last

    def _call(self, when: str, layer: int) -> None:
        for hook in self.hooks.get(when, ()):
            hook(layer)

    # ------------------------------------------------------------ backward

    def backward(
        self, start: str | None = None, end: str | None = None, *, diffs: Mapping[str, Any] | None = None
    ) -> None:
        """As `run.Net.backward`; the solver's loop calls it."""
        for name, diff in (diffs or {}).items():
            self.gradient_of(name)[...] = diff
        self.run_backward(self._layer(start, len(self.graph.nodes) - 1), self._layer(end, 0))

    def run_backward(self, first: int, last: int) -> None:
        """Run the backward of layers by index, from `first` down to `last`, both included.

        What a blob's gradient holds is where it starts from, unless a layer of the range gives it one.
        """
        if not self.plan.backward_planned:
            raise NetError(Diagnostic(NO_BACKWARD, f'net "{self.graph.name}" was planned for inference only'))
        with self._turns.backward():
            self._run_backward(min(first, last), max(first, last))

    def _run_backward(self, low: int, high: int) -> None:
        self._storage.seeds = {v: self._gradient(v) for v, writers in self._writers.items() if not writers}
        alone = self._sums.begin(low, high)
        for a, b in reversed(list(self._pieces(low, high, "backward", alone))):
            self._call("before_backward", b)
            self.versions.before_backward(a, b)
            self._sums.before(b)
            self.executor.backward(a, b)
            self._sums.after(b)
            self.versions.after_backward(a, b)
            self._call("after_backward", b)
        self._sums.end(low, high)

    # ------------------------------------------------------------ other shapes, other parameters

    def ask_shape(self, name: str, shape: Shape) -> None:
        """Another shape for a blob, from the next pass on; only inputs keep it."""
        self.asked[name] = resized(self.values_of(name), shape)

    def settle(self) -> None:
        """Give the net the shapes that were asked for. Raises NetError if it cannot have them, and stays as it is."""
        asked, self.asked = self.asked, {}
        free = {n: v for n, v in source_tops(self.graph).items() if v in self._storage.inputs}
        wanted = {name: array.shape for name, array in asked.items() if name in free}
        if any(self._value(free[name]).shape != shape for name, shape in wanted.items()):
            self._replan({**self._input_shapes(), **wanted}, {}, 0)
        for name in wanted:
            self.versions.show_first(name)
            self.values_of(name)[...] = asked[name]

    def feed(self, layer: int, source: Any) -> None:
        """Let a source fill the tops of a data layer, which a script has filled so far."""
        node = self.graph.nodes[layer]
        self.feeds[node.name] = source
        self._storage.inputs = {v: a for v, a in self._storage.inputs.items() if v not in node.tops}
        self.versions.still.difference_update(node.tops)

    def _input_shapes(self) -> dict[str, Shape]:
        return {self.graph.values[v].name: array.shape for v, array in self._storage.inputs.items()}

    def _replan(self, inputs: Mapping[str, Shape], given: Mapping[str, tuple[Shape, ...]], layer: int) -> None:
        """Plan anew; what Python layers from `layer` on have made of their bottoms' old shapes is forgotten."""
        nodes = {n.name: n for n in self.graph.nodes}
        kept = {n: shapes for n, shapes in self.given.items() if nodes[n].index < layer or not nodes[n].bottoms}
        self._renew(self.make_plan(inputs, {**kept, **given}), self.parameters)
        self.given = {**kept, **given}

    def share_with(self, other: run.Net) -> None:
        """Use the parameters of another net's layers of the same names from now on. Raises NetError(RUN015)."""
        report, blobs, theirs = Report(), [], other.parameters.by_layer()
        for blob in self.parameters.all:
            shared = theirs.get(blob.owner, ())[blob.param.position : blob.param.position + 1]
            data = shared[0].data if shared else blob.data
            if data.shape != blob.data.shape:
                shapes = f"{format_shape(blob.data.shape)} here and {format_shape(data.shape)} in the other net"
                report.error(PARAMETER_SHAPE, f'"{blob.param.name}" has shape {shapes}')
            blobs.append(replace(blob, data=data))
        report.finish()
        parameters = copy(self.parameters)
        parameters.all = tuple(blobs)
        self._renew(self.plan, parameters)
        for tell in self.changed:
            tell()

    def _renew(self, plan: Plan, parameters: Parameters) -> None:
        """Run another plan of the same graph, with these parameters, and the values, gradients and Python layers."""
        fresh = copy(self)
        fresh._kept = parameters
        fresh._make(plan, self.seed, self.feeds, self)
        fresh.versions.follow(self.versions)
        fresh._turns = self._turns
        fresh.iteration = self.iteration
        for value in range(len(self.graph.values)):
            for old, new in (
                (self.executor.value(value), fresh.executor.value(value)),
                (self.executor.gradient(value), fresh.executor.gradient(value)),
            ):
                if old is not None and new is not None and old.shape == new.shape:
                    new[...] = old
        for key, buffer in fresh.state.items():
            if self.state[key].shape == buffer.shape:
                buffer[...] = self.state[key]
        for old_call, new_call in zip(self._calls, fresh._calls, strict=True):
            new_call.memory = old_call.memory
        self.__dict__.update(fresh.__dict__)

    def replica(self) -> Engine:
        """As `run.Net.replica`; without hooks."""
        twin = copy(self)
        twin.hooks, twin.asked, twin.changed, twin._kept = {}, {}, [], self.parameters.replica()
        twin._make(self.plan, self.seed, {}, None)
        return twin

    def setting(self) -> AbstractContextManager[None]:
        """While a thread writes inputs, no pass begins. Raises NetError(RUN026) in a pass."""
        return self._turns.setting()

    # ------------------------------------------------------------ Python layers

    @property
    def _calls(self) -> list[Any]:
        return cast(Reference, self.executor).calls

    def python_layer(self, layer: int) -> Any:
        """The object of a Python layer."""
        return instance(self._calls[layer])

    def _forward_python(self, layer: int) -> float:
        """Run a Python layer, which may give its tops other shapes each time; returns its weighted loss."""
        node, call = self.graph.nodes[layer], self._calls[layer]
        arrays = forward_in_any_shape(call)
        if any(array.shape != top.shape for array, top in zip(arrays, call.tops, strict=True)):
            self._replan(self._input_shapes(), {node.name: tuple(array.shape for array in arrays)}, layer)
        for value, array, top in zip(node.tops, arrays, call.tops, strict=True):
            if array is not top:
                self._value(value)[...] = array
        if self._storage.observer is not None:
            self._storage.observer("forward", layer, self._calls[layer])
        return sum(w * float(array.sum()) for w, array in zip(node.loss_weights, arrays, strict=True) if w)


def _gradient_writers(plan: Plan) -> dict[int, list[int]]:
    """For each value with a gradient, the layers whose backward writes or adds to it, in the order that they run."""
    writers: dict[int, list[int]] = {v.index: [] for v in plan.graph.values if plan.diff[v.index] is not None}
    for step in plan.backward:
        if step.kind == "backward":
            for slot in step.bottom_diffs:
                if slot is not None:
                    writers[plan.slots[slot].owner].append(step.layer)
    return writers


def _constant_tops(node: Node, plan: Plan) -> tuple[int, ...]:
    """The tops of a DummyData layer that Caffe fills only once, so that a script's own values stay in them."""
    if node.type.role.fed != "fillers":
        return ()
    fillers = plan.layers[node.index].setup.geometry
    kinds = zip(node.tops, fillers, strict=True)
    return tuple(v for v, filler in kinds if isinstance(filler, int | float) or filler.type == "constant")
