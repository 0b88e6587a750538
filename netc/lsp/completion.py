"""What may be written at a place: fields, layer types, enum values, blobs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from netc.api.choices import choices
from netc.language.tree import Define, Let
from netc.lsp.analysis import Analysis
from netc.lsp.blobs import names
from netc.lsp.context import Context, context_at, field_at, messages_at
from netc.lsp.declarations import declarations, signature
from netc.lsp.hover import describe_field
from netc.lsp.identifiers import places
from netc.schema.record import FieldType

Kind = Literal["field", "type", "value", "blob", "keyword", "composite", "constant", "file"]
MOST_FILES = 500
_IMPORT = re.compile(r"""[ \t]*import[ \t]*["']([^"'\n]*)$""")
KEYWORDS = ("let", "def", "for", "if", "import", "train", "test", "deploy")


@dataclass(frozen=True, slots=True)
class Proposal:
    """One completion: what it is called, what is inserted, a short and a long description."""

    label: str
    kind: Kind
    insert: str
    detail: str = ""
    doc: str = ""


def complete(analysis: Analysis, last_good: Analysis, offset: int) -> list[Proposal]:
    """Proposals for an offset; blobs come from the last text that could be planned."""
    context = context_at(analysis.source.text, _word_start(analysis.source.text, offset))
    if context.in_comment:
        return []
    if importing := _IMPORT.match(analysis.source.text, analysis.source.text.rfind("\n", 0, offset) + 1, offset):
        return list(_files(analysis, importing[1]))
    if context.in_call:
        return [Proposal(name, "blob", name) for name in _blobs(last_good)]
    if context.field is not None:
        return _values(analysis, last_good, context)
    fields = {f.name: f for message in messages_at(analysis, context.blocks) for f in message.fields.values()}
    proposals = _parameters(last_good, context) + _varying(last_good, context)
    proposals += [_field(field) for field in fields.values() if not field.declaration.deprecated]
    if not context.blocks or context.blocks[-1] in ("def", "for", "if", "else", "train", "test", "deploy"):
        proposals += [Proposal(word, "keyword", word) for word in KEYWORDS]
        proposals += [_type(analysis, name, f"{name}()") for name in sorted(analysis.types.types)]
        composites = (d.item for d in declarations(last_good).values() if isinstance(d.item, Define))
        proposals += [Proposal(d.name.text, "composite", f"{d.name.text}()", signature(d)) for d in composites]
    return proposals


def _files(analysis: Analysis, typed: str) -> Iterator[Proposal]:
    """What may be imported: .net files and folders beside this file, or in the folder that is typed already."""
    before = typed[: typed.rfind("/") + 1]
    own = Path(analysis.source.path)
    folder = own.parent / before
    try:
        entries = sorted(folder.iterdir())[:MOST_FILES]
    except OSError:
        return
    for entry in entries:
        if entry.suffix == ".net" and entry != own:
            yield Proposal(entry.name, "file", entry.name)
        elif entry.is_dir() and entry.name[0] not in "._":
            yield Proposal(f"{entry.name}/", "file", f"{entry.name}/")


def _blobs(analysis: Analysis) -> list[str]:
    """Names that can be a call's input: those that the statements give, and blobs that have an identifier's name."""
    given = [p.text for p in places(analysis) if p.kind in ("blob", "input")]
    return list(dict.fromkeys([*given, *(name for name in names(analysis) if name.isidentifier())]))


def _parameters(analysis: Analysis, context: Context) -> list[Proposal]:
    """The parameters of the composite whose call's body this is."""
    declared = declarations(analysis).get(context.blocks[-1].removesuffix("()")) if context.blocks else None
    if declared is None or not isinstance(declared.item, Define):
        return []
    names = (parameter.name.text for parameter in declared.item.parameters)
    return [Proposal(name, "field", f"{name}: ", f"parameter of {declared.item.name.text}") for name in names]


def _varying(analysis: Analysis, context: Context) -> list[Proposal]:
    """What a search block may vary: the file's constants, and fields of its solver."""
    if context.blocks[-1:] != ("search",):
        return []
    lets = [d.item.name.text for d in declarations(analysis).values() if d.own and isinstance(d.item, Let)]
    numbers = analysis.schema.message("SolverParameter").fields.values()
    fields = [f for f in numbers if not (f.message or f.repeated or f.declaration.deprecated or f.declaration.ignored)]
    return [
        *(Proposal(name, "constant", f"{name}: [$0]") for name in lets),
        *(Proposal(f.name, "field", f"{f.name}: ", f.declaration.type, describe_field(f)) for f in fields),
    ]


def _word_start(text: str, offset: int) -> int:
    while offset > 0 and (text[offset - 1].isalnum() or text[offset - 1] in "_./-"):
        offset -= 1
    return offset


def _values(analysis: Analysis, last_good: Analysis, context: Context) -> list[Proposal]:
    assert context.field is not None
    quote = "" if context.in_string else '"'
    in_layer = context.blocks[-1:] in (("layer",), ("layers",))
    if in_layer and context.field in ("bottom", "top"):
        return [Proposal(name, "blob", f"{quote}{name}{quote}") for name in names(last_good)]
    if in_layer and context.field == "type":
        return [_type(analysis, name, f"{quote}{name}{quote}") for name in sorted(analysis.types.types)]
    field = field_at(analysis, context, context.field)
    if field is not None and field.declaration.names == "blob":
        return [Proposal(name, "blob", f"{quote}{name}{quote}") for name in names(last_good)]
    if field is not None and field.declaration.names == "layer":
        layers = {node.name for plan in last_good.plans for node in plan.graph.nodes if plan.layers[node.index].params}
        return [Proposal(name, "value", f"{quote}{name}{quote}") for name in sorted(layers)]
    if field is not None and field.declaration.names:
        known = choices(field.declaration)
        return [Proposal(name, "value", f"{quote}{name}{quote}", meaning) for name, meaning in known.items()]
    if context.in_string:
        return []
    own = [d.item.name.text for d in declarations(last_good).values() if isinstance(d.item, Let)]
    own += [p.text for p in places(last_good) if p.kind == "parameter"]
    return _of_field(field) + [Proposal(name, "constant", name) for name in dict.fromkeys(own)]


def _of_field(field: FieldType | None) -> list[Proposal]:
    if field is None:
        return []
    if field.enum is not None:
        return [Proposal(name, "value", name, field.enum.name) for name in field.enum.values]
    return [Proposal(name, "value", name, "bool") for name in ("true", "false")] if field.kind == "bool" else []


def _type(analysis: Analysis, name: str, insert: str) -> Proposal:
    layer_type = analysis.types.types[name]
    first = layer_type.doc.strip().splitlines()[0]
    return Proposal(name, "type", insert, first)


def _field(field: FieldType) -> Proposal:
    insert = f"{field.name} {{ $0 }}" if field.message else f"{field.name}: "
    return Proposal(field.name, "field", insert, field.declaration.type, describe_field(field))
