"""Plans of one net for whatever shapes its inputs get while it lives."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Mapping

from netc.api.definition import Definition
from netc.api.recent import Recent
from netc.api.sources import sources_of
from netc.errors import NetError
from netc.graph import State, build
from netc.layer import Shape
from netc.plan import plan as plan_graph
from netc.plan.first import first_layers, with_outputs
from netc.plan.model import Plan
from netc.plan.turns import Turn

MOST_PLANS = 32
ROOM = (8, 32, 128, 512)
Plans = Callable[[Collection[int]], Plan]
"""Plans a net so that some of its layers, by index, run again in backward."""


class Planner:
    """Plans a net, whole or its first layers only, for shapes of its inputs; the last plans are kept, refusals too.

    Only what runs needs a plan: a classifier's last layers do not fit an image of another size, and whoever wants a
    layer before them does not care. batch, keep: see `netc.plan`. training: plan backward too; of several, the first
    that can be planned is taken. fit: chooses the layers that run again in backward.
    """

    def __init__(
        self,
        definition: Definition,
        state: State,
        *,
        training: tuple[bool, ...],
        batch: int | None = None,
        keep: bool = False,
        fit: Callable[[Plans], Plan] = lambda plans: plans(()),
    ) -> None:
        self.graph = build(definition.record, definition.types, state)
        self.training, self.batch, self.keep, self.fit = training, batch, keep, fit
        self._sources = sources_of(self.graph)
        self._recent: Recent[Plan | NetError] = Recent(MOST_PLANS)

    def __call__(
        self,
        inputs: Mapping[str, Shape],
        given: Mapping[str, tuple[Shape, ...]] | None = None,
        layers: int | None = None,
        outputs: tuple[str, ...] = (),
        turn: Turn | None = None,
    ) -> Plan:
        """The plan for these shapes of input and data blobs, by name; the others have the file's.

        given: shapes of all tops of layers whose code alone knows them. layers: how many of the net's, all by default.
        outputs: blobs, by name, that are outputs too. turn: which losses count, and what learns; of the first layers
        alone, as ever. Raises NetError.
        """
        given, layers = given or {}, len(self.graph.nodes) if layers is None else layers
        turn = turn if layers == len(self.graph.nodes) else None
        key = (tuple(sorted(inputs.items())), tuple(sorted(given.items())), layers, outputs, turn)
        found = self._recent.get(key, lambda: self._plan(inputs, given, layers, outputs, turn))
        if isinstance(found, NetError):
            raise found
        return found

    def longest(
        self, inputs: Mapping[str, Shape], given: Mapping[str, tuple[Shape, ...]], good: Callable[[Plan], bool]
    ) -> int:
        """How many first layers can be planned, so that the plan is good."""

        def can(count: int) -> bool:
            try:
                return good(self(inputs, given, count))
            except NetError:
                return False

        return bisect_left(range(1, len(self.graph.nodes) + 1), True, key=lambda count: not can(count))

    def with_room(self) -> Plan | None:
        """A plan for larger inputs, where the file says 1x1 for images of any size and no layer can work on these."""
        try:
            first = self({}, {}, next((n.index for n in self.graph.nodes if n.bottoms), len(self.graph.nodes)))
        except NetError:
            return None
        shapes = {first.graph.values[v].name: first.shapes[v] for v in first.graph.inputs}
        any_size = {name: shape[:2] for name, shape in shapes.items() if shape[2:] == (1, 1)}
        for size in ROOM if any_size else ():
            try:
                return self({name: (*rows, size, size) for name, rows in any_size.items()})
            except NetError:
                continue
        return None

    def _plan(
        self,
        inputs: Mapping[str, Shape],
        given: Mapping[str, tuple[Shape, ...]],
        layers: int,
        outputs: tuple[str, ...],
        turn: Turn | None,
    ) -> Plan | NetError:
        graph, tops = with_outputs(first_layers(self.graph, layers), outputs), {**self._sources.shapes, **given}
        values = {graph.values[v].name for n in graph.nodes if n.type.source for v in n.tops}
        shapes = {name: shape for name, shape in inputs.items() if name in values or layers == len(self.graph.nodes)}
        refused: list[NetError] = []
        for training in self.training:

            def plan(again: Collection[int], training: bool = training) -> Plan:
                return plan_graph(
                    graph, training=training, given=tops, inputs=shapes, batch=self.batch, keep=self.keep,
                    recompute=again, turn=turn,
                )  # fmt: skip

            try:
                return self._sources.in_plan(self.fit(plan))
            except NetError as error:
                refused.append(error)
        return refused[-1]
