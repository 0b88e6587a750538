"""One net, any size: its inputs may get other shapes while it lives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, Unpack, runtime_checkable
from weakref import ref

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from netc import run
from netc.api.fed import FedNet
from netc.api.planner import Planner
from netc.api.recent import Recent
from netc.errors import Diagnostic, NetError, suggest
from netc.graph import Node
from netc.layer import Array, Shape
from netc.plan.model import Plan
from netc.plan.turns import Turn
from netc.run.codes import UNKNOWN_BLOB

if TYPE_CHECKING:  # costly to import
    from netc.fast.program.lowered import Updates

S = TypeVar("S", bound="SizedNet")
MOST_PROGRAMS = 8
MOST_BYTES = 1 << 29


@dataclass(frozen=True)
class First:
    """The first program of a plan, of a net and its replicas, and who made it: nobody else runs it."""

    maker: ref[SizedNet]
    program: run.Program


@runtime_checkable
class Varying(Protocol):
    """A source whose batches may have other shapes each time."""

    def upcoming(self) -> tuple[Shape, ...]:
        """The shapes of the tops in the next batch, () if they are as planned."""


class SizedNet(FedNet):
    """A net that is planned again when its inputs get other shapes, or its data does.

    Programs share the parameters, and are kept by shape: the last 8 of them, fewer if they take more than 512 MB. What
    one compiled and packed for a shape, its replicas use too. Only what runs must fit: `forward(end="pool5")` plans the
    layers up to pool5. Raises NetError.
    """

    def __init__(
        self,
        planner: Planner,
        inputs: Mapping[str, Shape],
        feeds: Callable[[Plan], Mapping[str, run.Feed]] = lambda _: {},
        *,
        dtype: DTypeLike = np.float32,
        seed: int = 0,
        params: run.Net | None = None,
        **run_options: Unpack[run.RunOptions],
    ) -> None:
        room = None
        try:
            plan = planner(inputs)
        except NetError:
            room = None if inputs else planner.with_room()
            if room is None:
                raise
            plan = room
        self._planner = planner
        super().__init__(plan, feeds=feeds(plan), dtype=dtype, seed=seed, params=params, **run_options)
        self._firsts: Recent[First] = Recent(MOST_PROGRAMS, lambda first: first.program.planned_bytes, MOST_BYTES)
        self._begin(inputs)
        if room is not None:
            self._use({}, planner.longest({}, {}, self._has_parameters))

    def _begin(self, asked: Mapping[str, Shape]) -> None:
        """Start with the program that is there, for inputs of these shapes and others as planned."""
        values = self.plan.graph.values
        self._given = {values[v].name: array for v, array in self._storage.inputs.items()}
        self._asked = dict(asked)
        self._programs: Recent[run.Program] = Recent(MOST_PROGRAMS, lambda p: p.planned_bytes, MOST_BYTES)
        self._keep_program()

    def _keep_program(self) -> None:
        program, key = run.Program(self.plan, self._storage, self._own), _key(self.plan, self._turn)
        self._programs.get(key, lambda: program)
        self._firsts.get(key, lambda: First(ref(self), program))

    def _program(self, plan: Plan) -> run.Program:
        """A program of this plan: the first that there is, of this net and its replicas, or one like it."""
        first = self._firsts.get(_key(plan, self._turn), lambda: First(ref(self), self.program(plan)))
        return first.program if first.maker() is self else self.program(plan, first.program)

    def memory_held(self) -> tuple[int, int]:
        """Bytes that it shares with its replicas (parameters, packed ones too), and bytes of its own.

        Its own are the blobs of the programs that it keeps, and its inputs; gradients are not counted.
        """
        programs = self._programs.all()
        packed = sum(p.executor.planned_bytes - p.executor.own_bytes for p in programs)
        inputs = sum(array.nbytes for array in self._given.values())
        shared = sum(blob.data.nbytes for blob in self.parameters.all) + packed
        return shared, sum(p.executor.own_bytes for p in programs) + inputs

    # ------------------------------------------------------------ inputs

    @property
    def inputs(self) -> dict[str, Array]:
        """As in `run.Net`; after a reshape, inputs are other arrays."""
        self._turns.touch()
        return dict(self._given)

    def reshape(self, **shapes: Iterable[int]) -> None:
        """Give inputs other shapes, by blob name; they are zero then. Others keep theirs.

        Tops of the same layer follow the batch size. If the parameters of some layer do not fit, the net goes as far
        as that layer, and a pass over it is refused. Raises NetError (RUN010, RUN015, PLN..., LAY...) if no layer can
        work on the shapes; the net stays as it is then.
        """
        for name in shapes:
            self._known(name)
        with self._turns.setting():
            self._fit({name: tuple(int(size) for size in shape) for name, shape in shapes.items()})

    def planned(self, **shapes: Iterable[int]) -> Plan:
        """The plan of the whole net for inputs of other shapes, by blob name; the net stays as it is.

        Raises NetError as `reshape`.
        """
        for name in shapes:
            self._known(name)
        return self._planner(self._asked | {name: tuple(int(size) for size in shape) for name, shape in shapes.items()})

    def _known(self, name: str) -> None:
        if name not in self._given:
            close = suggest(name, self._given)
            help = f'did you mean "{close}"?' if close else f"it has {', '.join(self._given) or 'none'}"
            raise NetError(Diagnostic(UNKNOWN_BLOB, f'the net has no input "{name}"', help=help))

    # ------------------------------------------------------------ running

    def forward(self, start: str | None = None, end: str | None = None, **inputs: ArrayLike) -> dict[str, Array]:
        """As `run.Net.forward`. inputs: arrays for inputs, by name; the net is reshaped to their shapes.

        Returns copies of the outputs, and of the tops of layer `end`.
        """
        arrays = {name: np.asarray(array) for name, array in inputs.items()}
        for name in arrays:
            self._known(name)
        if other := {n: a.shape for n, a in arrays.items() if a.shape != self._given[n].shape}:
            self.reshape(**other)
        for name, array in arrays.items():
            self.set_input(name, array)
        found = super().forward(start, end)
        if end is not None and self._planner.keep:
            tops = self.graph.nodes[self._layer(end, 0)].tops
            found |= {name: self.blobs[name].copy() for v in tops if (name := self.graph.values[v].name) in self.blobs}
        return found

    def _prepare(self, first: int, last: int) -> None:
        """Have a plan of what runs, for what the data gives next."""
        changed = self._changed(first, last) if self.feeds else {}
        whole, now = len(self.graph.nodes), len(self.plan.graph.nodes)
        wanted = last + 1 if first == 0 and not self._planner.keep else max(now, last + 1)
        if changed or wanted != now:
            self._switch(changed, wanted, whole)
        super()._prepare(first, last)

    def _changed(self, first: int, last: int) -> dict[str, Shape]:
        """The shapes that sources of these layers have next, where they are not as planned."""
        varying: dict[str, Shape] = {}
        for node in self.graph.nodes[first : last + 1]:
            varying |= upcoming(self, node)
        planned = {self.graph.values[v].name: shape for v, shape in enumerate(self.plan.shapes)}
        return {name: shape for name, shape in varying.items() if planned.get(name) != shape}

    def _switch(self, shapes: Mapping[str, Shape], wanted: int, whole: int) -> None:
        """The first layers that are wanted; of a net whose blobs are kept rather all, so that none is lost."""
        if self._planner.keep and wanted < whole:
            try:
                self._use(shapes, whole)
            except NetError:
                pass
            else:
                return
        self._use(shapes, wanted)

    def _fit(self, shapes: Mapping[str, Shape]) -> None:
        """The whole net for these shapes, or as many first layers as can have them."""
        try:
            self._use(shapes, len(self.graph.nodes))
        except NetError:
            count = self._planner.longest(self._asked | dict(shapes), {}, self._has_parameters)
            if count == len(self.graph.nodes) or not any(n.bottoms for n in self.graph.nodes[:count]):
                raise
            self._use(shapes, count)

    def _has_parameters(self, plan: Plan) -> bool:
        return [p.shape for p in self.parameters.plan.params[: len(plan.params)]] == [p.shape for p in plan.params]

    def _use(self, shapes: Mapping[str, Shape], count: int) -> None:
        asked = self._asked | dict(shapes)
        plan = self._planner(asked, layers=count, turn=self._turn)
        program = self._programs.get(_key(plan, self._turn), lambda: self._program(plan))
        values = plan.graph.values
        given = {
            values[v].name: (v, plan.shapes[v])
            for node in plan.graph.nodes
            if self._is_filled_by_caller(node)
            for v in node.tops
        }
        for name, shape in {**shapes, **{name: shape for name, (_, shape) in given.items()}}.items():
            if name in self._given and self._given[name].shape != shape:
                self._given[name] = np.zeros(shape, self.dtype)
        self._asked = asked
        self.use(program, {v: self._given[name] for name, (v, _) in given.items()})

    def _switch_turn(self, turn: Turn | None) -> None:
        before, self._turn = self._turn, turn
        try:
            self._use({}, len(self.graph.nodes))
        except NetError:
            self._turn = before
            raise

    def update_in_backward(self, updates: Updates) -> bool:
        able = super().update_in_backward(updates)
        self._programs.clear()
        self._firsts.clear()
        self._keep_program()
        return able

    def replica(self: S) -> S:
        twin = super().replica()
        given = {name: array.copy() for name, array in self._given.items()}
        twin._begin(self._asked)
        twin._given |= {name: array for name, array in given.items() if name not in twin._given}
        return twin


def upcoming(net: run.Net, node: Node) -> dict[str, Shape]:
    """The shapes that a source has for the tops of a data layer next, by blob; none if they are as ever.

    Only where the batch is one record: others are one shape.
    """
    feed, planned = net.feeds.get(node.key), node.tops and node.tops[0] < len(net.plan.shapes)
    if not planned or not isinstance(feed, Varying) or net.plan.shapes[node.tops[0]][:1] != (1,):
        return {}
    return dict(zip((net.graph.values[v].name for v in node.tops), feed.upcoming(), strict=False))


def _key(plan: Plan, turn: Turn | None) -> tuple[Any, ...]:
    """What two plans of one net differ in: shapes of what comes from outside, how many layers they have, the turn."""
    tops = (v for node in plan.graph.nodes if node.type.source for v in node.tops)
    return (turn, len(plan.layers), *(plan.shapes[v] for v in tops))
