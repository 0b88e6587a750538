"""A process beside each rank, which ends it where it hangs while no other rank hears of it: at its start and its end.

Until all ranks have met no rank can say that it is there, and MPI's start holds Python's interpreter, so that no thread
and no handler of a signal runs. When they have parted nobody listens, and MPI's end waits for all of them, too. Another
process has nothing to do but to wait. It may be stopped or killed itself: no rank waits for it.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
from contextlib import suppress

from netc.errors import Diagnostic
from netc.solve.ranks.codes import SILENT

LEAST = 20.0  # seconds for the end of a process that has parted from the others: memory of large nets is given back
MET, PARTED = b"m", b"p"
WITH_PARENT = 1  # Linux's PR_SET_PDEATHSIG: which signal a process gets when the one that started it has ended


class Watcher:
    """Ends this process (SIGKILL), and by that all ranks, where it does not meet the others, or end, in time (SOL045).

    seconds: from now to `met`; and from `parted` to the end of the process, or LEAST if that is more.
    On systems without `fork` nothing is watched.
    """

    def __init__(self, seconds: float) -> None:
        self.process = 0  # the watcher's id; 0 where there is none
        if not hasattr(os, "fork"):
            return
        said, self._say = os.pipe()  # of which the kernel closes the other end, too, however this process ends
        rank = os.getpid()
        self.process = os.fork()
        if not self.process:
            os.close(self._say)
            _watch(said, seconds, rank)
        os.close(said)

    def met(self) -> None:
        """The ranks have met: from now on they hear of each other."""
        self._tell(MET)

    def parted(self) -> None:
        """The ranks will not hear of each other any more: this process must end soon."""
        self._tell(PARTED)

    def _tell(self, word: bytes) -> None:
        if self.process:
            with suppress(BrokenPipeError):  # it has been killed
                os.write(self._say, word)

    def end(self) -> None:
        """Watch no longer."""
        if self.process:
            os.kill(self.process, signal.SIGKILL)  # which also one that is stopped takes
            os.waitpid(self.process, 0)
            os.close(self._say)
            self.process = 0


def _watch(said: int, seconds: float, rank: int) -> None:
    """What the watcher does, to its end."""
    try:
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(WITH_PARENT, signal.SIGKILL)
        for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):  # the launcher's are for the rank
            signal.signal(each, signal.SIG_IGN)
        missed = f"the ranks have not met within {seconds:g} seconds: all of them end"
        limit: float | None = seconds
        while select.select([said], [], [], limit)[0]:
            word = os.read(said, 1)
            if not word:
                return
            limit = None if word == MET else max(seconds, LEAST)
            missed = f"the training is over, but a rank has not ended within {limit} seconds since: it is killed"
        os.write(2, f"{Diagnostic(SILENT, missed, help=SILENT.fix).render()}\n".encode("utf-8", "replace"))
        if os.getppid() == rank:
            os.kill(rank, signal.SIGKILL)
    finally:
        os._exit(0)
