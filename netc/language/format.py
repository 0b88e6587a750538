"""Text to canonical text."""

from __future__ import annotations

from netc.language.parse import parse


def format_text(text: str, path: str = "<string>") -> str:
    """The canonical form of a text, with every comment kept; formatting it again changes nothing.

    Raises `NetError` as `parse` does.
    """
    from netc.language.formatter import format_document  # noqa: PLC0415  (who only reads does not pay for it)

    return format_document(parse(text, path))
