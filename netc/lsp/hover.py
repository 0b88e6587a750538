"""What is shown for the place under the pointer: a field, an enum's value, a layer type or a blob."""

from __future__ import annotations

from netc.lsp.analysis import Analysis
from netc.lsp.blobs import describe, mentions_at
from netc.lsp.context import Context, context_at, field_at, word_at
from netc.report.explain import type_page
from netc.schema.registry import FieldType

MOST_BLOBS = 6


def hover(analysis: Analysis, offset: int) -> str | None:
    """Markdown for an offset, or None if there is nothing to say."""
    text = analysis.source.text
    word, start, end = word_at(text, offset)
    if not word:
        return None
    context = context_at(text, start)
    if context.in_comment:
        return None
    if (found := mentions_at(analysis, offset)) != []:
        more = [f"and {len(found) - MOST_BLOBS} more"] if len(found) > MOST_BLOBS else []
        pages = dict.fromkeys(describe(m) for m in found[:MOST_BLOBS])
        return "\n\n".join((*pages, *more))
    rest = text[end : end + 80].lstrip("\"' \t")
    if context.field is None and rest[:1] in (":", "{", "<", "[") and (field := field_at(analysis, context, word)):
        return describe_field(field)
    if word in analysis.types.types and (context.field == "type" or rest[:1] == "("):
        return type_page(analysis.types.types[word], analysis.schema)
    return _enum_value(analysis, context, word)


def describe_field(field: FieldType) -> str:
    """Markdown: the field's type, default and documentation."""
    declared = field.declaration
    kind = ("repeated " if field.repeated else "") + declared.type
    default = "" if field.repeated or field.message or field.required else f" = {field.default}"
    origin = "" if declared.origin == "caffe" else f"\n\n*from {declared.origin}*"
    replaced = f"\n\n*deprecated: {declared.deprecated}*" if declared.deprecated else ""
    return f"`{declared.name}{default}` ({kind})\n\n{declared.doc}{origin}{replaced}"


def _enum_value(analysis: Analysis, context: Context, word: str) -> str | None:
    field = field_at(analysis, context, context.field) if context.field else None
    if field is None or field.enum is None or word not in field.enum.values:
        return None
    values = ", ".join(f"`{name}`" for name in field.enum.values)
    doc = field.enum.declaration.doc
    return f"`{word}` of `{field.name}`: one of {values}" + (f"\n\n{doc}" if doc else "")
