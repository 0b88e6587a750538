"""All that is known of a text while somebody is typing it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from netc import data, language
from netc.api.definition import Definition, is_solver, only_declares, schema_of, typed, typed_solver
from netc.api.planning import check_solver, states
from netc.catalogue import Catalogue
from netc.errors import Diagnostic, NetError, Report, Source
from netc.graph import State, build
from netc.plan import plan as plan_graph
from netc.plan.model import Plan
from netc.schema.registry import Schema


@dataclass(frozen=True)
class Analysis:
    """A text, its tree if it can be parsed, a plan for each of its states that can be, and all diagnostics."""

    source: Source
    types: Catalogue
    schema: Schema
    document: language.Document | None = None
    solver: bool = False
    plans: tuple[Plan, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()


@dataclass
class Findings:
    """What one look at a text has found so far."""

    report: Report = field(default_factory=Report)
    plans: list[Plan] = field(default_factory=list)


def analyse(text: str, path: str, types: Catalogue) -> Analysis:
    """Parse, type and plan a text; never raises for what is wrong with it."""
    schema, found = schema_of(types), Findings()
    document, solver = None, False
    try:
        document = language.parse(text, path)
        solver = is_solver(document)
        if solver:
            record, warnings = typed_solver(document, types)
            found.report.diagnostics += warnings
            check_solver(record, found.report)
        else:
            definition = typed(document, Path(path), types, found.report)
            if definition.record.has("solver"):
                check_solver(definition.record.solver, found.report)
            if not only_declares(document):
                _plan(definition, found)
    except NetError as error:
        found.report.diagnostics += error.diagnostics
    source = document.source if document else Source(path, text)
    return Analysis(source, types, schema, document, solver, tuple(found.plans), tuple(found.report.diagnostics))


def _plan(definition: Definition, found: Findings) -> None:
    for state in states(definition):
        here = Report(list(found.report.diagnostics))  # what typing found tells the graph which layers are damaged
        try:
            found.plans.append(_planned(definition, state, here))
            here.diagnostics += found.plans[-1].warnings
        except NetError as error:
            here.diagnostics += error.diagnostics
        found.report.add_new(here.diagnostics)


def _planned(definition: Definition, state: State, report: Report) -> Plan:
    graph = build(definition.record, definition.types, state, report)
    sources = [n for n in graph.nodes if n.type.source]
    given = {n.name: shapes for n in sources if (shapes := data.probe(n.record, state.phase)) is not None}
    return plan_graph(graph, training=state.phase == "TRAIN", given=given)
