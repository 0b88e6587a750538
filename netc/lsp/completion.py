"""What may be written at a place: fields, layer types, enum values, blobs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from netc.lsp.analysis import Analysis
from netc.lsp.blobs import names
from netc.lsp.context import Context, context_at, field_at, messages_at
from netc.lsp.hover import describe_field
from netc.schema.registry import FieldType

Kind = Literal["field", "type", "value", "blob", "keyword"]
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
    if context.field is not None:
        return _values(analysis, last_good, context)
    fields = {f.name: f for message in messages_at(analysis, context.blocks) for f in message.fields.values()}
    proposals = [_field(field) for field in fields.values() if not field.declaration.deprecated]
    if not context.blocks or context.blocks[-1] in ("def", "for", "if", "else", "train", "test", "deploy"):
        proposals += [Proposal(word, "keyword", word) for word in KEYWORDS]
        proposals += [_type(analysis, name, f"{name}()") for name in sorted(analysis.types.types)]
    return proposals


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
    if field is None or context.in_string:
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
