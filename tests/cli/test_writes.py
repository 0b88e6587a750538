"""What a net's layers may write: only when it is trained, tested or run, and only where the user works."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import netc
from netc import caffe
from netc.api.gradcheck import gradcheck
from netc.cli import cli
from netc.errors import NetError
from tests.cli.conftest import SMALL, environment

LAYER = 'layer { name: "out" type: "HDF5Output" bottom: "ip" bottom: "label" hdf5_output_param { file_name: "%s" } }'


def write_net(folder: Path, file_name: object) -> Path:
    path = folder / "small.net"
    path.write_text(SMALL.replace('layer { name: "accuracy"', f'{LAYER % file_name}\nlayer {{ name: "accuracy"'))
    return path


def command(*arguments: object) -> int:
    return int(cli.main([str(a) for a in arguments], standalone_mode=False) or 0)


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the user works; `victim` lies beside it, and is an HDF5 file."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    with h5py.File(tmp_path / "victim", "w") as file:
        file["precious"] = [1.0]
    return tmp_path / "work"


def weights(work: Path) -> Path:
    (work / "plain.net").write_text(SMALL)
    assert command("train", "plain.net", "--iterations", 1, "--json") == 0
    return work / "small_iter_1.caffemodel"


QUIET: dict[str, Callable[[Path], object]] = {
    "check": lambda net: command("check", net),
    "summary": lambda net: command("summary", net),
    "time": lambda net: command("time", net, "--iterations", 1),
    "gradcheck": lambda net: list(gradcheck(netc.load(net), batch=2, values=1)),
    "overfit": lambda net: netc.Solver(net, overfit=2, changes={"max_iter": 2}).solve(),
    "synthetic": lambda net: netc.Net(net, "TRAIN", synthetic=True).forward(),
}


@pytest.mark.parametrize("what", QUIET)
@pytest.mark.parametrize("place", ["outside", "inside"])
def test_looking_at_a_net_writes_nothing(work: Path, what: str, place: str) -> None:
    victim = work.parent / "victim"
    before = victim.read_bytes()
    net = write_net(work, victim if place == "outside" else "out.h5")
    QUIET[what](net)
    assert victim.read_bytes() == before
    assert not list(work.glob("*.h5"))


RUNS: dict[str, Callable[[Path, Path, dict[str, Any]], object]] = {
    "train": lambda net, _, o: netc.Solver(net, changes={"max_iter": 2}, **o).solve(),
    "forward": lambda net, _, o: [netc.Net(net, "TEST", **o).forward()],
    "test command": lambda net, w, o: command("test", net, "--weights", w, "--iterations", 2, *flags(o)),
    "train command": lambda net, _, o: command("train", net, "--iterations", 2, "--json", *flags(o)),
    "pycaffe": lambda net, _, o: pycaffe(net, o),
}


def flags(options: dict[str, Any]) -> list[str]:
    return ["--allow-writes"] if options else []


def pycaffe(net: Path, options: dict[str, Any]) -> None:
    caffe.allow_writes(bool(options))
    try:
        caffe.Net(str(net), caffe.TEST).forward()
    finally:
        caffe.allow_writes(False)


@pytest.mark.parametrize("what", RUNS)
@pytest.mark.parametrize("kind", ["absolute", "up", "link"])
def test_files_outside_the_working_folder(work: Path, what: str, kind: str) -> None:
    """Refused at the field, before anything runs; written if the user says so."""
    victim, trained = work.parent / "victim", weights(work)
    (work / "link.h5").symlink_to(victim)
    name = {"absolute": str(victim), "up": "../victim", "link": "link.h5"}[kind]
    net, before = write_net(work, name), victim.read_bytes()
    with pytest.raises((NetError, RuntimeError)) as caught:
        RUNS[what](net, trained, {})
    error = caught.value if isinstance(caught.value, NetError) else caught.value.__cause__
    text = str(caught.value)
    assert "LAY115" in text
    assert "it is outside the working folder" in text
    if isinstance(error, NetError):
        (found,) = error.diagnostics
        assert found.code.id == "LAY115"
        assert found.span is not None
        assert found.span.source.text[found.span.start : found.span.end] == f'"{name}"'
    assert victim.read_bytes() == before
    RUNS[what](net, trained, {"allow_writes": True})
    with h5py.File(victim) as file:
        assert set(file) == {"data", "label"}


@pytest.mark.parametrize("executor", ["reference", "fast"])
def test_files_inside_are_written_row_by_row(work: Path, executor: str) -> None:
    net = netc.Net(write_net(work, "out.h5"), "TEST", executor=executor, keep=True)
    found = [net.forward() and net.blobs["ip"].copy() for _ in range(3)]
    with h5py.File(work / "out.h5") as file:
        np.testing.assert_array_equal(file["data"], np.concatenate(found))
    assert sorted(path.name for path in work.iterdir()) == ["out.h5", "small.net"]


@pytest.mark.parametrize("there", [b"text that is no HDF5", b"\x0a\x05small"])
def test_a_file_of_another_kind_is_not_replaced(work: Path, there: bytes) -> None:
    (work / "model.caffemodel").write_bytes(there)
    net = netc.Net(write_net(work, "model.caffemodel"), "TEST", allow_writes=True)
    with pytest.raises(NetError, match="a file that is no HDF5 file") as caught:
        net.forward()
    assert [d.code.id for d in caught.value.diagnostics] == ["LAY115"]
    assert (work / "model.caffemodel").read_bytes() == there


def test_a_file_that_a_kill_has_left_is_made_anew(work: Path) -> None:
    """Passes after the first append in place; what HDF5 cannot read then does not stand in the way of the next run."""
    net = write_net(work, "out.h5")
    script = f"import netc; net = netc.Net({str(net)!r}, 'TRAIN', executor='reference')\nwhile True: net.forward()"
    process = subprocess.Popen([sys.executable, "-c", script], env=environment(), cwd=work)
    try:
        size = 0
        for _ in range(1200):
            time.sleep(0.05)
            size = (work / "out.h5").stat().st_size if (work / "out.h5").exists() else 0
            if size > 20_000 or process.poll() is not None:
                break
    finally:
        process.kill()
        process.wait()
    assert size > 20_000
    with (work / "out.h5").open("r+b") as file:  # the worst that a kill can leave
        file.truncate(size // 2)
    again = netc.Net(net, "TRAIN", executor="reference")
    again.forward()
    again.forward()
    with h5py.File(work / "out.h5") as written:
        assert written["data"].shape == (32, 10)
