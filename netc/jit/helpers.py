"""Other processes that compile at the same time: numba and LLVM do one thing at a time in one process.

They are started when there is much to compile and end when it is done. Each is told of one unit after the other and
sends back the object code; it writes nothing itself. What it cannot do, or does not do, is done here.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import deque
from contextlib import suppress
from pathlib import Path
from pickle import UnpicklingError
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import IO

from netc.jit import host
from netc.jit.apart import apart
from netc.jit.helper import START
from netc.jit.objects import Made
from netc.jit.tasks import receive, send, task_of
from netc.jit.units import Unit

MOST = 4  # processes, this one among them
WORTH = 3  # units that are worth a process: to start one takes as long as to compile two or three
PATIENCE = 30.0  # seconds without an answer


def processes(units: int) -> int:
    """How many processes compile so many units, this one among them. Raises NetError (RUN003)."""
    if not Path(sys.executable or "").name.lower().startswith("python"):
        return 1  # Python is a part of another program, which cannot be started like that
    return max(1, min(host.compilers(MOST), units // WORTH))


class Helpers:
    """Processes that take units from those that wait. Used by one thread."""

    def __init__(self, waiting: deque[Unit]) -> None:
        self._waiting = waiting
        self._away: set[Unit] = set()
        self._lock = threading.Lock()  # of these two
        self._processes: list[subprocess.Popen[bytes]] = []
        self._back: SimpleQueue[tuple[Unit, Made | None]] = SimpleQueue()

    def __enter__(self) -> Helpers:
        for _ in range(processes(len(self._waiting)) - 1):
            threading.Thread(target=self._feed, daemon=True, name="netc-compile-apart").start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        with self._lock:
            self._waiting.clear()

    def next(self) -> Unit | None:
        """A unit to compile here; None: there may be one later. What has come back is loaded on the way."""
        with self._lock:
            ready = not self._back.empty()
            unit = self._waiting.popleft() if self._waiting and not ready else None
            away = bool(self._away)
        return self._taken() if unit is None and away else unit

    def _taken(self) -> Unit | None:
        """Wait for the next unit to come back; it, if nothing was made of it."""
        try:
            unit, made = self._back.get(timeout=PATIENCE)
        except Empty:
            self._give_up()
            return None
        with self._lock:
            self._away.discard(unit)
        if made is None:
            return unit
        apart(lambda: unit.take(made))
        return None

    def _give_up(self) -> None:
        """Nothing comes: what is away comes back undone."""
        for process in self._processes:
            process.kill()

    # ------------------------------------------------------------ in a thread for each process

    def _feed(self) -> None:
        """Give a process one unit after the other; it ends when there are no more."""
        try:
            process = _start()
        except OSError:
            return
        self._processes.append(process)
        assert process.stdin is not None
        assert process.stdout is not None
        unit = None
        try:
            send(process.stdin, sys.path)
            while (unit := self._take()) is not None:
                self._back.put((unit, _ask(unit, process.stdin, process.stdout)))
        except (OSError, EOFError, UnpicklingError):  # it is gone
            if unit is not None:
                self._back.put((unit, None))
        for stream in (process.stdin, process.stdout):
            with suppress(OSError):
                stream.close()
        process.wait()

    def _take(self) -> Unit | None:
        with self._lock:
            if not self._waiting:
                return None
            unit = self._waiting.popleft()
            self._away.add(unit)
            return unit


def _ask(unit: Unit, questions: IO[bytes], answers: IO[bytes]) -> Made | None:
    """What the process makes of a unit; None if it cannot. Raises OSError, EOFError, UnpicklingError if it is gone."""
    task = task_of(unit)
    if task is None:
        return None
    send(questions, task)
    found: Made | None = receive(answers)
    return found


def _start() -> subprocess.Popen[bytes]:
    """A process that no interrupt from the terminal reaches. Raises OSError."""
    return subprocess.Popen(
        [sys.executable, "-c", START],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        start_new_session=True,
    )
