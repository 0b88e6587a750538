"""What a file is, by its first bytes: the one table of them. What to do about it is said where the file is refused."""

from __future__ import annotations

_STARTS: tuple[tuple[bytes, str], ...] = (
    (b"\x89HDF\r\n\x1a\n", "HDF5"),
    (b"PK\x03\x04", "ZIP"),
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ", "xz"),
    (b"Rar!", "RAR"),
    (b"7z\xbc\xaf", "7z"),
    (b"\x89PNG", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x93NUMPY", "NumPy"),
    (b"\x7fELF", "ELF"),
    (b"\x80\x02", "pickle"),
    (b"\x80\x03", "pickle"),
    (b"\x80\x04", "pickle"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)
_PAGES: tuple[tuple[bytes, str], ...] = (
    (b"<!doctype html", "HTML"),
    (b"<html", "HTML"),
    (b"<?xml", "XML"),
    (b"version https://git-lfs", "Git LFS"),
)
"""What servers answer instead of a file; blanks before it and the case of its letters do not matter."""

LONGEST = 64
"""So many first bytes are enough to know a file by."""


def format_of(data: bytes) -> str | None:
    """The name in the table of what begins with these bytes."""
    head = data[:LONGEST]
    text = head.lstrip().lower()
    exact = (name for start, name in _STARTS if head.startswith(start))
    return next(exact, None) or next((name for start, name in _PAGES if text.startswith(start)), None)
