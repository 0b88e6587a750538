"""Kernels that other processes compile: the same ones, and nothing is lost or left over if a process is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
COUNT = 6
MODULE = """
from netc.fast.machine.addresses import integers
from netc.fast.machine.launch import Region
from netc.fast.machine.operands import Write, entry_with
from netc.jit import kernel

BASE = 100

@kernel
def shifted(x):
    return x + 1

def made(n):
    @entry_with(shift=shifted)
    def body(tid: int, nth: int, y: Write[Region]) -> None:
        integers(y, 1)[0] = shift(BASE + n)
    return body
"""
RUN = """
import os, sys
sys.path.insert(0, sys.argv[1])
import numpy as np
import entries_of_a_user as m
from netc.fast.machine.launch import Region, bind
from netc.fast.machine.walk import Team
from netc.jit import compile_all, helpers, units

{before}
here, started = [], []
make, start = units.Unit.make, helpers._start
def counted(unit):
    here.append(unit)
    return make(unit)
def shown():
    started.append(start())
    print("helper", started[-1].pid, flush=True)
    return started[-1]
units.Unit.make, helpers._start = counted, shown
entries = [m.made(n) for n in range({count})]
compile_all(entries)
y = np.zeros(1, np.int64)
found = []
for one in entries:
    Team(1).run(bind([one(y=Region(0, 0, 8))], lambda a: y.ctypes.data))
    found.append(int(y[0]))
print(found)
print("here", len(set(here) & set(entries)))
for process in started:
    process.wait(20)
try:
    os.waitpid(-1, os.WNOHANG)
    print("a child is left")
except ChildProcessError:
    print("no child is left")
"""
EXPECTED = str([101 + n for n in range(COUNT)])


def command(folder: Path, before: str = "") -> list[str]:
    (folder / "entries_of_a_user.py").write_text(MODULE)
    return [sys.executable, "-c", RUN.format(before=before, count=COUNT), str(folder)]


def environment(folder: Path, processes: str) -> dict[str, str]:
    own = {"NETC_CACHE_DIR": str(folder / f"cache{processes}"), "PYTHONPATH": str(ROOT)}
    return {**os.environ, **own, "NETC_COMPILERS": processes}


def run(folder: Path, before: str = "", processes: str = "2") -> list[str]:
    done = subprocess.run(
        command(folder, before), env=environment(folder, processes), capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return [line for line in done.stdout.splitlines() if not line.startswith("helper")]


def test_two_processes_share_the_work(tmp_path: Path) -> None:
    found, here, left = run(tmp_path)
    assert found == EXPECTED
    assert int(here.removeprefix("here ")) < COUNT
    assert left == "no child is left"
    assert run(tmp_path)[1] == "here 0"


def test_what_they_make_has_the_same_names(tmp_path: Path) -> None:
    """In the cache, a kernel is known by what it is made of, and not by who made it."""
    run(tmp_path)
    run(tmp_path, processes="1")
    shared, alone = ({path.name for path in (tmp_path / f"cache{n}").glob("*.kernel")} for n in "21")
    assert shared == alone


@pytest.mark.parametrize(
    "before",
    [
        "helpers.START = 'import sys; sys.exit(1)'",
        "helpers.START = 'import sys, time; sys.stdin.buffer.read(1); sys.stdout.write(\"nonsense\")'",
        "helpers._start = lambda: (_ for _ in ()).throw(FileNotFoundError())",
        "sys.executable = ''",
        "sys.executable = '/bin/false'",
    ],
)
def test_a_process_that_is_no_help(before: str, tmp_path: Path) -> None:
    found, _, left = run(tmp_path, before)
    assert (found, left) == (EXPECTED, "no child is left")


def test_a_process_that_says_nothing(tmp_path: Path) -> None:
    before = "helpers.PATIENCE = 0.5; helpers.START = 'import sys; sys.stdin.read()'"
    found, here, left = run(tmp_path, before)
    assert (found, here, left) == (EXPECTED, f"here {COUNT}", "no child is left")


def test_other_values_are_not_made_elsewhere(tmp_path: Path) -> None:
    """A helper sees the module as its file has it; here a value has changed since."""
    found, here, _ = run(tmp_path, "m.BASE = 200")
    assert found == str([201 + n for n in range(COUNT)])
    assert here == f"here {COUNT}"


@pytest.mark.skipif(os.name != "posix", reason="this system has no signals as POSIX has")
def test_an_interrupt_ends_all(tmp_path: Path) -> None:
    """Ctrl-C goes to all processes of the terminal; who has started others sees to their end."""
    before = "import time; units_make = units.Unit.make\n"
    before += "units.Unit.make = lambda unit: (time.sleep(2), units_make(unit))[1]"
    process = subprocess.Popen(
        command(tmp_path, before), env=environment(tmp_path, "2"), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    helper = int(process.stdout.readline().removeprefix("helper "))
    time.sleep(1)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "KeyboardInterrupt" in errors
    for _ in range(200):
        if not Path(f"/proc/{helper}").exists() and Path("/proc/self").exists():
            return
        time.sleep(0.1)
    with pytest.raises(ProcessLookupError):
        os.kill(helper, 0)


def test_a_wrong_number_of_processes(tmp_path: Path) -> None:
    done = subprocess.run(
        command(tmp_path), env=environment(tmp_path, "many"), capture_output=True, text=True, check=False
    )
    assert "RUN003" in done.stderr
