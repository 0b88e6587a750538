"""Caffe's log, held to what reads it: parse_log.py, parse_log.sh, extract_seconds.py and DIGITS, written anew here."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from netc import caffe
from netc.solve.caffe_log import glog

NUMBER = r"[-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?"
LINE = re.compile(r"(\w)(\d{4} \S{8}).*]\s+(\S.*)$")  # DIGITS: severity, time, message

NET = """
name: 'tiny'
layer { name: 'data' type: 'DummyData' top: 'data' top: 'label'
  dummy_data_param { shape { dim: 4 dim: 3 } shape { dim: 4 }
    data_filler { type: 'gaussian' } data_filler { value: 1 } } }
layer { name: 'ip' type: 'InnerProduct' bottom: 'data' top: 'ip'
  inner_product_param { num_output: 2 weight_filler { type: 'xavier' } } }
layer { name: 'relu' type: 'ReLU' bottom: 'ip' top: 'ip' }
layer { name: 'out' type: 'InnerProduct' bottom: 'ip' top: 'out'
  inner_product_param { num_output: 2 weight_filler { type: 'xavier' } } }
layer { name: 'loss' type: 'SoftmaxWithLoss' bottom: 'out' bottom: 'label' top: 'loss' loss_weight: 2 }
layer { name: 'accuracy' type: 'Accuracy' bottom: 'out' bottom: 'label' top: 'accuracy' top: 'per_class'
  include { phase: TEST } }
