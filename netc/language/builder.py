"""Builds the tree while the parser reduces: one method for every alternative that grammar.lark names.

A method gets the values of the alternative's symbols: `(start, end)` offsets for a terminal, what a method returned for
everything else.
"""

from __future__ import annotations

from typing import Any

from netc.errors import Report, Source, Span
from netc.language import codes
from netc.language.strings import unquote
from netc.language.tree import Block, Document, Field, ListValue, Scalar

PHASES = ("train", "test", "deploy")
MAX_DEPTH = 100
"""How many blocks may be open at once."""

Values = list[Any]
_SIGNED_NAMES = frozenset(("inf", "infinity", "nan"))


class TooDeepError(Exception):
    """More than `MAX_DEPTH` blocks are open."""


class Builder:
    """The tree's maker for one text."""

    def __init__(self, source: Source, report: Report) -> None:
        self.source = source
        self.text = source.text
        self.report = report
        self.depth = -1

    def document(self, v: Values) -> Document:
        return Document(Block(tuple(v[0]), Span(self.source, 0, len(self.text))), self.source)

    def fields_none(self, v: Values) -> list[Field]:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise TooDeepError
        return []

    def fields_add(self, v: Values) -> list[Field]:
        fields: list[Field] = v[0]
        fields.append(v[1])
        return fields

    def field(self, v: Values) -> Field:
        (start, end), _, value = v
        source = self.source
        return Field(self.text[start:end], Span(source, start, end), value, Span(source, start, value.span.end))

    def field_block(self, v: Values) -> Field:
        return self.field([v[0], None, v[1]])

    def _field_list(self, name: tuple[int, int], items: Values, start: int, end: int) -> Field:
        return self.field([name, None, ListValue(tuple(items), Span(self.source, start, end))])

    def field_list(self, v: Values) -> Field:
        return self._field_list(v[0], v[3], v[2][0], v[4][1])

    def field_blocks(self, v: Values) -> Field:
        return self._field_list(v[0], v[2], v[1][0], v[3][1])

    def field_no_items(self, v: Values) -> Field:
        return self._field_list(v[0], [], v[2][0], v[3][1])

    def field_no_blocks(self, v: Values) -> Field:
        return self._field_list(v[0], [], v[1][0], v[2][1])

    def block(self, v: Values) -> Block:
        self.depth -= 1
        return Block(tuple(v[1]), Span(self.source, v[0][0], v[2][1]))

    def same(self, v: Values) -> Any:
        return v[0]

    def items_one(self, v: Values) -> Values:
        return v

    def items_add(self, v: Values) -> Values:
        items: Values = v[0]
        items.append(v[2])
        return items

    def strings_add(self, v: Values) -> Values:
        strings: Values = v[0]
        strings.append(v[1])
        return strings

    def number(self, v: Values) -> Scalar:
        start, end = v[0]
        return Scalar("number", self.text[start:end], Span(self.source, start, end))

    def minus_number(self, v: Values) -> Scalar:
        start, end = v[1]
        return Scalar("number", "-" + self.text[start:end], Span(self.source, v[0][0], end))

    def identifier(self, v: Values) -> Scalar:
        start, end = v[0]
        return Scalar("identifier", self.text[start:end], Span(self.source, start, end))

    def minus_identifier(self, v: Values) -> Scalar:
        start, end = v[1]
        name, span = self.text[start:end], Span(self.source, v[0][0], end)
        if name.lower() not in _SIGNED_NAMES:
            self.report.error(codes.SIGNED_NAME, f"a minus sign cannot stand before `{name}`", span)
        return Scalar("identifier", "-" + name, span)

    def string(self, v: Values) -> Scalar:
        parts = v[0]
        span = Span(self.source, parts[0][0], parts[-1][1])
        return Scalar("string", unquote(self.source, parts, self.report), span)
