"""A limit for the time until all ranks have met, which MPI itself waits for without end.

Until then no rank can say that it is there, and MPI's start holds Python's interpreter, so no thread and no handler of
a signal runs. Another process watches: it has nothing to do but to wait.
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from netc.errors import Diagnostic
from netc.solve.ranks.codes import SILENT


@contextmanager
def met_within(seconds: float) -> Iterator[None]:
    """End this process, and by that all ranks, unless the block ends in time. Says so on stderr (SOL045).

    On systems without `fork` nothing is watched.
    """
    if not hasattr(os, "fork"):
        yield
        return
    ended, begun = os.pipe()  # of which the kernel closes the other end, too, however this process ends
    watcher = os.fork()
    if not watcher:
        os.close(begun)
        _watch(ended, seconds, os.getppid())
    os.close(ended)
    try:
        yield
    finally:
        os.close(begun)
        os.waitpid(watcher, 0)


def _watch(ended: int, seconds: float, process: int) -> None:
    try:
        for each in (signal.SIGINT, signal.SIGTERM):  # the launcher's are for the rank
            signal.signal(each, signal.SIG_IGN)
        if not select.select([ended], [], [], seconds)[0]:
            message = f"the ranks have not met within {seconds:g} seconds: all of them end"
            os.write(2, f"{Diagnostic(SILENT, message, help=SILENT.fix).render()}\n".encode("utf-8", "replace"))
            os.kill(process, signal.SIGKILL)
    finally:
        os._exit(0)
