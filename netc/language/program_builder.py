"""Builds the tree of a file with statements: the methods that grammar.lark names `p_...`."""

from __future__ import annotations

from typing import Any

from netc.errors import Report, Source, Span
from netc.language import codes
from netc.language.builder import PHASES, Builder, TooDeepError, Values
from netc.language.parse import Parser
from netc.language.program import (
    Alias,
    Body,
    Call,
    Define,
    Entry,
    Expression,
    For,
    If,
    Import,
    Let,
    Name,
    Operation,
    Parameter,
    Phases,
    Sequence,
    Target,
    Text,
)
from netc.language.strings import unquote
from netc.language.tree import Block, Document, Field, ListValue, Scalar

MAX_OPERATORS = 50
"""How many operators, brackets and lists of an expression may be inside one another."""


class ProgramBuilder(Builder):
    """The tree's maker for a text with statements."""

    def __init__(self, source: Source, report: Report) -> None:
        super().__init__(source, report)

    def name(self, at: tuple[int, int]) -> Name:
        return Name(self.text[at[0] : at[1]], Span(self.source, *at))

    def p_none(self, v: Values) -> Values:
        return []

    def p_document(self, v: Values) -> Document:
        whole = Span(self.source, 0, len(self.text))
        return Document(Block((), whole), self.source, Body(tuple(v[0]), whole))

    # Fields

    def p_field(self, v: Values) -> Entry:
        name = self.name(v[0])
        return Entry(name.text, name.span, v[2], name.span.to(v[2].span))

    def p_field_block(self, v: Values) -> Entry | Phases:
        name, body = self.name(v[0]), v[1]
        if name.text in PHASES:
            return Phases((name,), body, name.span.to(body.span))
        return Entry(name.text, name.span, body, name.span.to(body.span))

    def p_field_angle(self, v: Values) -> Entry:
        return self.p_field([v[0], None, _body(v[1])])

    def p_field_list(self, v: Values) -> Entry:
        if not all(isinstance(item, Body) for item in v[1].items):
            start, end = v[0]
            after = Span(self.source, v[1].span.start, v[1].span.start + 1)
            self.report.error(codes.MISSING_COLON, f"a colon is missing after `{self.text[start:end]}`", after)
        return self.p_field([v[0], None, v[1]])

    def p_angle(self, v: Values) -> Body:
        return _body(v[0])

    def p_body(self, v: Values) -> Body:
        self.depth -= 1
        return Body(tuple(v[1]), Span(self.source, v[0][0], v[2][1]))

    # Statements

    def _from(self, start: tuple[int, int], end: int) -> Span:
        return Span(self.source, start[0], end)

    def p_let(self, v: Values) -> Let:
        return Let(self.name(v[1]), v[3], self._from(v[0], v[3].span.end))

    def p_target(self, v: Values) -> Target:
        return Target(self.name(v[0]), None)

    def p_target_label(self, v: Values) -> Target:
        return Target(self.name(v[0]), v[2])

    def p_pair(self, v: Values) -> list[Target]:
        return [v[0], v[2]]

    def p_assign_many(self, v: Values) -> Call:
        targets, _, call = v
        span = targets[0].name.span.to(call.span)
        return Call(tuple(targets), call.callee, call.inputs, call.label, call.body, span)

    def p_assign_one(self, v: Values) -> Call:
        return self.p_assign_many([[v[0]], v[1], v[2]])

    def p_alias(self, v: Values) -> Alias:
        name = self.name(v[2])
        return Alias(v[0], name, v[0].name.span.to(name.span))

    def p_call(self, v: Values) -> Call:
        return Call((), self.name(v[0]), tuple(v[2]), None, None, self._from(v[0], v[3][1]))

    def p_call_body(self, v: Values) -> Call:
        return Call((), self.name(v[0]), tuple(v[2]), None, v[4], self._from(v[0], v[4].span.end))

    def p_call_label(self, v: Values) -> Call:
        return Call((), self.name(v[0]), tuple(v[2]), v[5], None, self._from(v[0], v[5].span.end))

    def p_call_label_body(self, v: Values) -> Call:
        return Call((), self.name(v[0]), tuple(v[2]), v[5], v[6], self._from(v[0], v[6].span.end))

    def p_phases(self, v: Values) -> Phases:
        targets, body = v
        for target in targets:
            if target.name.text not in PHASES or target.label:
                self.report.error(
                    codes.UNEXPECTED, f"`{target.name.text}` is not a phase: train, test or deploy", target.name.span
                )
        return Phases(tuple(t.name for t in targets), body, targets[0].name.span.to(body.span))

    def p_names_one(self, v: Values) -> list[Name]:
        return [self.name(v[0])]

    def p_names_add(self, v: Values) -> list[Name]:
        names: list[Name] = v[0]
        names.append(self.name(v[2]))
        return names

    def p_outputs(self, v: Values) -> Any:
        return v[1]

    def p_parameter(self, v: Values) -> Parameter:
        return Parameter(self.name(v[0]), None)

    def p_parameter_default(self, v: Values) -> Parameter:
        return Parameter(self.name(v[0]), v[2])

    def p_def(self, v: Values) -> Define:
        return self.p_def_parameters([*v[:4], None, [], *v[4:]])

    def p_def_parameters(self, v: Values) -> Define:
        start, name, _, inputs, _, parameters, _, outputs, body = v
        span = self._from(start, body.span.end)
        return Define(self.name(name), tuple(inputs), tuple(parameters), tuple(outputs), body, span)

    def p_for(self, v: Values) -> For:
        return For(tuple(v[1]), v[3], None, v[4], self._from(v[0], v[4].span.end))

    def p_for_range(self, v: Values) -> For:
        return For(tuple(v[1]), v[3], v[5], v[6], self._from(v[0], v[6].span.end))

    def p_if_one(self, v: Values) -> Any:
        return [v[0], [(v[1], v[2])]]

    def p_if_add(self, v: Values) -> Any:
        v[0][1].append((v[3], v[4]))
        return v[0]

    def p_if(self, v: Values) -> If:
        start, branches = v[0]
        return If(tuple(branches), None, self._from(start, branches[-1][1].span.end))

    def p_if_else(self, v: Values) -> If:
        start, branches = v[0]
        return If(tuple(branches), v[2], self._from(start, v[2].span.end))

    def p_import(self, v: Values) -> Import:
        path = self.p_string([v[1]])
        return Import(path, self._from(v[0], path.span.end))

    # Expressions

    def _operation(self, operator: str, operands: list[Expression], span: Span) -> Operation:
        return Operation(operator, tuple(operands), span, self._depth(operands, span))

    def _depth(self, operands: list[Any], span: Span) -> int:
        depth = 1 + max((getattr(operand, "depth", 0) for operand in operands), default=0)
        if depth > MAX_OPERATORS:
            message = f"more than {MAX_OPERATORS} operators are inside one another"
            self.report.error(codes.TOO_DEEP, message, Span(self.source, span.end - 1, span.end))
            raise TooDeepError
        return depth

    def p_binary(self, v: Values) -> Operation:
        left, (start, end), right = v
        return self._operation(self.text[start:end], [left, right], left.span.to(right.span))

    def p_unary(self, v: Values) -> Expression:
        (start, end), operand = v
        span = Span(self.source, start, operand.span.end)
        written = isinstance(operand, Scalar) and operand.text[:1] != "-"
        if self.text[start:end] == "-" and written and (operand.kind == "number" or operand.text in ("inf", "nan")):
            return Scalar(operand.kind, "-" + operand.text, span)
        return self._operation(self.text[start:end], [operand], span)

    def p_choice(self, v: Values) -> Operation:
        return self._operation("?", [v[0], v[2], v[4]], v[0].span.to(v[4].span))

    def p_index(self, v: Values) -> Operation:
        return self._operation("[]", [v[0], v[2]], Span(self.source, v[0].span.start, v[3][1]))

    def p_parentheses(self, v: Values) -> Operation:
        return self._operation("()", [v[1]], Span(self.source, v[0][0], v[2][1]))

    def p_function(self, v: Values) -> Operation:
        (start, end), _, operands, (_, close) = v
        return self._operation(self.text[start:end], operands, Span(self.source, start, close))

    def p_list(self, v: Values) -> Sequence:
        span = Span(self.source, v[0][0], v[2][1])
        return Sequence(tuple(v[1]), span, self._depth(v[1], span))

    def p_list_empty(self, v: Values) -> Sequence:
        return Sequence((), Span(self.source, v[0][0], v[1][1]), 1)

    def p_string(self, v: Values) -> Scalar | Text:
        """A string; `${` in it opens an expression, unless it is written `$${`."""
        parts: list[tuple[int, int]] = v[0]
        if not any("${" in self.text[start:end] for start, end in parts):
            return super().string(v)
        span = Span(self.source, parts[0][0], parts[-1][1])
        pieces: list[str | Expression] = []
        for start, end in parts:
            pieces += self._pieces(start, end)
        return Text(tuple(pieces), span, self._depth(pieces, span))

    def string(self, v: Values) -> Any:
        return self.p_string(v)

    def _pieces(self, start: int, end: int) -> list[str | Expression]:
        text, at = self.text, start
        pieces: list[str | Expression] = []
        while (found := text.find("${", at + 1, end - 1)) >= 0:
            if text[found - 1] == "$" and found - 1 > at:
                pieces += [self._plain(at, found), "${"]
                at = found + 1
                continue
            pieces.append(self._plain(at, found + 1))
            close = text.find("}", found, end - 1)
            if close < 0:
                span = Span(self.source, found, found + 2)
                hint = "write `$${` for a plain `${`"
                self.report.error(codes.UNCLOSED, "this `${` is never closed", span, help=hint)
                return pieces
            pieces.append(self._expression(found + 2, close))
            at = close
        return [*pieces, self._plain(at, end)]

    def _plain(self, start: int, end: int) -> str:
        """The characters between the two at `start` and `end - 1`."""
        return unquote(self.source, [(start, end)], self.report)

    def _expression(self, start: int, end: int) -> Expression:
        parser = Parser(self.source, self.report, "expression", start, end)
        made: Expression | None = parser.run()
        return made if made is not None else Scalar("string", "", Span(self.source, start, end))


def _body(block: Block) -> Body:
    """A plain block among statements."""
    return Body(tuple(_entry(field) for field in block.fields), block.span)


def _entry(field: Field) -> Entry:
    value = field.value
    made: Expression | Body
    if isinstance(value, Block):
        made = _body(value)
    elif isinstance(value, ListValue):
        items = tuple(_body(item) if isinstance(item, Block) else item for item in value.items)
        made = Sequence(items, value.span, 1)
    else:
        made = value
    return Entry(field.name, field.name_span, made, field.span)
