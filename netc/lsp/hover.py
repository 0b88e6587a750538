"""What is shown for the place under the pointer: a field, an enum's value, a layer type or a blob."""

from __future__ import annotations

from netc.api.choices import described
from netc.language.tree import Define
from netc.lsp.analysis import Analysis
from netc.lsp.blobs import describe, mentions_at
from netc.lsp.context import Context, context_at, field_at, word_at
from netc.lsp.declarations import declarations, describe_file, imported_file, signature
from netc.lsp.identifiers import Place
from netc.lsp.rename import blobs_at, maker, named_at
from netc.report.explain import type_page
from netc.schema.record import FieldType

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
    if (file := imported_file(analysis, offset)) is not None:
        return describe_file(file)
    rest = text[end : end + 80].lstrip("\"' \t")
    if context.blocks[-1:] == ("search",) and (varied := _varied(analysis, word)):
        return varied
    if context.field is None and rest[:1] in (":", "{", "<", "[") and (field := field_at(analysis, context, word)):
        return describe_field(field)
    if word in analysis.types.types and (context.field == "type" or rest[:1] == "("):
        return type_page(analysis.types.types[word], analysis.schema)
    return _enum_value(analysis, context, word) or _identifier(analysis, offset)


def _varied(analysis: Analysis, word: str) -> str | None:
    """What a name that a search varies is: a constant of the file, or a field of its solver."""
    solver = analysis.schema.message("SolverParameter").fields
    if word in analysis.schema.message("SearchParameter").fields:
        return None
    declared = declarations(analysis).get(word)
    return declared.describe() if declared is not None else describe_field(solver[word]) if word in solver else None


def _identifier(analysis: Analysis, offset: int) -> str | None:
    """What is known of a name of the statements: its declaration, or what it is in its composite."""
    made = maker(analysis, offset)
    if (found := blobs_at(analysis, offset)) != []:
        return "\n\n".join(dict.fromkeys(describe(m) for m in found[:MOST_BLOBS]))
    if made is None or (made.scope == 0 and made.kind != "blob"):
        declared = named_at(analysis, offset)
        return declared.describe() if declared is not None else _loop(made)
    items = analysis.document.block.items if analysis.document else ()
    home = next((i for i in items if isinstance(i, Define) and i.span.start + 1 == made.scope), None)
    return None if home is None else f"{made.kind} `{made.text}` of\n\n```netc\n{signature(home)}\n```"


def _loop(made: Place | None) -> str | None:
    return None if made is None else f"constant `{made.text}`: another value in each turn"


def describe_field(field: FieldType) -> str:
    """Markdown: the field's type, default and documentation, and what there is of what it names."""
    declared = field.declaration
    kind = ("repeated " if field.repeated else "") + declared.type
    default = "" if field.repeated or field.message or field.required else f" = {field.default}"
    origin = "" if declared.origin == "caffe" else f"\n\n*from {declared.origin}*"
    replaced = f"\n\n*deprecated: {declared.deprecated}*" if declared.deprecated else ""
    head = f"`{declared.name}{default}` ({kind})\n\n{declared.doc}{origin}{replaced}"
    return "\n\n".join((head, "\n".join(items))) if (items := described(declared)) else head


def _enum_value(analysis: Analysis, context: Context, word: str) -> str | None:
    field = field_at(analysis, context, context.field) if context.field else None
    if field is None or field.enum is None or word not in field.enum.values:
        return None
    values = ", ".join(f"`{name}`" for name in field.enum.values)
    doc = field.enum.declaration.doc
    return f"`{word}` of `{field.name}`: one of {values}" + (f"\n\n{doc}" if doc else "")
