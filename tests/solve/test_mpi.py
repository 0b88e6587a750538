"""Ranks that are processes of a real launcher: the bits of one process. `tests/attack/test_ranks.py` kills some."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import netc
from netc.solve.ranks import ALONE, Ranks, ranks_of_launcher
from tools.attack._launched import NET, command, descendants, launcher, missing, said, start

RULES = ("SGD", "Adam", "AdaGrad")
LAUNCHER = launcher()
RATE = 'base_lr: 0.05 lr_policy: "fixed"'
pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())

LONG = f"{RATE} snapshot: 5 max_iter: 100000 display: 0"


class Run:
    """`mpiexec -n SIZE netc train`, in a folder."""

    def __init__(self, folder: Path, size: int, settings: str, *options: str) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.process = start(folder, size, NET.replace("SETTINGS", settings), *options)

    @property
    def said(self) -> str:
        return said(self.folder)

    def ended(self, timeout: float = 120) -> int:
        """The exit code."""
        return self.process.wait(timeout)


@pytest.fixture
def started() -> Iterator[list[Run]]:
    """Runs that are ended with the test, whatever becomes of it."""
    runs: list[Run] = []
    yield runs
    for run in runs:
        if run.process.poll() is None:
            for pid in [*descendants(run.process.pid), run.process.pid]:
                os.kill(pid, signal.SIGKILL)
            run.process.wait()


@pytest.mark.parametrize("size", [2, 4])
def test_ranks_give_the_bits_of_one_process(tmp_path: Path, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one launch, since starting takes longer than training: three rules, and the bits of this process."""
    alone, several = tmp_path / "alone", tmp_path / "several"
    alone.mkdir()
    several.mkdir()
    monkeypatch.chdir(alone)  # snapshots name their own place
    train_all(1, ALONE)
    driver = "from tests.solve.test_mpi import drive; drive()"
    ranks = [str(LAUNCHER), "-n", str(size), sys.executable, "-c", driver, str(several), str(size)]
    root = Path(__file__).parents[2]
    done = subprocess.run(ranks, cwd=root, capture_output=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr.decode()
    found, wanted = ({path.name: path.read_bytes() for path in folder.iterdir()} for folder in (several, alone))
    assert len(wanted) == 2 * 2 * len(RULES) + 1
    assert found == wanted


def drive() -> None:
    """What each rank runs: two of them exchange beside backward, four after it."""
    folder, size = sys.argv[1:]
    ranks = ranks_of_launcher(30, "on" if size == "2" else "off")
    assert ranks.overlaps(threads=1) == (size == "2")
    assert ranks.size == int(size)
    os.chdir(folder)
    train_all(ranks.size, ranks)
    ranks.close()


def train_all(size: int, ranks: Ranks) -> None:
    """Train with each rule; in the working folder are then snapshots, and the tests' results."""
    results = []
    for rule in RULES:
        text = NET.replace(
            "SETTINGS",
            f'{RATE} type: "{rule}" max_iter: 6 snapshot: 3 test_interval: 4 display: 1 iter_size: {4 // size}',
        )
        path = Path(f"../{size}-{ranks.rank}.net")
        path.write_text(text)
        solver = netc.Solver(path, ranks=ranks, threads=1, keep_gradients=False, changes={"snapshot_prefix": rule})
        solver.solve()
        results += [{name: float(value) for name, value in r.outputs.items()} for r in solver.results]
    if ranks.rank == 0:
        Path("results").write_text(json.dumps(results))


def test_sigterm_to_the_launcher_snapshots(tmp_path: Path, started: list[Run]) -> None:
    run = Run(tmp_path, 2, LONG.replace("snapshot: 5", "snapshot: 1000000"))
    started.append(run)
    end = time.monotonic() + 100
    while "metrics.jsonl" not in str(list(tmp_path.iterdir())):
        assert time.monotonic() < end, run.said
        time.sleep(0.05)
    time.sleep(1)
    run.process.send_signal(signal.SIGTERM)
    assert run.ended(60) == 130
    assert len(list(tmp_path.glob("net_iter_*"))) == 2


def test_a_rank_that_never_comes_is_not_waited_for(tmp_path: Path) -> None:
    """MPI's own start waits for all ranks without end; the second one here is no rank at all.

    MPICH's launcher ends it with the first, and now and then, on a busy machine, waits for it.
    """
    (tmp_path / "net.net").write_text(NET.replace("SETTINGS", f"{RATE} max_iter: 2"))
    sleeper = [sys.executable, "-c", "import time; time.sleep(20)"]
    both = [str(LAUNCHER), "-n", "1", *command("net.net", "--mpi-timeout", "1"), ":", "-n", "1", *sleeper]
    done = subprocess.run(both, cwd=tmp_path, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode != 0
    assert "error[SOL045]: the ranks have not met within 1 seconds: all of them end" in done.stderr


def test_what_all_ranks_find_is_said_once(tmp_path: Path) -> None:
    run = Run(tmp_path, 2, "base_lr: 1 max_iter: 2 base_lr: 3")
    assert run.ended(60) == 1
    assert run.said.count("SCH006") == 1
    assert "Traceback" not in run.said
