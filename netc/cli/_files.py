"""Files that commands write, whole or not at all, and the short lists that they read."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from netc import files
from netc.cli import _output
from netc.errors import Code, Diagnostic, NetError

CANNOT_WRITE = Code(
    "CLI002",
    "a file cannot be written",
    why="The directory is missing, not writable, or the disk is full. Nothing was written.",
    example="netc draw nets/digits.net -o /missing/net.svg",
    fix="Give a path in a directory that exists and can be written.",
)

STDOUT = Path("-")
_MOST_NAMES = 1 << 24  # bytes


def read_lines(path: Path, code: Code) -> list[str]:
    """The lines of a text file that names classes. Raises NetError with this code if it cannot be read."""
    try:
        return files.text_of(files.read_regular(path, _MOST_NAMES)).splitlines()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise NetError(Diagnostic(code, f"{path} cannot be read: {reason}")) from None


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file by renaming a finished one, or to stdout for `-`.

    Raises NetError: CLI002, and leaves what was there; CLI004.
    """
    if path == STDOUT:
        if b"\0" in content and sys.stdout.isatty():
            raise NetError(Diagnostic(CANNOT_WRITE, "stdout is a terminal, and this is no text"))
        _output.content(content if b"\0" in content else content.decode("utf-8", "surrogateescape"))
        return
    try:
        files.write_bytes(path, content)
    except OSError as error:
        raise NetError(Diagnostic(CANNOT_WRITE, f"cannot write {path}: {error.strerror}")) from error


def write_parts(path: Path, parts: Sequence[bytes | memoryview]) -> None:
    """As `write_bytes`, one part after the other."""
    if path == STDOUT:
        write_bytes(path, b"".join(parts))
        return
    try:
        files.write_whole(path, lambda file: file.writelines(parts))
    except OSError as error:
        raise NetError(Diagnostic(CANNOT_WRITE, f"cannot write {path}: {error.strerror}")) from error


def in_folder(path: Path, name: str) -> Path:
    """The file of a name in a folder, if `path` is one, or has no ending: then the folder is made if it is not there.

    Raises NetError(CLI002).
    """
    if path == STDOUT or (path.suffix and not path.is_dir()) or path.is_file():
        return path
    try:
        path.mkdir(exist_ok=True)
    except OSError as error:
        raise NetError(Diagnostic(CANNOT_WRITE, f"cannot make the folder {path}: {error.strerror}")) from error
    return path / name


def say_written(path: Path) -> None:
    """Say that a file has been written; stdout says it itself."""
    if path != STDOUT:
        _output.say(f"wrote {path}")


def write_text(path: Path, text: str) -> None:
    """As `write_bytes`, UTF-8."""
    write_bytes(path, text.encode("utf-8", "surrogateescape"))
