"""Tree to text: canonical prototxt, two blanks a level, a field a line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from netc.language.strings import quote
from netc.language.tree import Block, Field, ListValue, Scalar, Value

INDENT = "  "


def write(block: Block, *, lists: bool = True) -> str:
    """The text of a tree; parsing it gives the same tree but for its spans. An empty tree is an empty text.

    Without `lists`, each item of a list is a field of its own, for readers older than lists (protobuf before 2.6).
    """
    return "".join(f"{line}\n" for line in _lines(block.fields if lists else _repeated(block.fields), ""))


def write_line(block: Block) -> str:
    """The fields of a tree on one line."""
    return " ".join(line.strip() for line in _lines(block.fields, ""))


def _repeated(fields: Iterable[Field]) -> tuple[Field, ...]:
    made = []
    for field in fields:
        for value in field.value.items if isinstance(field.value, ListValue) else (field.value,):
            plain = Block(_repeated(value.fields), value.span) if isinstance(value, Block) else value
            made.append(Field(field.name, field.name_span, plain, field.span))
    return tuple(made)


def write_scalar(scalar: Value) -> str:
    """A string in double quotes, anything else as it was written."""
    assert isinstance(scalar, Scalar), "expressions are computed before they are written"
    return quote(scalar.text) if scalar.kind == "string" else scalar.text


def _lines(fields: Iterable[Field], indent: str) -> Iterator[str]:
    for field in fields:
        value = field.value
        if isinstance(value, Block):
            yield from _block(f"{indent}{field.name} {{", value, indent, "}")
        elif isinstance(value, ListValue):
            yield from _list(field.name, value, indent)
        else:
            yield f"{indent}{field.name}: {write_scalar(value)}"


def _block(head: str, block: Block, indent: str, tail: str) -> Iterator[str]:
    if not block.fields:
        yield head + tail
        return
    yield head
    yield from _lines(block.fields, indent + INDENT)
    yield indent + tail


def _list(name: str, value: ListValue, indent: str) -> Iterator[str]:
    scalars = [write_scalar(item) for item in value.items if isinstance(item, Scalar)]
    if len(scalars) == len(value.items):
        yield f"{indent}{name}: [{', '.join(scalars)}]"
        return
    yield f"{indent}{name}: ["
    blocks = [item for item in value.items if isinstance(item, Block)]
    for block in blocks:
        yield from _block(f"{indent}{INDENT}{{", block, indent + INDENT, "}," if block is not blocks[-1] else "}")
    yield f"{indent}]"
