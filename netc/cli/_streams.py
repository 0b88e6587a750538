"""The three streams of the process, whatever they are: closed, full, of any encoding, or read by `head`.

- What is for a person goes out in the stream's encoding; what it cannot write becomes an escape.
- stderr that is closed or full loses messages, and nothing else: a run goes on.
- stdout that is closed or full is an error (CLI004), because what was asked for is lost. A reader that has gone is none
  worth a message; the exit code is 1 either way.
"""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress

from netc.errors import Code, Diagnostic

NOT_PRINTED = Code(
    "CLI004",
    "what the command prints cannot be written",
    why="stdout is closed, or its disk is full: what was asked for is lost. Files that the command wrote are whole.",
    example="netc summary nets/digits.net > /dev/full",
    fix="Make room, or redirect stdout to another place.",
)
_STDIN, STDOUT, _STDERR = 0, 1, 2


class _Deaf(io.TextIOWrapper):
    """Text that goes out at once; what cannot be written is lost, without an exception."""

    def write(self, text: str) -> int:
        with suppress(OSError):
            return super().write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            super().flush()


def prepare() -> None:
    """Make the streams as the commands expect them. Files that are opened later take no number of a closed stream."""
    for number, mode in ((_STDIN, os.O_RDONLY), (STDOUT, os.O_RDONLY), (_STDERR, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, mode)  # takes the lowest free number; this stdout cannot be written
    if sys.stdin is None:
        sys.stdin = io.TextIOWrapper(io.FileIO(_STDIN, closefd=False), "utf-8")
    if sys.stdout is None:
        sys.stdout = io.TextIOWrapper(io.BufferedWriter(io.FileIO(STDOUT, "w", closefd=False)), "utf-8")
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="surrogateescape")  # names of files are bytes
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
    sys.stderr = _Deaf(io.FileIO(_STDERR, "w", closefd=False), encoding, "backslashreplace", write_through=True)


def read_to_end() -> None:
    """Wait until stdin has ended."""
    with suppress(OSError):
        while os.read(_STDIN, 1 << 12):
            pass


def finish() -> OSError | None:
    """Write what stdout holds back; the error if that cannot be done. Nothing is tried again when Python ends."""
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), STDOUT)
        return error
    return None


def not_printed(error: OSError) -> Diagnostic:
    """CLI004, with the reason."""
    return Diagnostic(NOT_PRINTED, f"stdout cannot be written: {(error.strerror or str(error)).lower()}")
