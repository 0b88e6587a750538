"""Snapshots as files: whole or not there, and known to be whole.

Protobuf cannot tell a message that was cut between two fields from a whole one. So the files start with a field that
says how many bytes follow; Caffe skips it, as it does every field it does not know.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from netc import files
from netc.errors import Diagnostic, NetError
from netc.schema.scan import FIXED64, encode_key
from netc.schema.weights import read_file
from netc.solve.codes import INCOMPLETE, NOT_WRITTEN

_KEY = encode_key(20001, FIXED64)
_HEADER = len(_KEY) + 8


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file so that at any moment there is the old one or the new one; raises NetError(SNP020)."""
    try:
        files.write_whole(path, write)
    except OSError as error:
        raise NetError(Diagnostic(NOT_WRITTEN, f"{path} cannot be written: {_reason(error)}")) from None


def write_message(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """As `write_whole`, for a protobuf message, with its size in front."""

    def sized(file: BinaryIO) -> None:
        file.write(_KEY + struct.pack("<Q", 0))
        write(file)
        size = file.tell() - _HEADER
        file.seek(len(_KEY))
        file.write(struct.pack("<Q", size))

    write_whole(path, sized)


def read_message(path: Path) -> bytes:
    """The bytes of a message; raises NetError: SNP004 if it cannot be read, SNP023 if it is not whole."""
    data = read_file(path)
    if data.startswith(_KEY) and len(data) >= _HEADER:
        size = int(struct.unpack_from("<Q", data, len(_KEY))[0])
        if size != len(data) - _HEADER:
            message = f"{path} was written with {size + _HEADER} bytes, but has {len(data)}"
            raise NetError(Diagnostic(INCOMPLETE, message))
    return data


def probe(path: Path) -> Diagnostic | None:
    """What speaks against writing files beside this path, or None."""
    try:
        with files.temporary(path):
            pass
    except OSError as error:
        help = f"make the directory {path.parent}" if not path.parent.is_dir() else None
        return Diagnostic(NOT_WRITTEN, f"snapshots cannot be written to {path}*: {_reason(error)}", help=help)
    return None


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
