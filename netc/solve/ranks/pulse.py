"""Ranks that say again and again that they are there, so that one that has been stopped is missed.

A process that ends ends the others through the launcher. One that hangs (stopped, or on a machine that has failed) does
not, and the others would wait for it for ever. Every rank but the first is heard by rank 0, and hears it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from typing import Protocol

from netc.errors import Diagnostic
from netc.solve.ranks.codes import SILENT

EXIT = 1
BEATS = 10  # in the time after which a rank is missed


class Line(Protocol):
    """The way from one rank's pulse to those of others."""

    rank: int
    others: Iterable[int]

    def send(self, rank: int) -> None: ...

    def heard(self, rank: int) -> bool: ...


class Pulse:
    """A thread that sends and listens; `missed` of ten beats in a row end all ranks, through `abort`.

    Time is counted in beats of its own: where a whole machine has slept, nobody is missed.
    """

    def __init__(self, line: Line, timeout: float, abort: Callable[[int], None]) -> None:
        self._line = line
        self._every = timeout / BEATS
        self._timeout = timeout
        self._abort = abort
        self._missed = dict.fromkeys(line.others, 0)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="netc-pulse")
        self._thread.start()

    def _run(self) -> None:
        while not self._stopped.is_set():
            self.beat()
            self._stopped.wait(self._every)

    def stop(self) -> None:
        """Say nothing more, and miss nobody."""
        self._stopped.set()
        self._thread.join()

    def beat(self) -> None:
        """Send, and count whom nothing was heard of."""
        for rank in self._missed:
            self._line.send(rank)
            self._missed[rank] = 0 if self._line.heard(rank) else self._missed[rank] + 1
            if self._missed[rank] > BEATS:
                self._end(rank)

    def _end(self, rank: int) -> None:
        message = f"rank {rank} has not been heard of for {self._timeout:g} seconds: all ranks end"
        said = f"rank {self._line.rank}: {Diagnostic(SILENT, message, help=SILENT.fix).render()}\n"
        os.write(2, said.encode("utf-8", "replace"))
        self._abort(EXIT)
