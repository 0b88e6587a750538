"""What a `search { }` block says by names of its own: `base_lr: log(1e-4, 1e-1)` instead of `vary { name: "base_lr" }`.

A field of the block that is not one of its message is a name as `--set` has it, blocks in it make a path, and a list
is a choice. Here they become `vary` fields, which have types like all others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from netc.language.tree import Block, Document, Field, ListValue, Scalar, Value
from netc.schema.record import MessageType, Schema

RANGES = ("among", "between", "log")
_WHOLE = re.compile(r"-?[0-9]+")


def spelled(document: Document, schema: Schema) -> Document:
    """A net or solver file in text format whose search block holds fields of its message only."""
    block = _around(document.block, schema.message("SearchParameter"), schema.message("SearchRange"))
    return document if block is document.block else replace(document, block=block)


def _around(block: Block, search: MessageType, one: MessageType) -> Block:
    """A block in which a search block may stand: the file's, its solver's, and a stage's, which then refuses it."""
    made = dict[Field, Field]()
    for field in block.fields:
        if isinstance(field.value, Block) and field.name in ("search", "solver", "stage"):
            value = (_spelled if field.name == "search" else _around)(field.value, search, one)
            made[field] = field if value is field.value else replace(field, value=value)
    changed = any(old is not new for old, new in made.items())
    return Block(tuple(made.get(field, field) for field in block.fields), block.span) if changed else block


def _spelled(block: Block, search: MessageType, one: MessageType) -> Block:
    made: list[Field] = []
    for field in block.fields:
        if field.name == "vary":
            values = field.value.items if isinstance(field.value, ListValue) else (field.value,)
            made += (replace(field, value=_range(v) if isinstance(v, Block) else v) for v in values)
        elif field.name in search.fields:
            made.append(field)
        else:
            made += _varied(field, field.name, one)
    return Block(tuple(made), block.span)


def _varied(field: Field, path: str, one: MessageType) -> Iterator[Field]:
    """What a name varies over, or the names in a block of fields."""
    value = field.value
    if isinstance(value, Block) and any(inner.name not in one.fields for inner in value.fields):
        for inner in value.fields:
            yield from _varied(inner, f"{path}.{inner.name}", one)
        return
    named = Field("name", field.name_span, Scalar("string", path, field.name_span), field.name_span)
    given = value.fields if isinstance(value, Block) else (Field("among", field.name_span, value, field.span),)
    block = _range(Block((named, *given), value.span))
    yield Field("vary", field.name_span, block, field.span)


def _range(block: Block) -> Block:
    """A range with its choices as texts, and `whole` where both ends are written as whole numbers."""
    made = [replace(f, value=_texts(f.value)) if f.name == "among" else f for f in block.fields]
    ends = [value for f in block.fields if f.name in ("between", "log") for value in _items(f.value)]
    if ends and not any(f.name == "whole" for f in made) and all(map(_is_whole, ends)):
        made.append(Field("whole", ends[0].span, Scalar("identifier", "true", ends[0].span), ends[0].span))
    return Block(tuple(made), block.span)


def _items(value: Value) -> tuple[Value, ...]:
    return value.items if isinstance(value, ListValue) else (value,)


def _is_whole(value: Value) -> bool:
    return isinstance(value, Scalar) and value.kind == "number" and _WHOLE.fullmatch(value.text) is not None


def _texts(value: Value) -> Value:
    """Choices as they are written; a block is none, which typing says."""
    if isinstance(value, ListValue):
        return replace(value, items=tuple(_texts(item) for item in value.items))
    return replace(value, kind="string") if isinstance(value, Scalar) else value
