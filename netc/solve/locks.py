"""Who writes snapshots where: of two processes that train with one prefix at once, the second is refused.

The lock is `.NAME.lock` beside the snapshots (`netc/locks.py`).
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from netc import locks
from netc.errors import Diagnostic, NetError
from netc.files import remove_temporaries
from netc.solve.codes import IN_USE


@dataclass
class _Held:
    """A prefix that this process holds: the open lock file, how many solvers share it, the one that runs."""

    descriptor: int
    process: int
    owners: int = 0
    running: Claim | None = None


_held: dict[Path, _Held] = {}
_table = threading.Lock()


class Claim:
    """A solver's right to write snapshots under a prefix, until `release()`, or until it is gone.

    Solvers of one process share it (a script that makes a solver anew), but only one of them may train at a time.
    `warning` says if the prefix could not be locked: the file system knows no locks.
    Raises NetError(SNP029) if another process holds it.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.warning: Diagnostic | None = None
        self.release: Callable[[], object] = lambda: None
        path = self._path = lock_path(prefix)
        with _table:
            held = _held.get(path)
            if held is None or held.process != os.getpid():  # a fork has its parent's table, and not its lock
                held = self._lock(path)
            if held is not None:
                _held[path] = held
                held.owners += 1
                self.release = weakref.finalize(self, _release, path)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Train; raises NetError(SNP029) while another solver of this process does, in another thread."""
        held = _held.get(self._path)
        if held is None or not isinstance(self.release, weakref.finalize):
            yield
            return
        with _table:
            if held.running is not None and held.running is not self:
                raise self._refused("another solver of this process")
            before, held.running = held.running, self
        try:
            yield
        finally:
            held.running = before

    def _lock(self, path: Path) -> _Held | None:
        try:
            descriptor = locks.take(path)
        except locks.InUseError as holder:
            raise self._refused(str(holder)) from None
        except OSError as error:
            self.warning = locks.not_taken(f"{self.prefix}_iter_*", error)
            return None
        remove_temporaries(path.parent, f"{os.path.split(self.prefix)[1]}_iter_")
        return _Held(descriptor, os.getpid())

    def _refused(self, holder: str) -> NetError:
        message = f"{holder} is training with the prefix {self.prefix}: two runs would mix their snapshots"
        help = "give this run another snapshot_prefix, or wait for the other one; --ignore-lock starts it all the same"
        return NetError(Diagnostic(IN_USE, message, help=help))


def lock_path(prefix: str) -> Path:
    """The lock file of a prefix."""
    folder, name = os.path.split(prefix)
    return Path(os.path.realpath(folder or "."), f".{name[:60]}.lock")


def _release(path: Path) -> None:
    """Give a prefix free, if no other solver of this process holds it."""
    with _table:
        held = _held.get(path)
        if held is None or held.process != os.getpid():
            return
        held.owners -= 1
        if held.owners == 0:
            del _held[path]
            locks.give_back(held.descriptor, path)
