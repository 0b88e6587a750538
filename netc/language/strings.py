"""Quoted strings: from what is written between quotes to characters, and back.

Bytes that are not UTF-8 (an escape such as `\\377`, a Latin-1 letter) are kept as lone surrogates, the way Python keeps
them in file names (`surrogateescape`), so that nothing is lost between reading and writing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from netc.errors import Report, Source, Span
from netc.language import codes

_ESCAPE = re.compile(
    r"\\(?:([0-7]{1,3})|[xX]([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([abfnrtv?'\"\\])|(.))",
    re.DOTALL,
)
_SIMPLE = dict(zip("abfnrtv?'\"\\", "\a\b\f\n\r\t\v?'\"\\", strict=True))
_WRITTEN = {"\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\"}
_SPECIAL = re.compile(r"[\x00-\x1f\x7f\"\\]|[^\x00-\x7f]")
_PAIR = re.compile(r"\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})", re.IGNORECASE)


def unquote(source: Source, parts: Sequence[tuple[int, int]], report: Report) -> str:
    """The value of adjacent strings, whose quotes stand at the first and before the last offset of each part."""
    text = source.text
    if len(parts) == 1:
        start, end = parts[0]
        inner = text[start + 1 : end - 1]
        if "\\" not in inner:
            return inner
    data = b"".join(_decode(source, start + 1, end - 1, report) for start, end in parts)
    return data.decode("utf-8", "surrogateescape")


def _decode(source: Source, start: int, end: int, report: Report) -> bytes:
    text, out, at = source.text, [], start
    while True:
        slash = text.find("\\", at, end)
        if slash < 0:
            out.append(_bytes(text[at:end]))
            return b"".join(out)
        out.append(_bytes(text[at:slash]))
        pair = _PAIR.match(text, slash, end)
        found = pair or _ESCAPE.match(text, slash, end)
        if found is None:  # the text of a string that was never closed ends in a backslash
            return b"".join(out)
        at = found.end()
        if pair:
            high, low = int(pair[1], 16), int(pair[2], 16)
            out.append(chr(0x10000 + ((high - 0xD800) << 10) + low - 0xDC00).encode())
        else:
            out.append(_escape(found, Span(source, slash, at), report))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _escape(found: re.Match[str], span: Span, report: Report) -> bytes:
    octal, hexadecimal, short, long, simple, _ = found.groups()
    if simple:
        return _SIMPLE[simple].encode()
    if octal and int(octal, 8) < 256:
        return bytes([int(octal, 8)])
    if hexadecimal:
        return bytes([int(hexadecimal, 16)])
    if short or long:
        number = int(short or long, 16)
        if number <= 0x10FFFF and not 0xD800 <= number <= 0xDFFF:
            return chr(number).encode()
        report.error(codes.BAD_UNICODE, f"`{found[0]}` names no character", span)
        return b""
    written = found[0] if found[0].isprintable() else "\\"
    report.error(codes.BAD_ESCAPE, f"`{written}` is no escape", span, help="write a backslash itself as `\\\\`")
    return b""


def quote(value: str) -> str:
    """A value as a string in double quotes that every protobuf reader takes; printable letters stay as they are."""
    return '"' + _SPECIAL.sub(_written, value) + '"'


def _written(found: re.Match[str]) -> str:
    character = found[0]
    if character in _WRITTEN:
        return _WRITTEN[character]
    if character.isprintable():
        return character
    surrogate = "\ud800" <= character <= "\udfff"  # a byte that is not UTF-8
    data = bytes([ord(character) & 0xFF]) if surrogate else character.encode()
    return "".join(f"\\{byte:03o}" for byte in data)
