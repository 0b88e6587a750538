"""The outline of a text: layers, and the statements of the language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from netc.errors import Span
from netc.language.program import Body, Call, Define, Entry, Let, Phases
from netc.language.tree import Block, Field, Scalar
from netc.lsp.analysis import Analysis

Kind = Literal["layer", "composite", "constant", "block"]


@dataclass(frozen=True, slots=True)
class Symbol:
    """An entry of the outline and what is inside it."""

    name: str
    detail: str
    kind: Kind
    span: Span
    name_span: Span
    children: tuple[Symbol, ...] = ()


def outline(analysis: Analysis) -> list[Symbol]:
    """The symbols of a text that can be parsed."""
    document = analysis.document
    if document is None:
        return []
    if document.program is not None:
        return _of_body(document.program)
    return [s for field in document.block.fields if (s := _of_field(field)) is not None]


def _of_field(field: Field) -> Symbol | None:
    if not isinstance(field.value, Block):
        return None
    texts = {f.name: f.value for f in field.value.fields if isinstance(f.value, Scalar)}
    name, kind = texts.get("name"), texts.get("type")
    if field.name in ("layer", "layers") and name is not None:
        return Symbol(name.text, kind.text if kind else "", "layer", field.span, name.span)
    return Symbol(field.name, "", "block", field.span, field.name_span)


def _of_body(body: Body) -> list[Symbol]:
    found: list[Symbol] = []
    for item in body.items:
        match item:
            case Call(targets=targets, callee=callee):
                name = ", ".join(t.name.text for t in targets) or callee.text
                at = targets[0].name.span if targets else callee.span
                found.append(Symbol(name, callee.text, "layer", item.span, at))
            case Define(name=name, body=inner):
                found.append(Symbol(name.text, "composite", "composite", item.span, name.span, tuple(_of_body(inner))))
            case Let(name=name):
                found.append(Symbol(name.text, "constant", "constant", item.span, name.span))
            case Phases(names=names, body=inner):
                title = ", ".join(n.text for n in names)
                found.append(Symbol(title, "phase", "block", item.span, names[0].span, tuple(_of_body(inner))))
            case Entry(value=Body() as inner):
                found.append(_of_entry(item, inner))
            case _:
                pass
    return found


def _of_entry(entry: Entry, body: Body) -> Symbol:
    texts = {i.name: i.value for i in body.items if isinstance(i, Entry) and isinstance(i.value, Scalar)}
    name, kind = texts.get("name"), texts.get("type")
    if entry.name in ("layer", "layers") and isinstance(name, Scalar):
        return Symbol(name.text, kind.text if isinstance(kind, Scalar) else "", "layer", entry.span, name.span)
    return Symbol(entry.name, "", "block", entry.span, entry.name_span)
