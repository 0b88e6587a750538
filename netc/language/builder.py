"""Builds the tree while the parser reduces: one method for every name of an alternative in grammar.lark.

A method gets the values of the alternative's symbols: `(start, end)` offsets for a terminal, what a method returned for
everything else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from netc.errors import Report, Source, Span
from netc.language import codes
from netc.language.strings import unquote
from netc.language.tree import (
    Alias,
    Block,
    Call,
    Define,
    Document,
    Expression,
    Field,
    For,
    If,
    Import,
    Let,
    ListValue,
    Name,
    Operation,
    Parameter,
    Phases,
    Scalar,
    Target,
    Text,
)

PHASES = ("train", "test", "deploy")
MAX_DEPTH = 100
"""How many blocks may be open at once."""
MAX_OPERATORS = 50
"""How many operators, brackets and lists of an expression may be inside one another."""

Values = list[Any]
_SIGNED_NAMES = frozenset(("inf", "infinity", "nan"))


class TooDeepError(Exception):
    """More than `MAX_DEPTH` blocks are open, or more than `MAX_OPERATORS` operators."""


class Builder:
    """The tree's maker for one text.

    `expression` reads the part of the text between two offsets; without it, `${...}` in strings has no meaning.
    """

    def __init__(
        self, source: Source, report: Report, expression: Callable[[int, int], Expression | None] | None = None
    ) -> None:
        self.source = source
        self.text = source.text
        self.report = report
        self.expression = expression
        self.depth = -1

    def _span(self, start: int, end: int) -> Span:
        return Span(self.source, start, end)

    def _name(self, at: tuple[int, int]) -> Name:
        return Name(self.text[at[0] : at[1]], Span(self.source, *at))

    def _names(self, places: list[tuple[int, int]]) -> tuple[Name, ...]:
        return tuple(self._name(at) for at in places)

    # What becomes of several symbols

    def same(self, v: Values) -> Any:
        return v[0]

    def last(self, v: Values) -> Any:
        return v[-1]

    def nothing(self, v: Values) -> Values:
        return []

    def one(self, v: Values) -> Values:
        return v

    def pair(self, v: Values) -> Values:
        return [v[0], v[2]]

    def add(self, v: Values) -> Values:
        made: Values = v[0]
        made.append(v[1])
        return made

    def more(self, v: Values) -> Values:
        made: Values = v[0]
        made.append(v[2])
        return made

    # Fields and blocks

    def document(self, v: Values) -> Document:
        return Document(Block(tuple(v[0]), self._span(0, len(self.text))), self.source, self.expression is None)

    def no_fields(self, v: Values) -> Values:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise TooDeepError
        return []

    def block(self, v: Values) -> Block:
        self.depth -= 1
        return Block(tuple(v[1]), Span(self.source, v[0][0], v[2][1]))

    def field(self, v: Values) -> Field:
        start, end = v[0]
        value, source = v[-1], self.source
        return Field(self.text[start:end], Span(source, start, end), value, Span(source, start, value.span.end))

    def entry_body(self, v: Values) -> Field | Phases:
        name = self._name(v[0])
        return self.field(v) if name.text not in PHASES else Phases((name,), v[1], name.span.to(v[1].span))

    def entry_values(self, v: Values) -> Field:
        made = self.field(v)
        if not all(isinstance(item, Block) for item in v[1].items):
            start = v[1].span.start
            message = f"a colon is missing after `{made.name}`"
            self.report.error(codes.MISSING_COLON, message, self._span(start, start + 1))
        return made

    def list_value(self, v: Values) -> ListValue:
        span = self._span(v[0][0], v[-1][1])
        items = v[1] if len(v) == 3 else []
        return ListValue(tuple(items), span, self._depth(items, span))

    # Statements

    def let(self, v: Values) -> Let:
        return Let(self._name(v[1]), v[3], self._span(v[0][0], v[3].span.end))

    def target(self, v: Values) -> Target:
        return Target(self._name(v[0]), v[2] if len(v) == 3 else None)

    def assignment(self, v: Values) -> Call:
        targets, _, call = v
        targets = targets if isinstance(targets, list) else [targets]
        span = targets[0].name.span.to(call.span)
        return Call(tuple(targets), call.callee, call.inputs, call.label, call.body, span)

    def alias(self, v: Values) -> Alias:
        name = self._name(v[2])
        return Alias(v[0], name, v[0].name.span.to(name.span))

    def call(self, v: Values) -> Call:
        label = v[5] if len(v) > 5 else None
        body = v[-1] if isinstance(v[-1], Block) else None
        end = v[3][1] if len(v) == 4 else v[-1].span.end
        return Call((), self._name(v[0]), tuple(v[2]), label, body, self._span(v[0][0], end))

    def phases(self, v: Values) -> Phases:
        targets, body = v
        for target in targets:
            if target.name.text not in PHASES or target.label:
                message = f"`{target.name.text}` is not a phase: train, test or deploy"
                self.report.error(codes.UNEXPECTED, message, target.name.span)
        return Phases(tuple(target.name for target in targets), body, targets[0].name.span.to(body.span))

    def parameter(self, v: Values) -> Parameter:
        return Parameter(self._name(v[0]), v[2] if len(v) == 3 else None)

    def define(self, v: Values) -> Define:
        parameters = v[5] if len(v) == 9 else []
        outputs, body = v[-2:]
        span = self._span(v[0][0], body.span.end)
        return Define(self._name(v[1]), self._names(v[3]), tuple(parameters), self._names(outputs), body, span)

    def loop(self, v: Values) -> For:
        last = v[5] if len(v) == 7 else None
        return For(self._names(v[1]), v[3], last, v[-1], self._span(v[0][0], v[-1].span.end))

    def branch(self, v: Values) -> Any:
        return v[0], [(v[1], v[2])]

    def branches(self, v: Values) -> Any:
        v[0][1].append((v[3], v[4]))
        return v[0]

    def condition(self, v: Values) -> If:
        (start, _), branches = v[0]
        otherwise = v[2] if len(v) == 3 else None
        end = (otherwise or branches[-1][1]).span.end
        return If(tuple(branches), otherwise, self._span(start, end))

    def import_file(self, v: Values) -> Import:
        path = self.string([v[1]])
        return Import(path, self._span(v[0][0], path.span.end))

    # Scalars

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

    def string(self, v: Values) -> Scalar | Text:
        """Adjacent strings. Among statements `${` opens an expression, unless it is written `$${`."""
        parts = v[0]
        span = Span(self.source, parts[0][0], parts[-1][1])
        if self.expression is None or not any("${" in self.text[start:end] for start, end in parts):
            return Scalar("string", unquote(self.source, parts, self.report), span)
        pieces = tuple(piece for start, end in parts for piece in self._pieces(start, end))
        return Text(pieces, span, self._depth(pieces, span))

    def _pieces(self, start: int, end: int) -> Iterator[str | Expression]:
        text, at = self.text, start
        while (found := text.find("${", at + 1, end - 1)) >= 0:
            if text[found - 1] == "$" and found - 1 > at:
                yield self._characters(at, found)
                yield "${"
                at = found + 1
                continue
            yield self._characters(at, found + 1)
            close = text.find("}", found, end - 1)
            if close < 0:
                hint = "write `$${` for a plain `${`"
                span = self._span(found, found + 2)
                self.report.error(codes.UNCLOSED, "this `${` is never closed", span, help=hint)
                return
            assert self.expression is not None
            made = self.expression(found + 2, close)
            yield made if made is not None else Scalar("string", "", self._span(found + 2, close))
            at = close
        yield self._characters(at, end)

    def _characters(self, start: int, end: int) -> str:
        """The characters between the two at `start` and `end - 1`."""
        return unquote(self.source, [(start, end)], self.report)

    # Expressions

    def _depth(self, operands: Any, span: Span) -> int:
        """How deep what holds these operands is."""
        depth = 1 + max((getattr(operand, "depth", 0) for operand in operands), default=0)
        if depth > MAX_OPERATORS:
            message = f"more than {MAX_OPERATORS} operators are inside one another"
            self.report.error(codes.TOO_DEEP, message, self._span(span.end - 1, span.end))
            raise TooDeepError
        return depth

    def _operation(self, operator: str, operands: list[Expression], start: int, end: int) -> Operation:
        span = self._span(start, end)
        return Operation(operator, tuple(operands), span, self._depth(operands, span))

    def binary(self, v: Values) -> Operation:
        left, (start, end), right = v
        return self._operation(self.text[start:end], [left, right], left.span.start, right.span.end)

    def unary(self, v: Values) -> Expression:
        (start, end), operand = v
        minus = self.text[start:end] == "-" and isinstance(operand, Scalar) and operand.text[:1] != "-"
        if minus and (operand.kind == "number" or operand.text in ("inf", "nan")):
            return Scalar(operand.kind, "-" + operand.text, self._span(start, operand.span.end))
        return self._operation(self.text[start:end], [operand], start, operand.span.end)

    def choice(self, v: Values) -> Operation:
        return self._operation("?", v[::2], v[0].span.start, v[4].span.end)

    def index(self, v: Values) -> Operation:
        return self._operation("[]", [v[0], v[2]], v[0].span.start, v[3][1])

    def parentheses(self, v: Values) -> Operation:
        return self._operation("()", [v[1]], v[0][0], v[2][1])

    def function(self, v: Values) -> Operation:
        (start, end), _, operands, (_, close) = v
        return self._operation(self.text[start:end], operands, start, close)
