"""Diagnostics for tools: the form of the Language Server Protocol."""

from __future__ import annotations

from netc.errors import Diagnostic, Span

SEVERITY = {"error": 1, "warning": 2}


def lsp_range(span: Span) -> dict[str, object]:
    """A span as an LSP range: 0-based lines and UTF-16 code units."""
    return {"start": _position(span, span.start), "end": _position(span, span.end)}


def _position(span: Span, offset: int) -> dict[str, int]:
    line, column = span.source.position(offset)
    before = span.source.text[offset - column + 1 : offset]
    return {"line": line - 1, "character": len(before.encode("utf-16-le")) // 2}


def as_lsp(diagnostic: Diagnostic) -> dict[str, object]:
    """A diagnostic as LSP's Diagnostic, with the file and the help text beside it."""
    nowhere = {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 0}}
    span = diagnostic.span
    related = [
        {"message": note.message, "location": {"uri": note.span.source.path, "range": lsp_range(note.span)}}
        for note in diagnostic.notes
        if note.span
    ]
    return {
        "file": span.source.path if span else None,
        "range": lsp_range(span) if span else nowhere,
        "severity": SEVERITY[diagnostic.severity],
        "code": str(diagnostic.code),
        "source": "netc",
        "message": diagnostic.message,
        "help": diagnostic.help,
        "notes": [note.message for note in diagnostic.notes],
        "relatedInformation": related,
    }
