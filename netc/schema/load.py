"""From a parsed file to a typed record in today's form: the one way in for net and solver files."""

from __future__ import annotations

from netc.errors import Report
from netc.language.tree import Document
from netc.schema import codes
from netc.schema.hints import explain_unknown
from netc.schema.record import Record, Schema
from netc.schema.typing import type_document
from netc.schema.upgrade import upgrade_net, upgrade_solver


def load_net(document: Document, schema: Schema, report: Report) -> Record:
    """The NetParameter of a net file, without any old form; its `solver { }` block, if any, is `record.solver`.

    All that is wrong is reported (codes SCH0xx); the record holds what is right.
    """
    if _is_other(document, schema, "SolverParameter", "NetParameter", report) or _is_unknown(
        document, schema, "NetParameter", report
    ):
        return schema.message("NetParameter").empty
    return upgrade_net(type_document(document.block, schema.message("NetParameter"), report), report)


def load_solver(document: Document, schema: Schema, report: Report) -> Record:
    """The SolverParameter of a solver file, without any old form.

    All that is wrong is reported (codes SCH0xx); the record holds what is right.
    """
    if _is_other(document, schema, "NetParameter", "SolverParameter", report) or _is_unknown(
        document, schema, "SolverParameter", report
    ):
        return schema.message("SolverParameter").empty
    return upgrade_solver(type_document(document.block, schema.message("SolverParameter"), report), report)


def _is_other(document: Document, schema: Schema, other: str, expected: str, report: Report) -> bool:
    """Whether most fields of the file belong to another message than the expected one; reports it."""
    written = document.block.fields
    here, there = schema.message(expected).fields, schema.message(other).fields
    foreign = [field for field in written if field.name not in here and field.name in there]
    if 2 * len(foreign) <= len(written):
        return False
    kinds = {"NetParameter": "a net", "SolverParameter": "a solver"}
    message = f"this file is {kinds[other]}, not {kinds[expected]}: `{foreign[0].name}` is a field of {other}"
    report.error(codes.NOT_A_SOLVER, message, foreign[0].name_span)
    return True


def _is_unknown(document: Document, schema: Schema, expected: str, report: Report) -> bool:
    """Whether no field of the file is one of the message's, nor like one of them; reports it."""
    type = schema.message(expected)
    names = {field.name for field in document.block.fields}
    if not names or len(names) > 20 or any(name in type.fields for name in names):
        return False
    reasons = [explain_unknown(name, type, names) for name in names]
    if any(reason.help and reason.code is codes.UNKNOWN_FIELD for reason in reasons):
        return False
    first = document.block.fields[0]
    kind = "net" if expected == "NetParameter" else "solver"
    reason = explain_unknown(first.name, type, names)
    report.error(reason.code, f"this file is not a {kind}: {reason.message}", first.name_span)
    return True
