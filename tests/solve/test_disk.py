"""Disks that are full, folders that cannot be written, files that are damaged: nothing that was saved is lost."""

import random
import resource
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from netc.errors import NetError
from netc.solve import Solver
from tests.solve.common import bits
from tests.solve.test_solver import build

FORMATS = ["BINARYPROTO", "HDF5"]


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Writing more fails, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def started(folder: Path, form: str = "BINARYPROTO", every: int = 4) -> tuple[Solver, Any]:
    text = f'type: "Adam" snapshot: {every} snapshot_format: {form}'
    return build(text, snapshot_prefix=str(folder / "net"))


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("room", [0, 700, 2600, 4000])
def test_a_full_disk_harms_no_snapshot(tmp_path: Path, form: str, room: int) -> None:
    """With 2600 bytes the weights fit, but not the state."""
    if form == "HDF5":
        pytest.importorskip("h5py", reason="the extra data is not installed")
    solver, log = started(tmp_path, form)
    solver.step(5)
    saved = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with files_of_at_most(room):
        solver.step(4)
    assert [d.code.id for d in log.warnings] == ["SNP020"]
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.name in saved} == saved
    assert [path.name for path in tmp_path.glob(".*")] == [".net.lock"]
    solver.solve()
    assert len(list(tmp_path.glob("net_iter_12.*"))) == 2


def test_the_last_snapshot_goes_where_there_is_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "elsewhere"))
    (tmp_path / "gone").mkdir()
    solver, _ = started(tmp_path / "gone", every=100)
    (tmp_path / "gone").rmdir()
    with pytest.raises(NetError) as caught:
        solver.solve()
    (problem,) = caught.value.diagnostics
    assert problem.code.id == "SNP020"
    assert "net_iter_12.caffemodel cannot be written: no such file or directory" in problem.message
    (state,) = (tmp_path / "elsewhere").glob("netc-*/net_iter_12.solverstate")
    assert problem.help is not None
    assert problem.help.endswith(f"go on with --snapshot {state}")
    again, _ = build('type: "Adam"')
    again.restore(state)
    assert (again.iteration, bits(again.net)) == (12, bits(solver.net))


def test_no_room_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    solver, _ = started(tmp_path, every=100)
    with files_of_at_most(100), pytest.raises(NetError) as caught:
        solver.solve()
    assert [(d.code.id, d.help) for d in caught.value.diagnostics] == [("SNP020", None)]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", FORMATS)
def test_a_damaged_state_is_refused(tmp_path: Path, form: str) -> None:
    """A flipped bit anywhere: refused, or in a place that means nothing."""
    if form == "HDF5":
        pytest.importorskip("h5py", reason="the extra data is not installed")
    whole, _ = started(tmp_path, form)
    whole.step(4)
    state = next(tmp_path.glob("*.solverstate*"))
    data, chance, refused = state.read_bytes(), random.Random(1), 0
    for _ in range(60):
        damaged = bytearray(data)
        damaged[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        state.write_bytes(damaged)
        solver, _ = build('type: "Adam"')
        fresh = bits(solver.net)
        try:
            solver.restore(state)
        except NetError:
            refused += 1
            assert (solver.iteration, bits(solver.net)) == (0, fresh)
        else:
            assert (solver.iteration, bits(solver.net)) == (4, bits(whole.net))
            updates = zip(solver.updater.history, whole.updater.history, strict=True)
            assert all((a[i] == b[i]).all() for a, b in updates for i in a)
    assert refused > 20
