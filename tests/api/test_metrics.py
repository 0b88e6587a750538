"""Lines of JSON and event files that training leaves, and the rates that it tells."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc.api.meter import Meter, Several
from netc.api.metrics import MetricsFile, TensorBoard
from netc.api.session import Solver
from netc.errors import NetError
from netc.solve import Events, Step
from tests.cli.conftest import SMALL
from tests.solve.test_disk import files_of_at_most


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def solver(tmp_path: Path, iterations: int, path: Path) -> Solver:
    net = tmp_path / "small.net"
    net.write_text(SMALL.replace('"small"\n}', f'"{tmp_path}/small" display: 10 }}'))
    return Solver(net, changes={"max_iter": iterations}, events=Several(MetricsFile(path)))


def test_one_line_for_each_report_test_and_snapshot(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    solver(tmp_path, 20, path).solve()
    found = [(line["kind"], line["iteration"]) for line in lines(path)]
    assert found == [("test", 0), ("train", 0), ("train", 10), ("snapshot", 20), ("test", 20)]
    test, train = lines(path)[:2]
    assert set(test["outputs"]) == {"accuracy", "loss"}
    assert train["lr"] == pytest.approx(0.1)
    assert train["outputs"]["loss"] == train["loss"]


def test_a_resumed_run_leaves_the_lines_of_one_that_never_stopped(tmp_path: Path) -> None:
    whole, path = tmp_path / "whole.jsonl", tmp_path / "run.jsonl"
    solver(tmp_path, 40, whole).solve()
    solver(tmp_path, 20, path).solve()
    killed = path.read_text() + '{"kind": "train", "iteration": 20, "loss": 9}\n{"kind": "train", "itera'
    path.write_text(killed)
    again = solver(tmp_path, 40, path)
    again.restore(tmp_path / "small_iter_20.solverstate")
    again.solve()
    kept = [line for line in lines(path) if line["iteration"] != 20 or line["kind"] != "snapshot"]
    assert kept == lines(whole)


def test_a_disk_that_is_full_when_a_run_goes_on_costs_lines_only(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    path.write_text('{"kind": "test", "iteration": 3}\n{"kind": "test", "iteration": 7}\n')
    before = path.read_bytes()
    with files_of_at_most(10):
        MetricsFile(path).started(5, 10)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == [path.name]
    MetricsFile(path).started(5, 10)
    assert lines(path) == [{"kind": "test", "iteration": 3}]


def test_a_pipe_gets_lines_and_stays_a_pipe(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(reader, "rb") as pipe:
        for iteration in (0, 5):
            file = MetricsFile(path)
            file.started(iteration, 10)
            file.write("train", iteration, {})
            assert json.loads(pipe.readline()) == {"kind": "train", "iteration": iteration}
            assert path.is_fifo()


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("real")
    file = MetricsFile(tmp_path / "link")
    for _ in range(2):
        file.started(0, 10)
        file.write("train", 0, {})
    assert (tmp_path / "link").is_symlink()
    assert len(lines(tmp_path / "real")) == len(lines(tmp_path / "real.previous")) == 1


def test_a_fresh_run_keeps_the_file_before_it(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    path.write_text('{"kind": "test", "iteration": 7}\n')
    MetricsFile(path).started(0, 10)
    assert not path.exists()
    assert (tmp_path / "run.jsonl.previous").read_text().startswith('{"kind"')


def test_numbers_that_are_not_finite_are_null(tmp_path: Path) -> None:
    file = MetricsFile(tmp_path / "run.jsonl")
    file.write("test", 3, {"outputs": {"loss": float("nan"), "ids": [1.0, float("inf")]}})
    assert lines(file.path) == [{"kind": "test", "iteration": 3, "outputs": {"loss": None, "ids": [1.0, None]}}]


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(NetError) as caught:
        MetricsFile(tmp_path / "missing" / "run.jsonl").probe()
    assert caught.value.diagnostics[0].code.id == "RUN040"
    (tmp_path / "file").write_text("")
    with pytest.raises(NetError) as caught:
        TensorBoard(tmp_path / "file" / "runs")
    assert caught.value.diagnostics[0].code.id == "RUN040"


def test_tensorboard_gets_scalars_and_histograms(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX", reason="the extra tensorboard is not installed")
    board = TensorBoard(tmp_path / "runs")
    board.started(0, 1)
    board.stepped(Step(1, 2.5, 2.5, 0.1, {}, True))
    board.histogram("weights/ip", np.arange(10.0, dtype=np.float32), 0)
    board.close()
    (file,) = (tmp_path / "runs").iterdir()
    content = file.read_bytes()
    for tag in (b"train/loss", b"train/lr", b"weights/ip"):
        assert tag in content


def test_without_tensorboardx_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr("netc.api.metrics.import_module", missing)
    with pytest.raises(NetError) as caught:
        TensorBoard(tmp_path)
    assert caught.value.diagnostics[0].code.id == "RUN041"


def test_rates_leave_out_the_first_iteration_and_tests(tmp_path: Path) -> None:
    now = 0.0
    made = solver(tmp_path, 40, tmp_path / "run.jsonl")

    class Slow:
        def next(self, out: Any) -> None:
            nonlocal now
            now += 1.0

        def state(self) -> dict[str, Any]:
            return {"here": 1}

    made.net.feeds["data"] = Slow()
    meter = Meter(made.net, clock=lambda: now)
    assert made.net.feeds["data"].state() == {"here": 1}  # type: ignore[attr-defined]
    meter.started(0, 40)
    now += 100  # compiling
    for iteration in range(1, 12):
        made.net.feeds["data"].next(())
        now += 3.0
        meter.stepped(Step(iteration, 1.0, 1.0, 0.1, {}, display=iteration % 10 == 1))
        if iteration == 5:
            now += 50  # a test
            meter.tested(None)  # type: ignore[arg-type]
    rates = meter.rates
    assert rates is not None
    assert rates.iterations_per_second == pytest.approx(0.25)
    assert rates.images_per_second == pytest.approx(4)
    assert rates.data_wait == pytest.approx(0.25)
    assert rates.seconds_left == pytest.approx((10 * 4 + 50) / 10 * 29)


def test_several_tells_everything_to_everybody() -> None:
    assert {n for n in vars(Several) if not n.startswith("_")} == {n for n in vars(Events) if not n.startswith("_")}


def test_lines_that_a_full_disk_takes_are_counted() -> None:
    file = MetricsFile(Path("/dev/full"))
    file.probe()
    assert file.findings() == []
    for iteration in range(3):
        file.write("train", iteration, {"loss": 1.0})
    [warning] = file.findings()
    assert (warning.code.id, warning.severity) == ("RUN040", "warning")
    assert warning.message == "3 lines of metrics could not be written to /dev/full: no space left on device"
