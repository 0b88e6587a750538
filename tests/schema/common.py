"""Typing a text, and what was reported about it."""

from __future__ import annotations

from typing import Any

from netc.catalogue import catalogue
from netc.errors import Report, Span
from netc.language.parse import parse
from netc.schema.load import load_net, load_solver
from netc.schema.record import Record, Schema
from netc.schema.registry import base_schema
from netc.schema.typing import type_document
from netc.schema.wire import decode, encode

SCHEMA = base_schema().extended(usual=catalogue().usual_params)


def typed(text: str, message: str = "NetParameter") -> tuple[Record, Report]:
    report = Report()
    return type_document(parse(text).block, SCHEMA.message(message), report), report


def net(text: str) -> tuple[Record, Report]:
    report = Report()
    return load_net(parse(text), SCHEMA, report), report


def solver(text: str) -> tuple[Record, Report]:
    report = Report()
    return load_solver(parse(text), SCHEMA, report), report


def to_message(record: Record) -> Any:
    """The record as a message of protobuf's own, of the schema's dynamic class."""
    return record.message_type.schema.message_class(record.message_type.name).FromString(encode(record))


def from_message(message: Any, schema: Schema) -> Record:
    """A message of protobuf's own as a record of the schema's message of the same name."""
    return decode(message.SerializePartialToString(), schema.message(message.DESCRIPTOR.name))


def covered(span: Span | None) -> str:
    """The text that a span covers."""
    assert span is not None
    return span.source.text[span.start : span.end]


def found(report: Report) -> list[tuple[str, str]]:
    """Code and covered text of every diagnostic."""
    return [(d.code.id, covered(d.span)) for d in report.diagnostics]
