"""Kill or stop ranks of a training run at random moments, go on with another number of ranks, and compare.

A run in one process goes through first. Then `mpiexec` starts the same batches on 1, 2 or 4 ranks, going on from the
newest state file; after a random time one rank is killed (SIGKILL) or stopped (SIGSTOP: it hangs), or the launcher is
asked to end (SIGTERM), or the process that watches a rank is stopped, which must change nothing. All processes must be
gone within a minute, and all snapshots written since must be, byte for byte, those of the run in one process. Needs
mpi4py and an mpiexec; Linux only.
"""

from __future__ import annotations

import math
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from tools.attack import Tally
from tools.attack._launched import NET, descendants, missing, said, start

WHAT = ("kill", "stop", "end", "kill", "stop a watcher")
ITERATIONS, BATCHES = 40, 4  # of a whole run, an even number; of an iteration, of all ranks together
LONGEST = 60.0  # seconds from what is done to a rank to the end of all
STEP = 0.1
COUNTED = {
    "kill": "ranks killed",
    "stop": "ranks stopped",
    "end": "launchers asked to end",
    "stop a watcher": "watchers stopped",
}
TIMEOUT = 10  # seconds after which a rank that hangs, or does not come, is missed
SETTINGS = """type: "Adam" base_lr: 0.002 lr_policy: "step" gamma: 0.9 stepsize: 20 max_iter: ITERATIONS display: 0
test_interval: 10 snapshot: 2 iter_size: SIZE"""


def ranks_of(pid: int) -> dict[int, list[int]]:
    """The processes of a launcher that train, each with those that it has started: its watcher."""
    theirs = {child: descendants(child) for child in descendants(pid) if _trains(child)}
    return {rank: started for rank, started in theirs.items() if not any(rank in s for s in theirs.values())}


def _trains(pid: int) -> bool:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return b"netc" in command and b"train" in command


class Campaign:
    """The folder of the runs, the snapshots that must come out, and what has been seen."""

    def __init__(self, base: Path, chance: random.Random, tally: Tally, iterations: int, timeout: int) -> None:
        self.base, self.chance, self.tally = base, chance, tally
        self.iterations, self.timeout = iterations, timeout
        self.folder = base / "killed"
        self.folder.mkdir()
        whole = base / "whole"
        whole.mkdir()
        self.start(whole, 1).wait()
        self.wanted = {path.name: path.read_bytes() for path in whole.glob("net_iter_*")}
        self.seen: set[str] = set()
        self.slowest = 0.0

    def start(self, folder: Path, size: int) -> subprocess.Popen[bytes]:
        """Start a run, or go on with it, on so many ranks."""
        settings = SETTINGS.replace("ITERATIONS", str(self.iterations)).replace("SIZE", str(BATCHES // size))
        states = sorted(folder.glob("net_iter_*.solverstate"), key=lambda path: int(path.stem.split("_")[-1]))
        options = ["--snapshot", states[-1].name] if states else []
        net = NET.replace("SETTINGS", settings)
        return start(folder, size, net, "--mpi-timeout", str(self.timeout), *options)

    def once(self, what: str, seconds: float) -> None:
        """Start on some ranks, do something to one of them at some moment, and look at what is left."""
        if f"net_iter_{self.iterations}.solverstate" in self.seen:
            shutil.rmtree(self.folder)
            self.folder.mkdir()
            self.seen = set()
        size = self.chance.choice((2, 4))
        process = self.start(self.folder, size)
        try:
            process.wait(self.chance.uniform(0, seconds))
        except subprocess.TimeoutExpired:
            self.do(what, process)
        self.end(process, f"{what}, {size} ranks")
        self.compare(f"{what}, {size} ranks")

    def do(self, what: str, process: subprocess.Popen[bytes]) -> None:
        """Do it to the launcher, to one of the ranks, or to what one of them has started, if there are any by now."""
        ranks = ranks_of(process.pid)
        found = [pid for pids in ranks.values() for pid in pids] if what == "stop a watcher" else list(ranks)
        if what == "end" or not found:
            what = "end"
            process.send_signal(signal.SIGTERM)
        else:
            with suppress(ProcessLookupError):  # it has just ended
                os.kill(self.chance.choice(found), signal.SIGKILL if what == "kill" else signal.SIGSTOP)
        self.tally.add(COUNTED[what])

    def end(self, process: subprocess.Popen[bytes], what: str) -> None:
        """Wait until all processes are gone; what is left after a minute is a failure, and is killed.

        The minute is counted in steps, so that nothing fails where the whole machine has slept.
        """
        own, waited = descendants(process.pid), 0.0
        while (left := self._left(process, own)) and waited < LONGEST:
            time.sleep(STEP)
            waited += STEP
        if left:
            self.fail(f"{what}: {len(left)} processes are left after {LONGEST:g} s")
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
        self.slowest = max(self.slowest, waited)

    @staticmethod
    def _left(process: subprocess.Popen[bytes], own: list[int]) -> list[int]:
        launchers = [process.pid] if process.poll() is None else []
        return [*launchers, *(pid for pid in {*own, *descendants(process.pid)} if _is_alive(pid))]

    def compare(self, what: str) -> None:
        new = {path.name for path in self.folder.glob("net_iter_*")} - self.seen
        self.seen |= new
        self.tally.add("snapshot files compared", len(new))
        for name in sorted(new):
            if name in self.wanted and (self.folder / name).read_bytes() != self.wanted[name]:
                self.fail(f"{what}: {name} differs from that of one process")

    def fail(self, message: str) -> None:
        self.tally.fail(f"{message}\n{said(self.folder)[-2000:]}")


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def run(count: int, seed: int, iterations: int = ITERATIONS, timeout: int = TIMEOUT) -> Tally:
    """Do something to a rank, or to the launcher, `count` times.

    timeout: where it is too short for the machine, runs end by themselves, which is nothing wrong.
    """
    tally = Tally()
    if why := missing():
        tally.fail(why)
        return tally
    with tempfile.TemporaryDirectory() as name:
        began = time.monotonic()
        campaign = Campaign(Path(name), random.Random(seed), tally, iterations, timeout)
        seconds = time.monotonic() - began
        for number in range(count):
            tally.add("launches")
            campaign.once(WHAT[number % len(WHAT)], seconds)
        tally.add("seconds until all had ended, at most", math.ceil(campaign.slowest))
    return tally