"""
SOLVER = "base_lr: 0.125 lr_policy: 'step' stepsize: 4 gamma: 0.5 display: 2 max_iter: 6 test_iter: 2 test_interval: 3"


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `netc train --log caffe` writes."""
    folder = tmp_path_factory.mktemp("log")
    (folder / "net.prototxt").write_text(NET)
    (folder / "solver.prototxt").write_text(
        f"net: 'net.prototxt' snapshot_prefix: 'tiny' snapshot: 6 test_compute_loss: true {SOLVER}"
    )
    command = [sys.executable, "-c", "from netc.cli import main; main()", "train", "solver.prototxt", "--log", "caffe"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    path = folder / "caffe.log"
    path.write_text(done.stderr)
    return path


def messages(log: Path) -> list[str]:
    return [found.group(3) for line in log.read_text().splitlines() if (found := LINE.match(line))]


def test_the_order_of_a_run(log: Path) -> None:
    said = [re.sub(NUMBER, "N", message.replace("\\", "/")) for message in messages(log)]
    assert said[:2] == ["Solving tiny", "Learning Rate Policy: step"]
    test = ["Iteration N, Testing net (#N)", "Test loss: N", "Test net output #N: accuracy = N"]
    test += ["Test net output #N: loss = N (* N = N loss)"] + ["Test net output #N: per_class = N"] * 2
    shown = ["Iteration N, loss = N", "Train net output #N: loss = N (* N = N loss)", "Iteration N, lr = N"]
    snapshot = ["Snapshotting to binary proto file tiny_iter_N.caffemodel"]
    snapshot += ["Snapshotting solver state to binary proto file tiny_iter_N.solverstate"]
    assert said[2:] == [*test, *shown, *shown, *test, *shown, *snapshot, *test, "Optimization Done."]


def test_parse_log_py(log: Path) -> None:
    """The tables that it makes: iteration, learning rate and outputs of the train and the test net."""
    iteration, rate = -1, float("nan")
    train: list[tuple[int, str, float]] = []
    tests: list[tuple[int, str, float]] = []
    rates: list[tuple[int, float]] = []
    for line in log.read_text().splitlines():
        if found := re.search(r"Iteration (\d+)", line):
            iteration = int(found.group(1))
        if iteration == -1:
            continue
        if found := re.search(r"lr = ([-+]?[0-9]*\.?[0-9]+([eE]?[-+]?[0-9]+)?)", line):
            rate = float(found.group(1))
            rates.append((iteration, rate))
        for kind, rows in (("Train", train), ("Test", tests)):
            if found := re.search(kind + r" net output #(\d+): (\S+) = ([\.\deE+-]+)", line):
                rows.append((iteration, found.group(2), float(found.group(3))))
    assert [(at, name) for at, name, _ in train] == [(0, "loss"), (2, "loss"), (4, "loss")]
    assert rates == [(0, 0.125), (2, 0.125), (4, 0.0625)]
    names = ["accuracy", "loss", "per_class", "per_class"]
    assert [(at, name) for at, name, _ in tests] == [(at, name) for at in (0, 3, 6) for name in names]
    assert all(0 < value < 10 for _, name, value in train + tests if name == "loss")


def test_parse_log_sh(log: Path) -> None:
    """It takes the words of a line by number."""
    lines = log.read_text().splitlines()
    losses = [float(line.split()[8]) for line in lines if ", loss = " in line]
    rates = [float(line.split()[8]) for line in lines if ", lr = " in line]
    first = [float(line.split()[10]) for line in lines if "Test net output #0" in line]
    assert (len(losses), rates, len(first)) == (3, [0.125, 0.125, 0.0625], 3)
    assert len([line for line in lines if "] Solving " in line]) == 1
    assert [re.sub(r".*Iteration (\d*).*", r"\1", line) for line in lines if "Testing net" in line] == ["0", "3", "6"]


def test_extract_seconds(log: Path) -> None:
    times = list(seconds(log))
    assert len(times) == 9
    assert times == sorted(times)
    assert times[0] >= 0


def seconds(log: Path) -> Iterator[float]:
    start = None
    for line in log.read_text().splitlines():
        if "Solving" not in line and "Iteration" not in line:
            continue
        day, time = line.split()[:2]
        at = datetime.strptime(f"2024{day[1:]} {time}", "%Y%m%d %H:%M:%S.%f")
        if "Solving" in line:
            start = at
        else:
            assert start is not None
            yield (at - start).total_seconds()


def test_digits(log: Path) -> None:
    """It matches messages from their beginning, and takes the name of the snapshot."""
    found: dict[str, list[str]] = {"iteration": [], "output": [], "rate": [], "snapshot": [], "state": []}
    rules = {
        "iteration": r"Iteration (\d+)",
        "output": rf"(?:Train|Test) net output #\d+: (\S*) = (?:NaN|{NUMBER})",
        "rate": rf"Iteration \d+, lr = ({NUMBER})",
        "snapshot": r"Snapshotting to (.*)\s*$",
        "state": r"(Snapshotting solver state)",
    }
    for message in messages(log):
        for kind, rule in rules.items():
            if match := re.match(rule, message):
                found[kind].append(match.group(1))
    assert found["iteration"] == ["0", "0", "0", "2", "2", "3", "4", "4", "6"]
    assert found["output"].count("loss") == 6
    assert (len(found["rate"]), len(found["snapshot"]), len(found["state"])) == (3, 1, 1)


def test_a_line() -> None:
    line = glog("Iteration 1, lr = 0.1", now=lambda: datetime(2024, 2, 9, 3, 4, 5, 678))
    assert re.fullmatch(r"I0209 03:04:05\.000678 +\d+ solver\.cpp:239\] Iteration 1, lr = 0\.1", line)


@pytest.fixture
def solver(tmp_path: Path) -> caffe.Solver:
    (tmp_path / "net.prototxt").write_text(NET)
    (tmp_path / "solver.prototxt").write_text(
        f"net: '{tmp_path}/net.prototxt' debug_info: true snapshot_after_train: false {SOLVER}"
    )
    return caffe.SGDSolver(str(tmp_path / "solver.prototxt"))


def test_pycaffe_after_init_log(solver: caffe.Solver, capfd: pytest.CaptureFixture[str]) -> None:
    solver.step(1)
    caffe.log("nothing yet")
    assert "Iteration" not in capfd.readouterr().err
    caffe.init_log(0, True)
    try:
        caffe.log("Using devices [0]")
        solver.step(3)
        said = capfd.readouterr().err
        caffe.init_log(1)
        solver.step(2)
        assert capfd.readouterr().err == ""
    finally:
        caffe.init_log(0, False)
    lines = said.splitlines()
    assert all(LINE.match(line) for line in lines)
    assert lines[0].endswith("] Using devices [0]")
    assert sum("Iteration 2, loss = " in line for line in lines) == 1
    assert any("Iteration 3, Testing net (#0)" in line for line in lines)


def test_debug_info(solver: caffe.Solver, capfd: pytest.CaptureFixture[str]) -> None:
    before = {name: [blob.data.copy() for blob in blobs] for name, blobs in solver.net.params.items()}
    caffe.init_log()
    try:
        solver.step(1)
    finally:
        caffe.init_log(0, False)
    lines = [re.sub(r"^.*?\] ", "", line) for line in capfd.readouterr().err.splitlines()]
    said = [line for line in lines if line.startswith("    [")]
    assert [re.sub(NUMBER + r"(?=[;,)]|$)", "N", line.strip()) for line in said if "label" not in line] == [
        "[Forward] Layer data, top blob data data: N",
        "[Forward] Layer ip, top blob ip data: N",
        "[Forward] Layer ip, param blob 0 data: N",
        "[Forward] Layer ip, param blob 1 data: N",
        "[Forward] Layer relu, top blob ip data: N",
        "[Forward] Layer out, top blob out data: N",
        "[Forward] Layer out, param blob 0 data: N",
        "[Forward] Layer out, param blob 1 data: N",
        "[Forward] Layer loss, top blob loss data: N",
        "[Backward] Layer loss, bottom blob out diff: N",
        "[Backward] Layer out, bottom blob ip diff: N",
        "[Backward] Layer out, param blob 0 diff: N",
        "[Backward] Layer out, param blob 1 diff: N",
        "[Backward] Layer relu, bottom blob ip diff: N",
        "[Backward] Layer ip, param blob 0 diff: N",
        "[Backward] Layer ip, param blob 1 diff: N",
        "[Backward] All net params (data, diff): L1 norm = (N, N); L2 norm = (N, N)",
        "[Update] Layer ip, param 0 data: N; diff: N",
        "[Update] Layer ip, param 1 data: N; diff: N",
        "[Update] Layer out, param 0 data: N; diff: N",
        "[Update] Layer out, param 1 data: N; diff: N",
    ]
    arrays = [array for blobs in before.values() for array in blobs]
    found = re.search(rf"L1 norm = \(({NUMBER}), .*L2 norm = \(({NUMBER}), ", "\n".join(said))
    assert found is not None
    assert float(found.group(1)) == pytest.approx(sum(np.abs(a).sum() for a in arrays), rel=1e-4)
    assert float(found.group(2)) == pytest.approx(np.sqrt(sum((a**2).sum() for a in arrays)), rel=1e-4)
