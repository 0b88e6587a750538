"""The identifiers of the statements: where a constant, a blob, a composite or a parameter is named."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from netc.errors import Span
from netc.language.tree import (
    Alias,
    Block,
    Call,
    Define,
    Expression,
    Field,
    For,
    If,
    Item,
    Let,
    ListValue,
    Name,
    Operation,
    Phases,
    Scalar,
    Text,
    Value,
)
from netc.lsp.analysis import Analysis

Kind = Literal["blob", "constant", "composite", "input", "parameter", "use", "label"]


@dataclass(frozen=True, slots=True)
class Place:
    """An identifier: what it says, where, in which composite (0: the file), and whether it is made or only used.

    Of a call's target, also the call and which of its targets it is.
    """

    text: str
    span: Span
    scope: int
    kind: Kind
    call: Call | None = None
    index: int = 0

    @property
    def makes(self) -> bool:
        return self.kind not in ("use", "label")


def places(analysis: Analysis) -> list[Place]:
    """Every identifier of a text with statements that names something."""
    document = analysis.document
    if document is None or document.plain:
        return []
    defines = {item.name.text: item for item in document.block.items if isinstance(item, Define)}
    return list(_Walk(defines).body(document.block, 0))


def same(analysis: Analysis, offset: int) -> list[Place]:
    """Every place of what is named at an offset, if this file makes it."""
    every = places(analysis)
    made = {(p.text, p.scope): p.kind for p in every if p.makes}

    def home(place: Place) -> tuple[str, int]:
        """A name that the composite does not make itself is the file's."""
        return (place.text, place.scope if (place.text, place.scope) in made else 0)

    def counts(place: Place) -> bool:
        """A label is a constant's name, or a name of its own."""
        return place.kind != "label" or made.get(home(place)) in ("constant", "parameter")

    here = next((p for p in every if p.span.start <= offset <= p.span.end and counts(p)), None)
    if here is None or home(here) not in made:
        return []
    return [p for p in every if home(p) == home(here) and counts(p)]


class _Walk:
    def __init__(self, defines: dict[str, Define]) -> None:
        self.defines = defines

    def body(self, body: Block, scope: int) -> Iterator[Place]:
        for item in body.items:
            yield from self.item(item, scope)

    def item(self, item: Item, scope: int) -> Iterator[Place]:
        match item:
            case Call():
                yield from self.call(item, scope)
            case Alias(target=target, name=name):
                yield _place(target.name, scope, "blob")
                yield from self.label(target.label, scope)
                yield _place(name, scope, "use")
            case Define():
                yield from self.define(item)
            case Let(name=name, value=value):
                yield _place(name, scope, "constant")
                yield from self.value(value, scope)
            case For(names=names, first=first, last=last, body=body):
                yield from (_place(name, scope, "constant") for name in names)
                yield from self.value(first, scope)
                yield from self.value(last, scope)
                yield from self.body(body, scope)
            case If(branches=branches, otherwise=otherwise):
                for condition, body in branches:
                    yield from self.value(condition, scope)
                    yield from self.body(body, scope)
                yield from self.value(otherwise, scope)
            case Phases(body=body):
                yield from self.body(body, scope)
            case Field(value=value):
                yield from self.value(value, scope)

    def call(self, call: Call, scope: int) -> Iterator[Place]:
        for index, target in enumerate(call.targets):
            yield Place(target.name.text, target.name.span, scope, "blob", call, index)
            yield from self.label(target.label, scope)
        yield _place(call.callee, 0, "use")
        for given in call.inputs:
            yield from self.value(given, scope)
        yield from self.label(call.label, scope)
        define = self.defines.get(call.callee.text)
        if call.body is not None and define is not None:
            parameters = {parameter.name.text for parameter in define.parameters}
            for field in call.body.fields:
                if field.name in parameters:
                    yield Place(field.name, field.name_span, _scope(define), "use")
        yield from self.value(call.body, scope)

    def define(self, item: Define) -> Iterator[Place]:
        yield _place(item.name, 0, "composite")
        inner = _scope(item)
        yield from (_place(name, inner, "input") for name in item.inputs)
        for parameter in item.parameters:
            yield _place(parameter.name, inner, "parameter")
            yield from self.value(parameter.default, inner)
        yield from (_place(name, inner, "use") for name in item.outputs)
        yield from self.body(item.body, inner)

    def label(self, label: Expression | None, scope: int) -> Iterator[Place]:
        if isinstance(label, Scalar) and label.kind == "identifier":
            yield Place(label.text, label.span, scope, "label")
        else:
            yield from self.value(label, scope)

    def value(self, value: Value | str | None, scope: int) -> Iterator[Place]:
        match value:
            case Scalar(kind="identifier"):
                yield Place(value.text, value.span, scope, "use")
            case Block():
                yield from self.body(value, scope)
            case Operation(operands=parts) | ListValue(items=parts) | Text(pieces=parts):
                for part in parts:
                    yield from self.value(part, scope)


def _place(name: Name, scope: int, kind: Kind) -> Place:
    return Place(name.text, name.span, scope, kind)


def _scope(define: Define) -> int:
    return define.span.start + 1
