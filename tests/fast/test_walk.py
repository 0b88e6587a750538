"""Teams of threads: more than there are cores, and after a fork."""

import os
import sys

import numpy as np
import pytest

from netc.fast.machine.launch import bind
from netc.fast.machine.layout import Halo, blocked
from netc.fast.machine.moves import scaled
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


def test_parts_of_a_table():
    array = np.ones(2 * 16 * 64, np.float32)
    team, rows = Team(3), table(array)
    team.run(rows, 1, 3)
    team.run(rows, 2, 2)
    assert np.all(array == 4)


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
