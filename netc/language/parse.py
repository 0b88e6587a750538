"""Text to tree: how much of it is read, and whether as text format or as a file with statements."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice

from netc.errors import Code, Diagnostic, NetError, Note, Report, Source, Span
from netc.language import codes
from netc.language.builder import PHASES
from netc.language.lexer import NUMBERS, scanner
from netc.language.parser import Parser, TooManyError
from netc.language.tree import Alias, Document, Field

MAX_TERMINALS = 500_000
"""Bounds time and memory; the largest published nets have 60,000 names, numbers and signs.

Whatever an expansion may make (`netc.language.limits`) has fewer."""
MAX_CHARACTERS = 8 << 20
MAX_PLAIN = 1 << 18
"""A text whose first mistake as plain text comes after so many characters is not tried as statements."""
MAX_SIGNS = 50_000
"""How many backslashes and how many `${` a text may hold: a single string may hold any number."""
MAX_MISTAKES = 20
"""A file with more mistakes than this is not a net; the rest would not help."""

_STATEMENT = re.compile(
    r"^[ \t]*(?:(?:let|def|for)[ \t]+\w|if[ \t]+[^ \t:{<\[]|import[ \t]*[\"']|(?:train|test|deploy)\b[ \t]*[{,]"
    r"|\w++(?:[ \t]*+,[ \t]*+\w++)*+[ \t]*+=)",
    re.MULTILINE,
)
"""A line that most likely begins a statement."""
PLAIN_SUFFIXES = (".prototxt", ".pt", ".pbtxt")
"""Files of these names hold plain text format: no statements."""


def parse(text: str, path: str = "<string>") -> Document:
    """The tree of a text; `path` is the name under which diagnostics show it.

    Raises `NetError` with every mistake found (codes SYN0xx).
    """
    source = Source(path, text.removeprefix("\ufeff"))
    _check_size(source)
    return _plain(source) if path.endswith(PLAIN_SUFFIXES) else _program(source)


def _plain(source: Source) -> Document:
    """The tree of a text in which statements are a mistake."""
    document, report = _attempt(source, "plain")
    if document is not None:
        return document
    program = _attempt(source, "program")[0] if _first(report) < MAX_PLAIN else None
    # what can be nothing but a statement: `a = b` may be a field with `=` for `:`
    if program is not None and any(not isinstance(item, Field | Alias) for item in program.block.items):
        message = f"{source.path} holds statements, which plain text format does not have"
        hint = "name the file .net, or write it out with `netc expand`"
        raise NetError(Diagnostic(codes.STATEMENT, message, report.diagnostics[0].span, help=hint))
    raise NetError(report.diagnostics)


def _program(source: Source) -> Document:
    """The tree of a text that may hold statements. Plain text is read as such: that is faster."""
    computed = "${" in source.text
    stated = _STATEMENT.search(source.text) is not None
    if not computed and not stated:
        document, report = _attempt(source, "plain")
        # text format has phase blocks, too: as fields
        if document is not None and not any(field.name in PHASES for field in document.block.fields):
            return document
        if document is None and _first(report) >= MAX_PLAIN:
            raise NetError(report.diagnostics)
    program, report = _attempt(source, "program")
    if program is None and not computed and stated and len(source.text) < MAX_PLAIN:
        program = _attempt(source, "plain")[0]  # what looked like a statement may have been a value on its own line
    if program is None:
        raise NetError(report.diagnostics)
    return program


def _attempt(source: Source, start: str) -> tuple[Document | None, Report]:
    report = _Mistakes()
    document: Document | None = Parser(source, report, start).run()
    report.diagnostics.sort(key=lambda d: d.span.start if d.span else 0)
    return (None if report.failed else document), report


class _Mistakes(Report):
    """Ends the parse when there are too many mistakes."""

    def error(
        self, code: Code, message: str, span: Span | None = None, *, notes: Sequence[Note] = (), help: str | None = None
    ) -> None:
        super().error(code, message, span, notes=notes, help=help)
        if len(self.diagnostics) >= MAX_MISTAKES:
            raise TooManyError


def _first(report: Report) -> int:
    return min((d.span.start for d in report.diagnostics if d.span), default=0)


def _check_size(source: Source) -> None:
    """Refuse more than can be read in reasonable time, before any of it is."""
    text = source.text
    if len(text) > MAX_CHARACTERS:
        message = f"{source.path} holds more than {MAX_CHARACTERS:,} characters"
        raise NetError(Diagnostic(codes.TOO_LARGE, message, Span(Source(source.path, ""), 0, 0)))
    for sign, what in (("\\", "backslashes"), ("${", "`${`")):
        if text.count(sign) > MAX_SIGNS:
            raise _too_large(source, text.find(sign), len(sign), f"more than {MAX_SIGNS:,} {what} are no net")
    if len(text) > MAX_TERMINALS:
        match = next(islice(scanner("program").finditer(text), MAX_TERMINALS, None), None)
        if match is not None and match.lastindex != NUMBERS["END"]:
            start, end = match.span(match.lastindex or 0)
            message = f"more than {MAX_TERMINALS:,} names, numbers and signs are no net"
            raise _too_large(source, start, end - start, message)


def _too_large(source: Source, start: int, length: int, message: str) -> NetError:
    return NetError(Diagnostic(codes.TOO_LARGE, message, Span(source, start, start + length)))
