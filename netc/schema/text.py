"""Records as the tree of their text, and as prototxt."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import copysign, isnan
from typing import Any

from netc.errors import Source, Span
from netc.language import write
from netc.language.tree import Block, Field, ListValue, Scalar, Value
from netc.schema.record import FieldType, Record

_NOWHERE = Span(Source("<record>", ""), 0, 0)


def to_text(record: Record) -> str:
    """The record as prototxt: fields in their order, two spaces a level, as any Caffe reads it."""
    return write(to_tree(record))


def to_tree(record: Record, *, lists: bool = False) -> Block:
    """The tree of the record's text; it stands nowhere. With `lists`, several values of a field are a list."""
    return Block(tuple(_fields(record, lists)), _NOWHERE)


def number(value: float) -> str:
    """A float as text: the shortest that reads back the same, without `.0` where the value is whole and small."""
    if isnan(value):
        return "nan"
    if value in (float("inf"), float("-inf")):
        return "inf" if value > 0 else "-inf"
    if value == int(value) and abs(value) < 1e15:
        return "-0" if value == 0 and copysign(1, value) < 0 else str(int(value))
    return repr(value)


_SCALARS: dict[str, Callable[[Any], Scalar]] = {
    "int": lambda value: Scalar("number", str(value), _NOWHERE),
    "float": lambda value: Scalar("number", number(value), _NOWHERE),
    "bool": lambda value: Scalar("identifier", "true" if value else "false", _NOWHERE),
    "enum": lambda value: Scalar("identifier", value, _NOWHERE),
    "string": lambda value: Scalar("string", value, _NOWHERE),
    "bytes": lambda value: Scalar("string", value.decode("ascii", "surrogateescape"), _NOWHERE),
}


def _fields(record: Record, lists: bool) -> Iterator[Field]:
    for name, value in record.values.items():
        declared = record.message_type.field(name)
        made = [_value(declared, item, lists) for item in (value if declared.repeated else (value,))]
        if lists and len(made) > 1 and declared.kind != "message":
            made = [ListValue(tuple(made), _NOWHERE)]
        yield from (Field(name, _NOWHERE, item, _NOWHERE) for item in made)


def _value(declared: FieldType, value: Any, lists: bool) -> Value:
    return to_tree(value, lists=lists) if declared.kind == "message" else _SCALARS[declared.kind](value)
