"""What the data layers of a net say of it before anything runs: their shapes, and what is wrong with their fields."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from netc import data
from netc.errors import Diagnostic, NetError, Report
from netc.graph import Graph, Node
from netc.layer import SHAPE_UNKNOWN, Shape
from netc.plan.model import Plan


@dataclass(frozen=True)
class Sources:
    """Shapes of the tops of data layers whose data is there, by layer; warnings; names of those with broken data."""

    shapes: Mapping[str, tuple[Shape, ...]]
    warnings: tuple[Diagnostic, ...] = ()
    broken: frozenset[str] = frozenset()

    def in_plan(self, plan: Plan) -> Plan:
        """The plan with these warnings, too."""
        return replace(plan, warnings=(*self.warnings, *plan.warnings)) if self.warnings else plan

    def without_shape(self, found: Collection[Diagnostic]) -> list[Diagnostic]:
        """What planning found, but that the shapes of data that could not be read are not known."""
        return [d for d in found if not (d.code is SHAPE_UNKNOWN and d.subject and d.subject.layer in self.broken)]


def sources_of(graph: Graph, report: Report | None = None) -> Sources:
    """What the data layers say. With a report, all that is wrong goes there; else it is raised as NetError (DAT...)."""
    found, shapes, broken = Report(), dict[str, tuple[Shape, ...]](), set[str]()
    for node in _data_layers(graph):
        own = Report(data.problems(node.record, graph.state.phase, node.type.data))
        found.diagnostics += own.diagnostics
        if own.failed:
            broken.add(node.name)
            continue
        try:
            given = data.probe(node.record, graph.state.phase, node.type.data)
        except NetError as error:
            found.add_new(error.diagnostics)
            broken.add(node.name)
            continue
        if given is not None:
            shapes[node.key] = given
    warnings = tuple(d for d in found.diagnostics if d.severity == "warning")
    if report is None:
        found.finish()
    else:
        report.add_new(found.diagnostics)
    return Sources(shapes, warnings, frozenset(broken))


def examine_data(graph: Graph, sources: Sources, report: Report) -> None:
    """Open the data that is there, as training does, and report what is wrong with it and with its transformation."""
    for node in _data_layers(graph):
        if node.key not in sources.shapes or not data.has_source(node.type.name, node.type.data):
            continue
        try:
            data.open_source(node.record, graph.state.phase, 0, own=node.type.data)
        except NetError as error:
            report.add_new(error.diagnostics)


def _data_layers(graph: Graph) -> list[Node]:
    """The layers that are filled from outside."""
    return [node for node in graph.nodes if node.type.source]
