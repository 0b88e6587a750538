"""Where a blob, a constant or a composite is named: for going to its definition and for giving it another name."""

from __future__ import annotations

import re

from netc.errors import Span
from netc.lsp.analysis import Analysis
from netc.lsp.blobs import Mention, definition_of, made_by_call, mentions_at, names, same_name
from netc.lsp.context import word_at
from netc.lsp.declarations import Declaration, declarations, imported_file
from netc.lsp.identifiers import Place, places, same

NAME = re.compile(r"[A-Za-z_]\w*")
IN_STRING = re.compile(r"[^\"'\\\n]+")
KEYWORDS = frozenset({"let", "def", "for", "in", "if", "else", "import", "as", "and", "or", "not"})


def definition(analysis: Analysis, offset: int) -> Span | None:
    """Where the blob, constant or composite at an offset is made; an import, or what it brings: in the other file."""
    if (file := imported_file(analysis, offset)) is not None:
        return Span(file.source, 0, 0)
    found = mentions_at(analysis, offset)
    if found:
        return definition_of(found[0])
    if (made := maker(analysis, offset)) is not None:
        return made.span
    if (declared := named_at(analysis, offset)) is not None:
        return declared.span
    return next((definition_of(mention) for mention in blobs_at(analysis, offset)), None)


def maker(analysis: Analysis, offset: int) -> Place | None:
    """Where this file makes what is named at an offset: the last place before it, or the first."""
    made = [place for place in same(analysis, offset) if place.makes]
    before = [place for place in made if place.span.start <= offset and not _reads(place, offset)]
    return before[-1] if before else made[0] if made else None


def _reads(place: Place, offset: int) -> bool:
    """Whether an offset is behind the target in the target's own call, which then reads what was made before."""
    return place.call is not None and place.span.end < offset <= place.call.span.end


def blobs_at(analysis: Analysis, offset: int) -> list[Mention]:
    """The blobs that an identifier of the file means: what a call made, or what plain layers made under this name."""
    here = next((p for p in places(analysis) if p.span.start <= offset <= p.span.end), None)
    if here is None or here.scope:
        return []
    made = maker(analysis, offset)
    if made is None:
        values = ((plan, v) for plan in analysis.plans for v in plan.graph.values if v.name == here.text)
        return [Mention(plan, value.index, here.span) for plan, value in values][-len(analysis.plans) :]
    return made_by_call(analysis, made.call, made.index) if made.call is not None else []


def named_at(analysis: Analysis, offset: int) -> Declaration | None:
    """The constant or composite, of this file or an imported one, that is named at an offset."""
    here = next((p for p in places(analysis) if p.span.start <= offset <= p.span.end), None)
    return declarations(analysis).get(here.text) if here is not None else None


def occurrences(analysis: Analysis, offset: int) -> list[Span]:
    """The characters to replace when the name at an offset is replaced (quotes left out)."""
    if named := same(analysis, offset):
        spans = {p.span.start: _inner(p.span) for p in named}
        if any(p.kind == "blob" and not p.scope for p in named):
            strings = (_inner(span) for span in same_name(analysis, named[0].text))
            spans |= {s.start: s for s in strings if analysis.source.text[s.start : s.end] == named[0].text}
        return [spans[start] for start in sorted(spans)]
    found = mentions_at(analysis, offset)
    if not found:
        return []
    name = found[0].plan.graph.values[found[0].value].name
    written = word_at(analysis.source.text, offset)[0]
    inner = [_inner(span) for span in same_name(analysis, name)]
    return [s for s in inner if analysis.source.text[s.start : s.end] == written]


def _inner(span: Span) -> Span:
    quoted = span.source.text[span.start : span.start + 1] in ('"', "'")
    return Span(span.source, span.start + 1, span.end - 1) if quoted else span


def possible(analysis: Analysis, spans: list[Span], name: str) -> bool:
    """Whether a new name can stand at all these places, and means nothing else yet.

    It must be an identifier unless all of them are in strings.
    """
    text = analysis.source.text
    in_strings = all(text[s.start - 1 : s.start] in ('"', "'") for s in spans)
    taken = {place.text for place in places(analysis)} | set(names(analysis)) | KEYWORDS
    return name not in taken and bool((IN_STRING if in_strings else NAME).fullmatch(name))
