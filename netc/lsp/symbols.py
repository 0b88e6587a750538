"""The outline of a text: layers, and the statements of the language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from netc.errors import Span
from netc.language.tree import Block, Call, Define, Field, Let, Phases, Scalar
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
    return _of_block(analysis.document.block) if analysis.document is not None else []


def _of_block(block: Block) -> list[Symbol]:
    found: list[Symbol] = []
    for item in block.items:
        match item:
            case Call(targets=targets, callee=callee):
                name = ", ".join(t.name.text for t in targets) or callee.text
                at = targets[0].name.span if targets else callee.span
                found.append(Symbol(name, callee.text, "layer", item.span, at))
            case Define(name=name, body=inner):
                children = tuple(_of_block(inner))
                found.append(Symbol(name.text, "composite", "composite", item.span, name.span, children))
            case Let(name=name):
                found.append(Symbol(name.text, "constant", "constant", item.span, name.span))
            case Phases(names=names, body=inner):
                title = ", ".join(n.text for n in names)
                found.append(Symbol(title, "phase", "block", item.span, names[0].span, tuple(_of_block(inner))))
            case Field(value=Block() as inner):
                found.append(_of_field(item, inner))
            case _:
                pass
    return found


def _of_field(field: Field, inner: Block) -> Symbol:
    texts = {f.name: f.value for f in inner.fields if isinstance(f.value, Scalar)}
    name, kind = texts.get("name"), texts.get("type")
    if field.name in ("layer", "layers") and name is not None:
        return Symbol(name.text, kind.text if kind else "", "layer", field.span, name.span)
    return Symbol(field.name, "", "block", field.span, field.name_span)
