"""A planned net in memory: inputs in, forward, outputs out; backward, gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from copy import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypedDict, TypeVar, cast

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from netc.errors import Diagnostic, NetError, Report
from netc.graph import Graph, Node
from netc.layer import Array, Call, format_shape
from netc.plan import again
from netc.plan.model import Plan
from netc.plan.turns import Turn, learned
from netc.run.codes import (
    INPUT_SHAPE,
    NO_BACKWARD,
    NO_DATA,
    RELEASED,
    UNKNOWN_BLOB,
    UNKNOWN_LAYER,
)
from netc.run.environment import precision as precision_of
from netc.run.executor import Buckets, Executor, Feed, Observer, Storage
from netc.run.executors import executor_of
from netc.run.inside import Blobs, Params, lookup
from netc.run.parameters import Parameter, Parameters
from netc.run.reach import Reach
from netc.run.reference import Reference
from netc.run.turns import Turns
from netc.writes import Where, refused

if TYPE_CHECKING:  # costly to import
    from netc.fast.program.lowered import Updates

T = TypeVar("T")
N = TypeVar("N", bound="Net")


@dataclass(frozen=True, slots=True)
class Program:
    """A plan of a net in memory."""

    plan: Plan
    storage: Storage
    executor: Executor

    @property
    def planned_bytes(self) -> int:
        """The size of its arena."""
        return self.executor.planned_bytes


class RunOptions(TypedDict, total=False):
    """How a net is run: what those who open nets for others hand on to `Net`, where each option is explained."""

    executor: str
    threads: int | None
    precision: str | None
    debug: bool
    writes: Where


class Net:
    """A net that runs.

    dtype: float32, or float64 (gradient checks). seed: of all random numbers: fillers, dropout.
    params: another net whose parameters this one uses, layer by layer, by name (test nets use the train net's).
    feeds: sources of data layers, by layer name; the tops of other data layers are inputs that the caller sets.
    executor: "reference" (each layer's own kernels) or "fast" (the compiled step, on `threads` threads: all cores by
    default; the bits do not depend on it).
    precision: of the fast executor's products: "fast", "exact" (no Winograd) or "bf16" (of bfloat16 numbers, with
    float32 sums, on a processor that has instructions for them); None: what $NETC_PRECISION says, else "fast".
    writes: where layers that write files (HDF5Output) may do so: "nowhere", "here" (the working folder), "anywhere".
    debug: poison memory that is not alive with NaN, and check what each step writes (slow; reference executor only).
    Raises NetError(RUN015, RUN019, RUN020, RUN070, RUN071, RUN072).
    """

    def __init__(
        self,
        plan: Plan,
        *,
        dtype: DTypeLike = np.float32,
        seed: int = 0,
        params: Net | None = None,
        feeds: Mapping[str, Feed] | None = None,
        debug: bool = False,
        executor: str = "reference",
        threads: int | None = None,
        precision: str | None = None,
        writes: Where = "nowhere",
    ) -> None:
        self.plan = plan
        self.graph: Graph = plan.graph
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self.loss = 0.0
        self._gradients_gone = False
        self._turns = Turns()
        self._reach = Reach(plan)
        self.parameters = self._make_parameters(seed, params)
        self.feeds: dict[str, Feed] = dict(feeds or {})
        self._storage = Storage(plan, self.dtype, self.parameters, self._input_arrays(), self.feeds, seed)
        self._storage.writes.where = writes
        self._check_writes()
        self._empty = [n for n in self.graph.nodes if n.type.role.fed != "caller" and self._is_filled_by_caller(n)]
        self.executor: Executor
        self._how = executor, debug, precision
        self.executor, self.threads = executor_of(*self._how, self._storage, threads)
        self._own = self.executor  # of the program; while somebody observes, another one may run it
        self._observer: Observer | None = None
        self._updates: Updates | None = None
        self._turn: Turn | None = None
        self._of_turns: dict[Turn | None, Program] = {}

    def replica(self: N) -> N:
        """A second net for a second thread: it shares this one's parameters and compiled program, and costs its blobs.

        Parameters are shared, not copied: what is written into those of one (by training, by loading weights), the
        other computes with from its next pass on; nobody should be in a pass meanwhile. Everything else is its own:
        inputs (with the values of now), blobs, gradients, `iteration`, and what layers keep between passes, which
        starts anew. In phase TRAIN, BatchNorm's statistics are parameters as others are, and every pass writes them.
        Sources of data cannot be in two places: the tops of all data layers are inputs of the replica, zero at first.
        """
        twin = copy(self)
        twin.loss, twin._gradients_gone, twin._turns, twin._of_turns = 0.0, False, Turns(self._turns.remedy), {}
        twin._reach = Reach(self.plan)
        twin.parameters, twin.feeds = self.parameters.replica(), {}
        twin._empty = [
            n for n in self.graph.nodes if twin._is_filled_by_caller(n) and (n in self._empty or n.key in self.feeds)
        ]
        inputs = twin._input_arrays()
        for value, array in self._storage.inputs.items():
            inputs[value][...] = array
        twin._storage = replace(
            self._storage, parameters=twin.parameters, feeds=twin.feeds, inputs=inputs, seeds={}, observer=None
        )
        twin.executor = twin._own = self._own.replica(twin._storage)
        twin._observer = None
        return twin

    def _make_parameters(self, seed: int, params: Net | None) -> Parameters:
        return Parameters(self.plan, self.dtype, seed, params.parameters if params else None)

    # ------------------------------------------------------------ inputs

    @property
    def inputs(self) -> dict[str, Array]:
        """The arrays that the caller fills before forward, by blob name: tops of Input and of data layers not fed.

        Several threads set inputs by `set_input` (and are refused if they mix), not by these. Raises NetError(RUN026).
        """
        self._turns.touch()
        return {self.graph.values[v].name: array for v, array in self._storage.inputs.items()}

    def set_input(self, name: str, array: ArrayLike) -> None:
        """Copy an array into an input; raises NetError(RUN010, RUN011, RUN026)."""
        target = lookup(self.inputs, name, UNKNOWN_BLOB, "input")
        source = np.asarray(array)
        if source.shape != target.shape:
            shapes = f"{format_shape(target.shape)}, but the array given has shape {format_shape(source.shape)}"
            raise NetError(Diagnostic(INPUT_SHAPE, f'input "{name}" has shape {shapes}'))
        with self._turns.setting():
            target[...] = source
        self._empty = [n for n in self._empty if name not in (self.graph.values[v].name for v in n.tops)]

    def _input_arrays(self) -> dict[int, Array]:
        nodes = [n for n in self.plan.graph.nodes if self._is_filled_by_caller(n)]
        return {v: np.zeros(self.plan.shapes[v], self.dtype) for n in nodes for v in n.tops}

    def _is_filled_by_caller(self, node: Node) -> bool:
        return node.type.source and node.type.forward is None and node.key not in self.feeds

    def _prepare(self, first: int, last: int) -> None:
        """Within a pass, before these layers run."""
        self._refuse_empty(first, last)

    def _refuse_empty(self, first: int, last: int) -> None:
        """Raise NetError for a data layer of the range that has no source, and whose tops nobody has filled."""
        for node in [n for n in self._empty if first <= n.index <= last]:
            if node.key not in self.feeds and not any(self._input(v).any() for v in node.tops):
                raise self._no_data(node)
            self._empty.remove(node)

    def _input(self, value: int) -> Array:
        """The array that the caller fills."""
        return self._storage.inputs[value]

    def _no_data(self, node: Node) -> NetError:
        message = f'layer "{node.name}" ({node.type.name}) has no source to fill its tops'
        return NetError(Diagnostic(NO_DATA, message, node.record.span))

    # ------------------------------------------------------------ running

    def forward(self, start: str | None = None, end: str | None = None) -> dict[str, Array]:
        """Run the layers from `start` to `end` (both included; all by default); returns copies of the net's outputs.

        Starting in the middle needs a net planned with keep, since earlier blobs are gone otherwise. An interrupt
        (Ctrl-C) is raised after the pass, a second one at once. Raises NetError: RUN013; RUN016 (or DAT... in a net
        from a file) for a data layer that nothing feeds and nobody has filled; RUN026; RUN028.
        """
        first, last = self._layer(start, 0), self._layer(end, len(self.graph.nodes) - 1)
        with self._turns.forward():
            self._prepare(first, last)
            with self._reach.forward(first, last):
                self.loss = self.executor.forward(first, last)
            graph = self.plan.graph
            if last == len(graph.nodes) - 1:
                self._storage.iteration += 1
            found = {v: self.executor.value(v) for v in graph.outputs if graph.values[v].producer <= last}
            return {self.graph.values[v].name: a.copy() for v, a in found.items() if a is not None}

    def backward(
        self, start: str | None = None, end: str | None = None, *, diffs: Mapping[str, ArrayLike] | None = None
    ) -> None:
        """Run backward from layer `start` down to `end`, right after forward; adds to the parameters' gradients.

        A part of it, or one more backward after the same forward, needs a net planned with keep.
        diffs: gradients to put on outputs, by name; other outputs that are not losses get zero.
        Raises NetError(RUN010, RUN011, RUN013, RUN014, RUN026, RUN027, RUN028).
        """
        if not self.plan.backward_planned:
            raise NetError(Diagnostic(NO_BACKWARD, f'net "{self.graph.name}" was planned for inference only'))
        first, last = self._layer(end, 0), self._layer(start, len(self.plan.graph.nodes) - 1)
        with self._turns.backward():
            self._storage.seeds = self._seeds(diffs or {})
            self._reach.backward(first, last)
            self.executor.backward(first, last)

    def backward_by_buckets(self, buckets: Buckets, done: Callable[[], None]) -> None:
        """Backward of the whole net right after forward; `done` is called for each bucket of parameters in turn.

        See `Executor.backward_by_buckets`. `done` must neither run the net nor take long.
        """
        with self._turns.backward():
            self._storage.seeds = {}
            self._reach.backward(0, len(self.plan.graph.nodes) - 1)
            self.executor.backward_by_buckets(buckets, done)

    def update_in_backward(self, updates: Updates) -> bool:
        """Let `backward_and_update` make these updates; whether it can (the fast executor can, where it runs the net).

        updates: a `netc.fast.program.lowered.Updates`. Values of blobs are lost, so this belongs before the first pass.
        """
        updating = getattr(self._own, "updating", None)
        if updating is None:
            return False
        self._own, self._updates = _with_state(updating(updates), self.executor), updates
        self._of_turns = {}
        self._watch(self._observer)
        return True

    def backward_and_update(self) -> None:
        """Backward of the whole net right after forward, and each parameter's update when its gradient is complete.

        Parameters' gradients are not kept. Only after `update_in_backward`.
        """
        with self._turns.backward():
            self._storage.seeds = {}
            self._reach.backward(0, len(self.plan.graph.nodes) - 1)
            self._gradients_gone = True
            cast(Any, self.executor).backward_and_update()

    def _seeds(self, diffs: Mapping[str, ArrayLike]) -> dict[int, Array]:
        outputs = {self.graph.values[v].name: v for v in self.plan.graph.outputs}
        seeds = {}
        for name, diff in diffs.items():
            value = lookup(outputs, name, UNKNOWN_BLOB, "output")
            array = np.asarray(diff, self.dtype)
            current = self.executor.value(value)
            shape = self.plan.shapes[value] if current is None else current.shape
            if array.shape != shape:
                shapes = f"{format_shape(shape)}, but the gradient given has shape {format_shape(array.shape)}"
                raise NetError(Diagnostic(INPUT_SHAPE, f'output "{name}" has shape {shapes}'))
            seeds[value] = array
        return seeds

    def _layer(self, name: str | None, default: int) -> int:
        return default if name is None else lookup({n.key: n.index for n in self.graph.nodes}, name, UNKNOWN_LAYER)

    # ------------------------------------------------------------ what is inside

    @property
    def blobs(self) -> Mapping[str, Array]:
        """Each blob name's last value, as a view; raises NetError(RUN012) if its memory has been used again."""
        return Blobs({v.name: v.index for v in self.plan.graph.values}, self.executor.value)

    @property
    def diffs(self) -> Mapping[str, Array]:
        """The gradient of each blob name's first value that has one (an input's, say), as a view."""
        found: dict[str, int] = {}
        for value in self.plan.graph.values:
            if self.plan.diff[value.index] is not None:
                found.setdefault(value.name, value.index)
        return Blobs(found, self.executor.gradient)

    @property
    def params(self) -> Mapping[str, tuple[Array, ...]]:
        """The parameter blobs of each layer that has some, by key; arrays that may be written.

        A layer's key is its name; where several layers have one name, the second is `name#2`.
        """
        return Params(self.parameters.by_layer())

    def touch(self) -> None:
        """Say that parameters have been written otherwise than through arrays that netc gave.

        Those arrays (`params`, `Parameter.data`), and whatever shares their memory, are known, for as long as anybody
        holds them. Needed after writes to an address that was kept as a number (`array.ctypes.data`).
        """
        for blob in self.parameters.all:
            blob.values.touch()

    @property
    def param_diffs(self) -> dict[str, tuple[Array | None, ...]]:
        """The gradients of the parameter blobs; None for blobs that are not learned. Raises NetError(RUN025).

        That of a table that is updated by rows (`param { lazy: true }`) is a copy, which cannot be written.
        """
        if self._gradients_gone:
            raise NetError(Diagnostic(RELEASED, "the last updates were made in backward, and kept no gradients"))
        return {key: tuple(b.diff for b in blobs) for key, blobs in self.parameters.by_layer().items()}

    @property
    def learned(self) -> tuple[Parameter, ...]:
        """The parameter blobs that training changes, each once; within a turn, those that learn in it."""
        return self.learned_in(self._turn)

    def learned_in(self, turn: Turn | None) -> tuple[Parameter, ...]:
        """The parameter blobs that learn in a turn."""
        indices = learned(self.parameters.plan, turn)
        return tuple(b for b in self.parameters.all if b.param.index in indices)

    def zero_param_diffs(self) -> None:
        """Set every parameter's gradient to zero; backward adds to it."""
        self._gradients_gone = False
        self.parameters.clear_gradients()

    def _check_writes(self) -> None:
        """Refuse files that layers may not write before anything has run (LAY115)."""
        report = Report()
        for node in self.graph.nodes:
            if field := node.type.role.writes:
                p = getattr(node.record, node.type.param) if node.type.param else node.record
                try:
                    self._storage.writes.path(getattr(p, field))
                except OSError as error:
                    report.diagnostics.append(refused(node.record, p, field, error))
        report.finish()

    def without_writing(self) -> AbstractContextManager[None]:
        """Within `with`, layers write no files: passes that are made to look at something."""
        return self._storage.writes.nothing()

    @contextmanager
    def observed(self, observer: Observer) -> Iterator[None]:
        """Within `with`, the observer sees each layer's arrays right after its forward and its backward.

        One that is there already goes on seeing them, and both do so when the net gets another size. A net on the fast
        executor runs on the reference one meanwhile: only there every layer stands alone.
        """
        outer = self._observer
        self._watch(_both(outer, observer))
        try:
            yield
        finally:
            self._watch(outer)

    def _watch(self, observer: Observer | None) -> None:
        """From now on this observer, or none, sees the layers; they run where it can see them."""
        self._observer = self._storage.observer = observer
        alone = observer is None or isinstance(self._own, Reference)
        if alone or not isinstance(self.executor, Reference):
            self._run_on(self._own if alone else Reference(self._storage))

    def _run_on(self, executor: Executor) -> None:
        if executor is not self.executor:
            self.executor = _with_state(executor, self.executor)
            self._reach.lose()

    @property
    def precision(self) -> str:
        """How the products of the fast executor are made."""
        return precision_of(self._how[2])

    @property
    def executor_name(self) -> str:
        """How it is run: "reference" or "fast"."""
        return self._how[0]

    @property
    def is_observed(self) -> bool:
        """Whether an observer sees each layer's arrays now."""
        return self._observer is not None

    # ------------------------------------------------------------ turns

    def take_turn(self, turn: Turn | None) -> None:
        """From the next pass on, only the turn's losses count, and only what learns in it takes gradients; None: all.

        A turn has a plan and blobs of its own, kept from one time to the next. Raises NetError(PLN...).
        """
        if turn != self._turn:
            with self._turns.setting():
                self._switch_turn(turn)

    def _switch_turn(self, turn: Turn | None) -> None:
        self._of_turns.setdefault(self._turn, Program(self.plan, self._storage, self._own))
        if turn not in self._of_turns:
            self._of_turns[turn] = self.program(again(self.plan, self.graph, turn))
        self._turn = turn
        self.use(self._of_turns[turn], self._storage.inputs)

    # ------------------------------------------------------------ other plans of the same net

    def program(self, plan: Plan, like: Program | None = None) -> Program:
        """Another plan of this net (other shapes, or its first layers) in memory, with the same parameters.

        like: the program that a replica has for this plan; what replicas share is shared with it.
        Raises NetError(RUN015) if the parameters have other shapes in it.
        """
        self.parameters.check(plan)
        storage = replace(self._storage, plan=plan, inputs={}, seeds={}, observer=None)
        if like is not None and self._updates is None:
            return Program(plan, storage, like.executor.replica(storage))
        executor, _ = executor_of(*self._how, storage, self.threads)
        if self._updates is not None and hasattr(executor, "updating"):
            executor = executor.updating(self._updates)
        return Program(plan, storage, executor)

    def use(self, program: Program, inputs: Mapping[int, Array]) -> None:
        """Run this program from now on, on these inputs; what layers keep between iterations comes with them."""
        storage, before = program.storage, self.executor
        storage.inputs, storage.iteration, storage.seed = dict(inputs), self.iteration, self.seed
        self._storage.observer = None
        self.plan, self._storage = program.plan, storage
        self.executor = self._own = program.executor
        self._reach = Reach(program.plan)
        _with_state(self.executor, before)
        self._watch(self._observer)

    # ------------------------------------------------------------ state between iterations

    @property
    def iteration(self) -> int:
        """Forward passes so far: what random draws depend on besides the seed."""
        return self._storage.iteration

    @iteration.setter
    def iteration(self, count: int) -> None:
        self._storage.iteration = count

    @property
    def seed(self) -> int:
        """The seed of all random draws from now on."""
        return self._storage.seed

    @seed.setter
    def seed(self, seed: int) -> None:
        self._storage.seed = seed

    @property
    def state(self) -> dict[tuple[str, str], Array]:
        """Buffers that layers keep from one iteration to the next, by layer and buffer name, as views."""
        return {(self.graph.nodes[layer].key, name): a for (layer, name), a in self.executor.state().items()}


def _both(outer: Observer | None, inner: Observer) -> Observer:
    if outer is None:
        return inner

    def observe(kind: Literal["forward", "backward"], layer: int, call: Call) -> None:
        outer(kind, layer, call)
        inner(kind, layer, call)

    return observe


def _with_state(executor: Executor, other: Executor) -> Executor:
    """Give an executor the values that layers keep between iterations in another."""
    theirs = other.state()
    for key, array in executor.state().items():
        if key in theirs and theirs[key].shape == array.shape:
            array[...] = theirs[key]
    return executor
