"""One run a prefix: locks that go with their process."""

import errno
import fcntl
import gc
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from netc.errors import NetError
from netc.solve import Solver, locks
from netc.solve.locks import Claim
from tests.solve.test_solver import build

HOLD = """
import sys
from netc.solve.locks import Claim
claim = Claim(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def held_elsewhere(prefix: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that holds a prefix; the caller may kill it."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(prefix)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    try:
        yield process
    finally:
        process.communicate()


def started(folder: Path, **options: Any) -> tuple[Solver, Any]:
    return build("snapshot: 4", snapshot_prefix=str(folder / "net"), **options)


def test_a_prefix_in_use_is_refused_and_free_afterwards(tmp_path: Path) -> None:
    with held_elsewhere(tmp_path / "net") as process:
        solver, _ = started(tmp_path)
        for run in (solver.solve, lambda: solver.step(1), solver.snapshot):
            with pytest.raises(NetError) as caught:
                run()
            assert [d.code.id for d in caught.value.diagnostics] == ["SNP029"]
            assert f"process {process.pid} on " in str(caught.value)
        assert solver.iteration == 0
        assert os.listdir(tmp_path) == [".net.lock"]
    assert os.listdir(tmp_path) == []
    solver.solve()
    assert not list(tmp_path.glob(".*"))


def test_the_lock_goes_with_a_process_that_is_killed(tmp_path: Path) -> None:
    with held_elsewhere(tmp_path / "net") as process:
        process.kill()
    assert os.listdir(tmp_path) == [".net.lock"]  # it means nothing
    solver, log = started(tmp_path)
    solver.solve()
    assert (solver.iteration, log.warnings) == (12, [])
    assert not list(tmp_path.glob(".*"))


def test_what_the_killed_run_was_writing_is_removed(tmp_path: Path) -> None:
    for name in (".net_iter_4.caffemodel.0123456789abcdef.tmp", ".other_iter_4.caffemodel.0123456789abcdef.tmp"):
        (tmp_path / name).touch()
    solver, _ = started(tmp_path)
    solver.solve()
    assert [path.name for path in tmp_path.glob(".*")] == [".other_iter_4.caffemodel.0123456789abcdef.tmp"]


def test_other_names_of_the_same_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    monkeypatch.chdir(tmp_path)
    with held_elsewhere(tmp_path / "net"):
        for prefix in ("net", "./net", "link/net", str(tmp_path / "link" / ".." / tmp_path.name / "net")):
            with pytest.raises(NetError):
                Claim(prefix)
        Claim("net2").release()


def test_it_can_be_told_to_start_all_the_same(tmp_path: Path) -> None:
    with held_elsewhere(tmp_path / "net"):
        solver, _ = started(tmp_path, lock=False)
        solver.solve()
    assert solver.iteration == 12


def test_without_snapshots_nothing_is_held(tmp_path: Path) -> None:
    with held_elsewhere(tmp_path / "net"):
        solver, _ = build("snapshot_after_train: false", snapshot_prefix=str(tmp_path / "net"))
        solver.solve()
        with pytest.raises(NetError):
            solver.snapshot()


def test_it_is_held_between_steps_and_until_the_solver_is_gone(tmp_path: Path) -> None:
    solver, _ = started(tmp_path)
    solver.step(1)
    assert (tmp_path / ".net.lock").exists()
    program = HOLD.replace("sys.stdin.read()", "raise SystemExit(7)")
    run = [sys.executable, "-c", program, str(tmp_path / "net")]
    assert b"SNP029" in subprocess.run(run, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False).stderr
    again, _ = started(tmp_path)  # a script that makes its solver anew
    again.step(1)
    del solver
    gc.collect()
    assert (tmp_path / ".net.lock").exists()
    del again
    gc.collect()
    assert subprocess.run(run, stdin=subprocess.DEVNULL, check=False).returncode == 7
    assert os.listdir(tmp_path) == []


def test_two_threads_may_not_train_with_one_prefix(tmp_path: Path) -> None:
    (one, log), (other, _) = started(tmp_path), started(tmp_path)
    refused: list[str] = []

    def second(_: object) -> None:
        def train() -> None:
            try:
                other.solve()
            except NetError as error:
                refused.append(error.diagnostics[0].code.id)

        thread = threading.Thread(target=train)
        thread.start()
        thread.join()

    log.at_step = second
    one.solve()
    assert refused == ["SNP029"] * 12
    other.solve()
    assert other.iteration == 12


@pytest.mark.parametrize("error", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int) -> None:
    def flock(*_: object) -> None:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(fcntl, "flock", flock)
    solver, log = started(tmp_path)
    solver.solve()
    assert [d.code.id for d in log.warnings] == ["SNP030"]
    assert (solver.iteration, len(list(tmp_path.glob("net_iter_*")))) == (12, 6)


@pytest.mark.parametrize("kind", ["fifo", "link", "folder"])
def test_hostile_lock_files(tmp_path: Path, kind: str) -> None:
    at, victim = tmp_path / ".net.lock", tmp_path / "victim"
    victim.write_bytes(b"precious")
    {"fifo": lambda: os.mkfifo(at), "link": lambda: at.symlink_to(victim), "folder": at.mkdir}[kind]()
    solver, log = started(tmp_path)
    solver.solve()
    assert [d.code.id for d in log.warnings] == ["SNP030"]
    assert victim.read_bytes() == b"precious"


def test_many_processes_at_once(tmp_path: Path) -> None:
    """Of processes that start together one is first; the others are refused, whatever the moment."""
    program = HOLD.replace("sys.stdin.read()", "import time; time.sleep(0.01)")
    command = [sys.executable, "-c", program, str(tmp_path / "net")]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(8)]
    answers = [process.communicate() for process in running]
    assert all(out == b"held\n" or b"SNP029" in err for out, err in answers), answers
    assert any(out == b"held\n" for out, _ in answers)
    assert os.listdir(tmp_path) == []


def test_a_fork_holds_nothing(tmp_path: Path) -> None:
    claim = Claim(str(tmp_path / "net"))
    child = os.fork()
    if child == 0:
        claim.release()
        os._exit(0)
    os.waitpid(child, 0)
    assert locks.lock_path(str(tmp_path / "net")).exists()
    claim.release()
    assert os.listdir(tmp_path) == []
