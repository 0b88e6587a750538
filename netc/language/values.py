"""The values of expressions, and their way into fields and strings and back."""

from __future__ import annotations

import math
from dataclasses import dataclass

from netc.errors import Span
from netc.language.limits import CHARACTERS_OF_A_STEP
from netc.language.tree import Block, Field, ListValue, Scalar


@dataclass(frozen=True, slots=True)
class Identifier:
    """A name that means nothing here: an enum's value, most likely."""

    text: str


@dataclass(frozen=True, slots=True)
class BlockValue:
    """A block of fields, how much is in it in all (see `size_of`), and how deep it is."""

    block: Block
    size: int
    depth: int


Result = int | float | bool | str | Identifier | BlockValue | tuple["Result", ...]

MAX_INTEGER = 2**63 - 1
MAX_UNSIGNED = 2**64 - 1
_MAX_DIGITS = 100


def kind_of(value: Result) -> str:
    """What a value is called in a message."""
    names = {
        bool: "a boolean",
        int: "an integer",
        float: "a number",
        str: "a string",
        BlockValue: "a block",
        tuple: "a list",
    }
    return names.get(type(value), f"the unknown name `{value.text}`" if isinstance(value, Identifier) else "?")


def number(text: str) -> int | float:
    """A number as it is written in a file; infinity for an integer of very many digits."""
    digits = text.lstrip("-")
    sign = -1 if text.startswith("-") else 1
    base = 16 if digits[:2] in ("0x", "0X") else 8 if digits[:1] == "0" and digits.isdigit() and len(digits) > 1 else 10
    if base != 10 or digits.isdigit():
        return sign * int(digits, base) if len(digits) <= _MAX_DIGITS else sign * math.inf
    return sign * float(digits.rstrip("fF"))


def sized(block: Block) -> BlockValue:
    """A block with its size and depth."""
    size, depth, level = 0, 0, [block]
    while level:
        depth += 1
        inner: list[Block] = []
        for part in level:
            for field in part.fields:
                values = field.value.items if isinstance(field.value, ListValue) else (field.value,)
                size += 1 + len(field.name) // CHARACTERS_OF_A_STEP + len(values)
                size += sum(len(value.text) // CHARACTERS_OF_A_STEP for value in values if isinstance(value, Scalar))
                inner += [value for value in values if isinstance(value, Block)]
        level = inner
    return BlockValue(block, size, depth)


def ranged(kind: str, low: int | float, high: int | float, span: Span) -> BlockValue:
    """A range of numbers, `between` or `log`: a block whose field of that name holds both ends."""
    ends = tuple(Scalar("number", to_text(end), span) for end in (low, high))
    return sized(Block((Field(kind, span, ListValue(ends, span), span),), span))


def size_of(value: Result) -> int:
    """How many fields, list items and pieces of long texts a value stands for, as the value of a field."""
    if isinstance(value, BlockValue):
        return value.size
    if isinstance(value, tuple):
        return sum(1 if isinstance(item, tuple) else 1 + size_of(item) for item in value)
    return len(to_text(value)) // CHARACTERS_OF_A_STEP if isinstance(value, str | Identifier) else 0


def from_scalar(scalar: Scalar) -> Result:
    """The value of a scalar as it stands, without looking anything up."""
    if scalar.kind == "number":
        return number(scalar.text)
    if scalar.kind == "string":
        return scalar.text
    return {"true": True, "false": False}.get(scalar.text, Identifier(scalar.text))


def to_text(value: int | float | bool | str | Identifier) -> str:
    """A value as it appears in a string."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Identifier):
        return value.text
    return value if isinstance(value, str) else repr(value)


def to_item(value: Result, span: Span) -> Scalar | Block | None:
    """A value as a field's value or a list's item; None for a list."""
    if isinstance(value, tuple):
        return None
    if isinstance(value, BlockValue):
        return Block(value.block.fields, span)
    if isinstance(value, str):
        return Scalar("string", value, span)
    named = isinstance(value, bool | Identifier)
    return Scalar("identifier" if named else "number", to_text(value), span)


def to_field(value: Result, span: Span) -> Scalar | ListValue | Block | None:
    """A value as a field's value; None for a list of lists."""
    if not isinstance(value, tuple):
        return to_item(value, span)
    items = [to_item(item, span) for item in value]
    made = tuple(item for item in items if item is not None)
    return ListValue(made, span) if len(made) == len(items) else None
