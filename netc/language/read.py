"""A file to a tree."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from netc.errors import Code, Diagnostic, NetError, Source, Span, suggest
from netc.files import open_regular, text_of
from netc.formats import format_of
from netc.language import codes
from netc.language.parse import parse
from netc.language.settings import with_settings
from netc.language.tree import Document, Setting

MAX_BYTES = 8 << 20
"""Texts longer than this are refused unread."""


_OTHERS: dict[str, tuple[Code, str, str]] = {
    "HTML": (
        codes.UNREADABLE,
        "it is an HTML page",
        "a web page was saved instead of the file: get the file (on GitHub, its raw form)",
    ),
    "Git LFS": (codes.UNREADABLE, "it is a Git LFS pointer", "get the real file with `git lfs pull`"),
    "UTF-16": (codes.ENCODING, "it is UTF-16", "save it as UTF-8"),
    "HDF5": (codes.BINARY, "it is an HDF5 file", "weights and data are given beside the text of a net"),
    "ZIP": (codes.BINARY, "it is a compressed archive", "unpack it first"),
    "gzip": (codes.BINARY, "it is a compressed archive", "unpack it first"),
}
"""What people give instead of a text, by its name in `netc.formats`."""


def read(path: str | os.PathLike[str], settings: Iterable[Setting] = ()) -> Document:
    """The tree of a file. settings: what is set instead of what it says (`with_settings`).

    Raises `NetError`: what `read_text`, `parse` and `with_settings` find.
    """
    return with_settings(parse(read_text(path), os.fspath(path)), settings)


def read_text(path: str | os.PathLike[str], shown: str | None = None) -> str:
    """The text of a file: UTF-8, without its byte order mark; other bytes become lone surrogates (`surrogateescape`).

    Diagnostics name the file `shown`. Raises `NetError`: a missing file, a directory, no permission, more than
    `MAX_BYTES`, binary data, UTF-16.
    """
    shown = os.fspath(path) if shown is None else shown
    try:
        if Path(path).is_dir():
            raise _refuse(codes.UNREADABLE, shown, "it is a directory", "name a file in it")
        with open_regular(path) as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise _refuse(codes.UNREADABLE, shown, "there is no such file", _near(Path(path))) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _refuse(codes.UNREADABLE, shown, reason) from None
    if len(data) > MAX_BYTES:
        raise _refuse(codes.TOO_LARGE, shown, f"it holds more than {MAX_BYTES >> 20} MB")
    if (other := _OTHERS.get(format_of(data) or "")) is not None:
        code, what, hint = other
        raise _refuse(code, shown, what, hint)
    if (kind := _binary(data, shown)) is not None:
        raise _refuse(codes.BINARY, shown, *kind)
    return text_of(data)


def _refuse(code: Code, path: str, why: str, help: str | None = None) -> NetError:
    span = Span(Source(path, ""), 0, 0)
    return NetError(Diagnostic(code, f"{path} cannot be read: {why}", span, help=help))


def _near(path: Path) -> str | None:
    try:
        names = {entry.stem: entry.name for entry in path.parent.iterdir()}
    except OSError:
        return None
    found = suggest(path.stem, names)
    return f"did you mean {names[found]}?" if found else None


def _binary(data: bytes, path: str) -> tuple[str, str | None] | None:
    """What a binary file seems to be and what to do with it, or None for text."""
    head = data[:4096]
    control = sum(byte < 32 and byte not in b"\t\n\v\f\r" for byte in head)
    if path.endswith((".caffemodel", ".binaryproto")) and control:
        return "it is binary: trained weights, not a net's text", "give it with --weights beside the net's text"
    if path.endswith(".solverstate") and control:
        return "it is binary: a solver's state, not a text", "give it with --snapshot beside the solver's text"
    if b"\0" in data:
        what = "it holds zero bytes"
        if head[:1] in b"\x0a\x12\x0b" and control > 2:
            what = "it is binary (a .caffemodel, by the look of its first bytes), not a net's text"
        return what, "trained weights are given with --weights beside the net's text"
    return None
