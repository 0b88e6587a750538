"""What a file is that was given for a weight file: people often have another file, or a page that a server sent."""

from __future__ import annotations

from typing import NamedTuple


class Format(NamedTuple):
    """A kind of file, in words, and what to do about it."""

    name: str
    help: str


_STARTS: tuple[tuple[bytes, Format], ...] = (
    (b"\x89HDF\r\n\x1a\n", Format("an HDF5 file", "give it the ending .h5, so that it is read as HDF5")),
    (b"version https://git-lfs", Format("a Git LFS pointer", "get the real file with `git lfs pull`")),
    (b"<!DOCTYPE", Format("an HTML page", "the download was answered by a web page: get the file itself")),
    (b"<!doctype", Format("an HTML page", "the download was answered by a web page: get the file itself")),
    (b"<html", Format("an HTML page", "the download was answered by a web page: get the file itself")),
    (b"<?xml", Format("an XML file", "the download was answered by an error message: get the file itself")),
    (b"PK\x03\x04", Format("a ZIP archive (PyTorch writes such files)", "unpack it, or convert it to Caffe's format")),
    (b"\x1f\x8b", Format("a gzip file", "unpack it with gunzip")),
    (b"BZh", Format("a bzip2 file", "unpack it with bunzip2")),
    (b"\xfd7zXZ", Format("an xz file", "unpack it with unxz")),
    (b"Rar!", Format("a RAR archive", "unpack it")),
    (b"7z\xbc\xaf", Format("a 7z archive", "unpack it")),
    (b"\x89PNG", Format("a PNG image", "give the weight file")),
    (b"\xff\xd8\xff", Format("a JPEG image", "give the weight file")),
    (b"\x93NUMPY", Format("a NumPy array", "give the weight file")),
    (b"\x7fELF", Format("a program", "give the weight file")),
    (b"\x80\x02", Format("a Python pickle", "netc never reads pickles; convert the file to Caffe's format")),
    (b"\x80\x03", Format("a Python pickle", "netc never reads pickles; convert the file to Caffe's format")),
    (b"\x80\x04", Format("a Python pickle", "netc never reads pickles; convert the file to Caffe's format")),
)
_TEXT = frozenset(range(32, 127)) | {9, 10, 13}


def recognize(data: bytes) -> Format | None:
    """What the bytes are, if they start like a well known kind of file."""
    for start, format in _STARTS:
        if data.startswith(start):
            return format
    head = data[:512]
    if head and all(byte in _TEXT for byte in head):
        return Format("a text file", "give the weight file; a net or solver in text goes where a net is asked for")
    return None
