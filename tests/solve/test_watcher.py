"""The process that watches a rank where no other rank hears of it."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="watchers go with their process on Linux")

RANK = """
import os, signal, time
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # which whoever started this may have told it to ignore
from netc.solve.ranks import watcher
watcher.LEAST = 1
one = watcher.Watcher(SECONDS)
while not int(open(f"/proc/{one.process}/status").read().split("SigIgn:")[1].split()[0], 16) & 1:
    time.sleep(0.01)  # until it leaves SIGHUP to the rank, which is the last that it does before it waits
"""


def ran(text: str, seconds: float = 60) -> subprocess.CompletedProcess[str]:
    """A process that is watched. Returns when it has ended, and its watcher: they share what they write to."""
    command = [sys.executable, "-c", RANK.replace("SECONDS", str(seconds)) + text]
    return subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)


def test_a_rank_that_meets_and_ends_in_time_is_left_alone() -> None:
    done = ran("one.met(); time.sleep(2); one.parted(); print('whole')", 1.5)
    assert (done.returncode, done.stdout, done.stderr) == (0, "whole\n", "")


@pytest.mark.parametrize("done_to", ["SIGSTOP", "SIGKILL"])
@pytest.mark.parametrize("then", ["one.met(); one.parted()", "one.end()"])
def test_nobody_waits_for_a_watcher(done_to: str, then: str) -> None:
    done = ran(f"os.kill(one.process, signal.{done_to}); time.sleep(0.1); {then}; print('whole')")
    assert (done.returncode, done.stdout, done.stderr) == (0, "whole\n", "")


def test_a_rank_that_does_not_meet_the_others_is_ended() -> None:
    done = ran("time.sleep(100)", 1)
    assert done.returncode == -signal.SIGKILL
    assert "error[SOL045]: the ranks have not met within 1 seconds: all of them end" in done.stderr


def test_a_rank_that_hangs_at_its_end_is_ended() -> None:
    done = ran("one.met(); one.parted(); os.kill(os.getpid(), signal.SIGSTOP)", 1)
    assert done.returncode == -signal.SIGKILL
    assert "error[SOL045]: the training is over, but a rank has not ended within 1 seconds since" in done.stderr
