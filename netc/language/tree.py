"""The frozen syntax tree: what was written and where, before anything has a type.

A document of plain protobuf text is a block of fields. A field's value is a scalar, a list or a block. Nothing here
knows a layer, a message or a field name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from netc.errors import Source, Span

if TYPE_CHECKING:
    from netc.language.program import Body

ScalarKind = Literal["number", "string", "identifier"]


@dataclass(frozen=True, slots=True)
class Scalar:
    """A number or identifier as it was written (sign included), or a string's decoded value (adjacent parts joined)."""

    kind: ScalarKind
    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class ListValue:
    """`[a, b]`: the same field repeated."""

    items: tuple[Scalar | Block, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Field:
    """`name: value` or `name { ... }`."""

    name: str
    name_span: Span
    value: Scalar | ListValue | Block
    span: Span


@dataclass(frozen=True, slots=True)
class Block:
    """The fields between two braces, or of a whole document."""

    fields: tuple[Field, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file. If it holds statements, `program` is what was written and `block` is empty until `expand`."""

    block: Block
    source: Source
    program: Body | None = None
