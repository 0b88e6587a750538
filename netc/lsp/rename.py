"""Where a blob, a constant or a composite is named: for going to its definition and for giving it another name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from netc.errors import Span
from netc.language.program import Alias, Body, Call, Define, Entry, For, If, Item, Let, Name, Phases
from netc.language.tree import Scalar
from netc.lsp.analysis import Analysis
from netc.lsp.blobs import definition_of, mentions_at, same_name
from netc.lsp.context import word_at

NAME = re.compile(r"[A-Za-z_]\w*")
IN_STRING = re.compile(r"[^\"'\\\n]+")


@dataclass(frozen=True, slots=True)
class Place:
    """An identifier of the statements: what it says, where, in which composite (0: the file), if it is made here."""

    text: str
    span: Span
    scope: int
    makes: bool


def places(body: Body, scope: int = 0) -> Iterator[Place]:
    """Every identifier that names a blob, a constant or a composite."""
    for item in body.items:
        yield from _places(item, scope)


def _places(item: Item, scope: int) -> Iterator[Place]:
    match item:
        case Call(targets=targets, callee=callee, inputs=inputs, body=body):
            yield from (_made(t.name, scope) for t in targets)
            yield Place(callee.text, callee.span, 0, False)
            yield from (Place(i.text, i.span, scope, False) for i in inputs if isinstance(i, Scalar))
            if body is not None:
                yield from places(body, scope)
        case Alias(target=target, name=name):
            yield _made(target.name, scope)
            yield Place(name.text, name.span, scope, False)
        case Define(name=name, inputs=given, parameters=parameters, outputs=outputs, body=body):
            yield _made(name, 0)
            inner = item.span.start + 1
            yield from (_made(n, inner) for n in (*given, *(p.name for p in parameters)))
            yield from (Place(n.text, n.span, inner, False) for n in outputs)
            yield from places(body, inner)
        case Let(name=name):
            yield _made(name, scope)
        case For(names=names, body=body):
            yield from (_made(n, scope) for n in names)
            yield from places(body, scope)
        case If(branches=branches, otherwise=otherwise):
            for body in (*(b for _, b in branches), *([otherwise] if otherwise else [])):
                yield from places(body, scope)
        case Phases(body=body) | Entry(value=Body() as body):
            yield from places(body, scope)
        case Entry(value=Scalar(kind="identifier") as value):
            yield Place(value.text, value.span, scope, False)


def _made(name: Name, scope: int) -> Place:
    return Place(name.text, name.span, scope, True)


def definition(analysis: Analysis, offset: int) -> Span | None:
    """Where the blob, constant or composite at an offset is made (an imported composite: in its own file)."""
    found = mentions_at(analysis, offset)
    if found:
        return definition_of(found[0])
    same = _same_place(analysis, offset)
    made = [p.span for p in same if p.makes]
    before = [span for span in made if span.start <= offset]
    return before[-1] if before else made[0] if made else None


def _same_place(analysis: Analysis, offset: int) -> list[Place]:
    program = analysis.document.program if analysis.document else None
    if program is None:
        return []
    every = list(places(program))
    made = {(p.text, p.scope) for p in every if p.makes}

    def home(place: Place) -> tuple[str, int]:
        """A name that the composite does not make itself is the file's."""
        return (place.text, place.scope if (place.text, place.scope) in made else 0)

    here = next((p for p in every if p.span.start <= offset <= p.span.end), None)
    return [p for p in every if here is not None and home(p) == home(here)]


def occurrences(analysis: Analysis, offset: int) -> list[Span]:
    """The characters to replace when the name at an offset is replaced (quotes left out)."""
    if same := _same_place(analysis, offset):
        return sorted({p.span.start: _inner(p.span) for p in same}.values(), key=lambda s: s.start)
    found = mentions_at(analysis, offset)
    if not found:
        return []
    name = found[0].plan.graph.values[found[0].value].name
    written = word_at(analysis.source.text, offset)[0]
    spans = [_inner(span) for span in same_name(analysis, name)]
    return [s for s in spans if analysis.source.text[s.start : s.end] == written]


def _inner(span: Span) -> Span:
    quoted = span.source.text[span.start : span.start + 1] in ('"', "'")
    return Span(span.source, span.start + 1, span.end - 1) if quoted else span


def possible(analysis: Analysis, spans: list[Span], name: str) -> bool:
    """Whether a new name can stand at all these places: an identifier unless all of them are in strings."""
    text = analysis.source.text
    in_strings = all(text[s.start - 1 : s.start] in ('"', "'") for s in spans)
    return bool((IN_STRING if in_strings else NAME).fullmatch(name))
