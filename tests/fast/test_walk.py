"""Teams of threads: more than there are cores, and after a fork."""

import os
import sys

import numpy as np
import pytest

from netc.fast.machine import walk
from netc.fast.machine.addresses import floats
from netc.fast.machine.launch import Region, Start, bind
from netc.fast.machine.layout import Halo, blocked
from netc.fast.machine.moves import scaled
from netc.fast.machine.operands import Update, entry
from netc.fast.machine.walk import Team


def table(array):
    blob = blocked(0, (2, 16, 8, 8), Halo())
    return bind([scaled(blob, blob, 2)] * 5, lambda _: array.ctypes.data)


def run(team):
    array = np.ones(2 * 16 * 64, np.float32)
    team.run(table(array))
    return array


@pytest.mark.parametrize("threads", [1, 2, 9])
def test_each_row_ends_before_the_next_starts(threads):
    team = Team(threads)
    for _ in range(20):
        assert np.all(run(team) == 32)
    team.close()


def test_rows_begin_where_what_they_need_has_ended():
    """Rows that the first thread does alone count as one part, others as many as there are threads."""
    first, second = blocked(0, (2, 16, 8, 8), Halo()), blocked(1, (2, 16, 8, 8), Halo())
    launches = [scaled(blob, blob, 2) for blob in (first, second, first, second, first)]
    for starts in ([0, 0, 1, 2, 3], [0, 0, 2, 2, 4]):
        for lonely in range(32):
            arrays = [np.ones(2 * 16 * 64, np.float32) for _ in range(2)]
            given = [Start(after, lonely >> i & 1 == 1) for i, after in enumerate(starts)]
            team = Team(3)
            team.run(bind(launches, lambda i, arrays=arrays: arrays[i].ctypes.data, given))
            team.close()
            assert np.all(arrays[0] == 8)
            assert np.all(arrays[1] == 4)


def test_workers_that_come_late_are_not_waited_for():
    """Theirs are the rows from the one on at which they come; here that is none."""
    team, array = Team(4), np.ones(2 * 16 * 64, np.float32)
    team._start()
    held, team._queues = team._queues, []  # nobody is told
    team.run(table(array))
    assert np.all(array == 32)
    team._queues = held
    team.run(table(array))
    assert np.all(array == 1024)
    team.close()


@pytest.mark.parametrize("sleeps", [True, False])
def test_whoever_waits_sleeps(sleeps, monkeypatch):
    """A row's last part is done after the others have slept; also where the system knows no futex."""
    team = Team(3)
    if not sleeps:
        monkeypatch.setattr(walk, "FUTEX", {})
        team._system = walk._how_to_sleep()
        assert team._system[1] == 0
    array = np.ones(2 * 16 * 64, np.float32)
    rows = bind([_slow(target=Region(0, 0, array.nbytes), turns=1 << 21)] * 6, lambda _: array.ctypes.data)
    for _ in range(3):
        array[:3] = 0
        team.run(rows)
        assert array[:3].tolist() == [6, 6, 6]
    team.close()


@entry
def _slow(tid: int, nth: int, target: Update[Region], turns: int) -> None:
    """Thread 2 counts to `turns` before it does what the others do."""
    total = 0
    if tid == 2:
        for i in range(turns):
            total ^= i * i + tid
    floats(target, 3)[tid] += 1 + total * 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_child_makes_its_own_threads():
    team = Team(2)
    run(team)
    child = os.fork()
    if child == 0:
        ok = bool(np.all(run(team) == 32))
        os._exit(0 if ok else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert np.all(run(team) == 32)
    assert sys.platform != "win32"
