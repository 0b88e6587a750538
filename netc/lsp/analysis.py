"""All that is known of a text while somebody is typing it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from netc import language
from netc.api.definition import is_solver, schema_of, typed_solver
from netc.api.planning import check_solver, examine
from netc.catalogue import Catalogue
from netc.errors import Diagnostic, NetError, Report, Source
from netc.plan.model import Plan
from netc.schema.record import Schema


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


def analyse(text: str, path: str, types: Catalogue) -> Analysis:
    """Parse, type and plan a text; never raises for what is wrong with it."""
    report, document, solver = Report(), None, False
    plans: tuple[Plan, ...] = ()
    try:
        document = language.parse(text, path)
        solver = is_solver(document)
        if solver:
            record, warnings = typed_solver(document, types)
            report.diagnostics += warnings
            check_solver(record, report)
        else:
            plans = examine(document, Path(path), types, report)
    except NetError as error:
        report.diagnostics += error.diagnostics
    source = document.source if document else Source(path, text)
    return Analysis(source, types, schema_of(types), document, solver, plans, tuple(report.diagnostics))
