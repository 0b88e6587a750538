"""Signals while a solver works: Ctrl-C stops it, a second one ends the process, SIGHUP snapshots."""

from __future__ import annotations

import os
import signal
import socket
import threading
from typing import Any

from netc.cli import _output
from netc.cli._progress import Progress
from netc.solve import Solver

STOPPING = (signal.SIGINT, signal.SIGTERM)


class Signals:
    """SIGINT and SIGTERM stop after the batch that runs, the second one ends the process at once; SIGHUP snapshots.

    Python's own handlers wait for the kernel that runs to end. The second Ctrl-C must not: so a thread reads the
    numbers of the signals from a socket that they are written to as they arrive.
    """

    def __init__(self, solver: Solver, progress: Progress) -> None:
        self.solver = solver
        self.progress = progress
        self.before: dict[int, Any] = {}

    def __enter__(self) -> Signals:
        self._reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)
        self._wakeup = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        threading.Thread(target=_watch, args=(self._reader,), daemon=True).start()
        self.before = {s: signal.signal(s, self._stop) for s in STOPPING}
        if hasattr(signal, "SIGHUP"):
            self.before[signal.SIGHUP] = signal.signal(signal.SIGHUP, lambda *_: self.solver.request_snapshot())
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup)
        self._writer.close()

    def _stop(self, _number: int, _frame: object) -> None:
        if self.progress.interrupted:
            os._exit(130)
        self.progress.interrupted = True
        self.solver.request_stop()
        self.progress.stop_bars()
        _output.say("stopping after this batch; Ctrl-C again stops at once")


def _watch(reader: socket.socket) -> None:
    """Snapshots are written beside their place and renamed, so that ending at any moment harms none."""
    count = 0
    with reader:
        while received := reader.recv(64):
            count += sum(number in STOPPING for number in received)
            if count > 1:
                os._exit(130)
