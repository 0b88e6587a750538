"""Locks between processes: a file that one process at a time holds, until it gives it back or ends, however it ends.

The lock is the kernel's (`flock`). The file is removed when it is given back; one that a killed process left means
nothing.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any

from netc.errors import Code, Diagnostic
from netc.files import open_lock

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl: Any = None  # type: ignore[no-redef]

NO_LOCK = Code(
    "SNP030",
    "a lock cannot be taken",
    why="What two processes must not write at once (the snapshots of a prefix, a database) is locked by a file beside "
    "it. Some file systems (network folders, often) know no locks, or the lock file cannot be opened. The work goes "
    "on; only, a second process would not be refused. This is a warning.",
    fix="Make sure that nothing else writes there, or work in a folder on a local disk.",
)


class InUseError(Exception):
    """Another process holds the lock; the text says which."""


def take(path: Path) -> int:
    """Lock a file and return its descriptor, for `give_back`.

    Raises InUseError if it is locked, OSError if it cannot be: the folder is missing, the file system has no locks.
    """
    if fcntl is None:
        raise OSError(errno.ENOSYS, "this system has no file locks")
    while True:
        descriptor = open_lock(path)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(errno.EINVAL, f"{path} is no regular file")
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except (BlockingIOError, PermissionError):
                raise InUseError(_holder(descriptor)) from None
            if _same(descriptor, path):
                break
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # its holder has just removed it
    with suppress(OSError):  # for the message of the one that is refused
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode())
    return descriptor


def give_back(descriptor: int, path: Path) -> None:
    """Unlock a file and remove it."""
    with suppress(OSError):
        os.unlink(path)  # before it is closed: whoever opens it now has another file, and looks again
    os.close(descriptor)


def not_taken(what: str, error: OSError) -> Diagnostic | None:
    """The warning for a lock that cannot be taken; none if nothing can be written there either, which is said later."""
    if error.errno in (errno.ENOENT, errno.EROFS):
        return None
    reason = (error.strerror or str(error)).lower()
    return Diagnostic(NO_LOCK, f"whether another process writes {what} cannot be told: {reason}", severity="warning")


def _holder(descriptor: int) -> str:
    with suppress(OSError):
        text = os.pread(descriptor, 200, 0).decode("ascii", "replace")
        if text.startswith("process ") and text.isprintable():
            return text
    return "another process"


def _same(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except FileNotFoundError:
        return False
