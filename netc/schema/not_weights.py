"""What a file is that was given for a weight file: people often have another file, or a page that a server sent."""

from __future__ import annotations

from typing import NamedTuple

from netc.formats import format_of


class Format(NamedTuple):
    """A kind of file, in words, and what to do about it."""

    name: str
    help: str


_KNOWN: dict[str, Format] = {
    "HDF5": Format("an HDF5 file", "give it the ending .h5, so that it is read as HDF5"),
    "Git LFS": Format("a Git LFS pointer", "get the real file with `git lfs pull`"),
    "HTML": Format("an HTML page", "the download was answered by a web page: get the file itself"),
    "XML": Format("an XML file", "the download was answered by an error message: get the file itself"),
    "ZIP": Format("a ZIP archive (PyTorch writes such files)", "unpack it, or convert it to Caffe's format"),
    "gzip": Format("a gzip file", "unpack it with gunzip"),
    "bzip2": Format("a bzip2 file", "unpack it with bunzip2"),
    "xz": Format("an xz file", "unpack it with unxz"),
    "RAR": Format("a RAR archive", "unpack it"),
    "7z": Format("a 7z archive", "unpack it"),
    "PNG": Format("a PNG image", "give the weight file"),
    "JPEG": Format("a JPEG image", "give the weight file"),
    "NumPy": Format("a NumPy array", "give the weight file"),
    "ELF": Format("a program", "give the weight file"),
    "pickle": Format("a Python pickle", "netc never reads pickles; convert the file to Caffe's format"),
}
_TEXT = frozenset(range(32, 127)) | {9, 10, 13}


def recognize(data: bytes) -> Format | None:
    """What the bytes are, if they start like a well known kind of file."""
    known = _KNOWN.get(format_of(data) or "")
    if known is not None:
        return known
    head = data[:512]
    if head and all(byte in _TEXT for byte in head):
        return Format("a text file", "give the weight file; a net or solver in text goes where a net is asked for")
    return None
