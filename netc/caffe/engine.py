"""A net that runs as pycaffe shows it.

pycaffe has one array for the values and one for the gradient of each blob name, and scripts write into both between
passes, run parts of the net, and reshape it; `versions.py` makes it look so.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from copy import copy
from dataclasses import replace
from typing import Any, cast

import numpy as np

from netc import run
from netc.api.fed import FedNet
from netc.api.planner import Planner
from netc.api.sized import upcoming
from netc.caffe import modes
from netc.caffe.arrays import resized
from netc.caffe.errors import FIXED_SHAPE, refuse
from netc.caffe.sums import Sums
from netc.caffe.versions import Versions
from netc.errors import Diagnostic, NetError, Report
from netc.graph import Node
from netc.layer import Array, Call, Shape, format_shape
from netc.layers.dummy_data import DummyDataGeometry
from netc.layers.python import forward_in_any_shape, instance
from netc.plan.model import Plan
from netc.run.codes import NO_BACKWARD, PARAMETER_SHAPE
from netc.run.parameters import Parameters
from netc.run.reference import Reference

Hook = Callable[[int], object]


class Engine(FedNet):
    """A net, planned with keep, that can be reshaped while it lives.

    Only the layers that run are planned for another shape, if the whole net cannot have it: `plan` is the plan of the
    first layers then, and the blobs of later ones stay as they were. `graph` is the graph of the whole net.
    hooks: functions of a layer's index that are called around its passes, by name: "before_forward" and so on.
    Raises NetError.
    """

    def __init__(
        self,
        planner: Planner,
        *,
        seed: int,
        feeds: Callable[[Plan], Mapping[str, Any]],
        params: run.Net | None = None,
    ) -> None:
        self.planner = planner
        self.hooks: dict[str, list[Hook]] = {}
        self.misfits: dict[tuple[int, int], str] = {}  # parameters that scripts gave another number of values
        self.asked: dict[str, Array] = {}  # blobs that got another shape since the last pass
        self.changed: list[Callable[[], object]] = []  # called when parameters lie in other arrays than before
        self._kept: Parameters | None = None
        self.given: dict[str, tuple[Shape, ...]] = {}  # tops of Python layers that are not as planned at first
        self._followed: dict[str, Shape] = {}  # of tops of data layers whose source has another shape each time
        self._spare: dict[int, Call] = {}  # of layers that are not planned now
        self._beyond: dict[str, tuple[Array, Array]] = {}  # values and gradients of blobs that are not planned now
        try:
            plan = planner({})
            self._make(plan, seed, feeds(plan), params)
        except NetError:
            room = planner.with_room()
            if room is None:
                raise
            self._make(room, seed, feeds(room), params)
            self._renew(planner({}, {}, planner.longest({}, {}, self._has_parameters)), self.parameters)

    def _make(self, plan: Plan, seed: int, feeds: Mapping[str, Any], params: run.Net | None) -> None:
        """Everything that depends on the plan."""
        super().__init__(plan, seed=seed, feeds=feeds, params=params, writes=modes.writes())
        self._loose: dict[str, Array] = {}  # gradients of blobs that get none
        self._writers = _gradient_writers(plan)
        for index in self._storage.inputs:
            self._storage.inputs[index] = self._value(index)
        for step in plan.backward:
            if step.kind == "loss":
                self._gradient(plan.slots[step.target].owner)[...] = step.weight
        self._held = {n.index: tops for n in plan.graph.nodes if (tops := _constant_tops(n, plan))}
        self._python = frozenset(n.index for n in plan.graph.nodes if n.type.role.foreign)
        still = {*self._storage.inputs, *(v for tops in self._held.values() for v in tops)}
        self.versions = Versions(plan.graph, self.executor, still, self._writers)
        self._sums = Sums(self.graph, self._writers, self._gradient)
        for layer, tops in self._held.items():
            self.executor.forward(layer, layer)
            for value in tops:
                self.values_of(self.graph.values[value].name)[...] = self._value(value)
        self.graph = self.planner.graph

    def _make_parameters(self, seed: int, params: run.Net | None) -> Parameters:
        """The net's parameters; of one that is planned again the old ones, so that a script's arrays stay good."""
        kept = self._kept
        return kept if kept and self._has_parameters(self.plan) else super()._make_parameters(seed, params)

    def _has_parameters(self, plan: Plan) -> bool:
        """Whether the parameters have the shapes of a plan."""
        mine = (self._kept or self.parameters).plan.params[: len(plan.params)]
        return [p.shape for p in mine] == [p.shape for p in plan.params]

    # ------------------------------------------------------------ arrays

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all blobs, in order of the file."""
        return tuple(dict.fromkeys(value.name for value in self.graph.values))

    def values_of(self, name: str) -> Array:
        """The values of a blob."""
        if name in self.asked:
            return self.asked[name]
        return self._value(self.versions.shown(name)) if name in self.versions.of else self._beyond[name][0]

    def look(self, name: str) -> Array:
        """The values of a blob, for a script: an array that may be written."""
        return self.values_of(name)

    def look_at_gradient(self, name: str) -> Array:
        """The gradient of a blob, for a script."""
        return self.gradient_of(name)

    def shape_of(self, name: str) -> Shape:
        """The shape that a blob has, or was asked for."""
        return self.values_of(name).shape

    def expect(self, names: Iterable[str]) -> None:
        """The script will look at these blobs after the next pass."""

    def catch_up(self) -> None:
        """Before parameters change: have all that the script may ask for of the last pass."""

    def gradient_of(self, name: str) -> Array:
        """The gradient of a blob, or zeros that may be written (a loss's weight) where the net computes none."""
        if name not in self.versions.of:
            return self._beyond[name][1]
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
        for (layer, position), shapes in self.misfits.items():
            if first <= layer <= last:
                name = self.graph.nodes[layer].name
                raise refuse(FIXED_SHAPE, f'layer "{name}": parameter {position} has shape {shapes}')
        self.settle(last)
        self._follow_data(first, last)
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
        self.settle(high)
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
        self.asked[name] = resized(self.look(name), shape)

    def settle(self, last: int | None = None) -> None:
        """Give the net the shapes that were asked for: at least to the layers up to the last that will run.

        Without one, to as many as can have them. Raises NetError if they cannot, and the net stays as it is.
        """
        asked, self.asked = self.asked, {}
        shapes = self._input_shapes()
        wanted = {name: array.shape for name, array in asked.items() if name in shapes}
        if {**shapes, **wanted} != shapes or (last is not None and last >= len(self.plan.graph.nodes)):
            self._fit({**shapes, **wanted}, last)
        for name in wanted:
            if name in self._beyond:
                self._beyond[name] = asked[name], np.zeros_like(asked[name])
            else:
                self.versions.show_first(name)
                self.values_of(name)[...] = asked[name]

    def _follow_data(self, first: int, last: int) -> None:
        """Take the shapes that data layers of the range have next (batches of one image of any size)."""
        found: dict[str, Shape] = {}
        for node in self.graph.nodes[first : last + 1]:
            found |= upcoming(self, node)
        if any(self.values_of(name).shape != shape for name, shape in found.items()):
            self._followed |= found
            self._fit(self._input_shapes(), last)

    def _input_shapes(self) -> dict[str, Shape]:
        """The shapes that the blobs have which a script fills, by name."""
        now, fed = {self.graph.values[v].name: a.shape for v, a in self._storage.inputs.items()}, self.feeds
        nodes = (n for n in self.graph.nodes if n.type.source and n.type.forward is None and n.key not in fed)
        names = (self.graph.values[v].name for n in nodes for v in n.tops)
        return {name: now[name] if name in now else self._beyond[name][0].shape for name in names}

    def _fit(
        self,
        inputs: Mapping[str, Shape],
        last: int | None,
        given: Mapping[str, tuple[Shape, ...]] | None = None,
        layer: int = 0,
    ) -> None:
        """Plan for these shapes: the whole net, or else what is needed of it.

        given: the shapes of tops that Python layers have just made. What those from `layer` on had made is forgotten.
        """
        inputs = {**inputs, **self._followed}
        nodes = {n.key: n for n in self.graph.nodes}
        kept = {n: shapes for n, shapes in self.given.items() if nodes[n].index < layer or not nodes[n].bottoms}
        given = {**kept, **(given or {})}
        try:
            self._renew(self.planner(inputs, given), self.parameters)
        except NetError:
            count = self.planner.longest(inputs, given, self._has_parameters) if last is None else last + 1
            if count >= len(self.graph.nodes) or not any(n.bottoms for n in self.graph.nodes[:count]):
                raise
            self._renew(self.planner(inputs, given, count), self.parameters)
        self.given = given

    def feed(self, layer: int, source: Any) -> None:
        """Let a source fill the tops of a data layer, which a script has filled so far."""
        node = self.graph.nodes[layer]
        self.feeds[node.key] = source
        self._storage.inputs = {v: a for v, a in self._storage.inputs.items() if v not in node.tops}
        self.versions.still.difference_update(node.tops)

    def share_with(self, other: run.Net) -> None:
        """Use the parameters of another net's layers of the same names from now on. Raises NetError(RUN015)."""
        report, blobs, theirs = Report(), [], other.parameters.belonging(self.plan)
        for blob in self.parameters.all:
            shared = theirs.get(blob.param.layer, ())[blob.param.position : blob.param.position + 1]
            other_blob = shared[0] if shared else blob
            if other_blob.shape != blob.shape:
                shapes = f"{format_shape(blob.shape)} here and {format_shape(other_blob.shape)} in the other net"
                report.error(PARAMETER_SHAPE, f'"{blob.param.name}" has shape {shapes}')
            blobs.append(replace(blob, values=other_blob.values))
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
        old = {n: (self.values_of(n), self.gradient_of(n)) for n in self.names}
        fresh._beyond = {n: arrays for n, arrays in old.items() if n not in fresh.versions.of}
        for value in range(min(len(self.plan.shapes), len(plan.shapes))):
            _copy(self.executor.value(value), fresh.executor.value(value))
            _copy(self.executor.gradient(value), fresh.executor.gradient(value))
        for name in self._beyond.keys() & fresh.versions.of.keys():
            _copy(old[name][0], fresh.values_of(name))
        state = self.state
        for key, buffer in fresh.state.items():
            if key in state and state[key].shape == buffer.shape:
                buffer[...] = state[key]
        calls = self._spare | self._calls
        for layer, call in fresh._calls.items():
            call.memory = calls.pop(layer).memory
        fresh._spare = calls
        self.__dict__.update(fresh.__dict__)

    def replica(self) -> Engine:
        """As `run.Net.replica`; without hooks."""
        twin = copy(self)
        twin.hooks, twin.asked, twin.changed, twin._kept = {}, {}, [], self.parameters.replica()
        twin._beyond = {name: (data.copy(), diff.copy()) for name, (data, diff) in self._beyond.items()}
        twin._spare = {layer: replace(call, memory={}) for layer, call in self._spare.items()}
        twin._make(self.plan, self.seed, {}, None)
        return twin

    def setting(self) -> AbstractContextManager[None]:
        """While a thread writes inputs, no pass begins. Raises NetError(RUN026) in a pass."""
        return self._turns.setting()

    # ------------------------------------------------------------ Python layers

    @property
    def _calls(self) -> dict[int, Call]:
        return cast(Reference, self.executor).calls

    def python_layer(self, layer: int) -> Any:
        """The object of a Python layer."""
        return instance(self._calls.get(layer) or self._spare[layer])

    def _forward_python(self, layer: int) -> float:
        """Run a Python layer, which may give its tops other shapes each time; returns its weighted loss."""
        node, call = self.graph.nodes[layer], self._calls[layer]
        arrays = forward_in_any_shape(call)
        if any(array.shape != top.shape for array, top in zip(arrays, call.tops, strict=True)):
            shapes = tuple(array.shape for array in arrays)
            self._fit(self._input_shapes(), len(self.plan.graph.nodes) - 1, {node.key: shapes}, layer)
        for value, array, top in zip(node.tops, arrays, call.tops, strict=True):
            if array is not top:
                self._value(value)[...] = array
        if self._storage.observer is not None:
            self._storage.observer("forward", layer, self._calls[layer])
        return sum(w * float(array.sum()) for w, array in zip(node.loss_weights, arrays, strict=True) if w)


def _copy(old: Array | None, new: Array | None) -> None:
    if old is not None and new is not None and old.shape == new.shape:
        new[...] = old


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
    constant = plan.layers[node.index].setup.known(DummyDataGeometry).constant
    return tuple(value for value, once in zip(node.tops, constant, strict=True) if once)
