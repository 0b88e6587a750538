"""Files that commands write: whole or not at all."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from netc.errors import Code, Diagnostic, NetError

CANNOT_WRITE = Code(
    "CLI002",
    "a file cannot be written",
    why="The directory is missing, not writable, or the disk is full. Nothing was written.",
    example="netc draw nets/digits.net -o /missing/net.svg",
    fix="Give a path in a directory that exists and can be written.",
)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file by renaming a finished one; raises NetError(CLI002) and leaves what was there."""
    temporary = None
    try:
        mode = path.stat().st_mode if path.exists() else 0o666 & ~_umask()
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            temporary = file.name
            file.write(content)
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except OSError as error:
        if temporary is not None:
            with suppress(OSError):
                os.unlink(temporary)
        raise NetError(Diagnostic(CANNOT_WRITE, f"cannot write {path}: {error.strerror}")) from error


def write_text(path: Path, text: str) -> None:
    """As `write_bytes`, UTF-8."""
    write_bytes(path, text.encode())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
