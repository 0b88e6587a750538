"""Early stopping leaves the best weights; a run goes on from a snapshot in other data; a prefix may be a folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc.api.session import Net, Solver
from netc.cli import cli
from netc.errors import Diagnostic, NetError
from netc.solve import Events, read_weights

NET = """
name: "small"
train {{ data, label = Digits() {{ split: "train" batch_size: 16 }} }}
test {{ data, label = Digits() {{ split: "test" batch_size: 50 }} }}
ip = InnerProduct(data) {{ num_output: 10 weight_filler {{ type: "xavier" }} }}
loss = SoftmaxWithLoss(ip, label)
solver {{ base_lr: 0.1 lr_policy: "multistep" gamma: 300 stepvalue: 10 max_iter: 100 test_iter: 8 test_interval: 5
  random_seed: 3 early_stop {{ output: "loss" patience: 2 mode: MIN }} {0} }}
"""


class Log(Events):
    def __init__(self) -> None:
        self.found: list[tuple[int, float, Path]] = []
        self.reasons: list[str] = []
        self.warnings: list[Diagnostic] = []

    def best(self, iteration: int, value: float, weights: Path) -> None:
        self.found.append((iteration, value, weights))

    def stopped(self, reason: str) -> None:
        self.reasons.append(reason)

    def warned(self, diagnostic: Diagnostic) -> None:
        self.warnings.append(diagnostic)


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def solver(extra: str = "", **options: Any) -> tuple[Solver, Log]:
    Path("small.net").write_text(NET.format(extra))
    log = Log()
    return Solver("small.net", events=log, executor="reference", **options), log


def loss_of(weights: Path) -> float:
    net = Net("small.net", weights=weights, executor="reference")
    return float(np.mean([net.forward()["loss"] for _ in range(8)]))


@pytest.mark.parametrize(("extra", "name"), [("", "caffemodel"), ("snapshot_format: HDF5", "caffemodel.h5")])
def test_the_best_weights_are_kept(extra: str, name: str) -> None:
    trained, log = solver(extra)
    trained.solve()
    iteration, value, weights = log.found[-1]
    assert (iteration, value) == (trained.best_iteration, trained.best)
    assert iteration == 10
    assert trained.iteration == 20
    assert weights == trained.best_weights == Path(f"small_best.{name}")
    assert loss_of(weights) == pytest.approx(trained.best, rel=1e-6)
    assert trained.last_snapshot is not None
    assert loss_of(trained.last_snapshot.weights) > 2 * trained.best
    assert log.reasons == [
        f"loss has not got better than {trained.best:g} in 2 tests; the weights of iteration 10 are in {weights}"
    ]


def test_a_run_that_goes_on_knows_the_best() -> None:
    whole, _ = solver("snapshot: 12")
    whole.solve()
    assert whole.best_weights is not None
    kept = whole.best_weights.read_bytes()
    resumed, log = solver()
    resumed.restore("small_iter_12.solverstate")
    assert (resumed.best, resumed.best_iteration) == (whole.best, 10)
    assert resumed.best_weights == Path("small_best.caffemodel")
    resumed.solve()
    assert log.found == []
    assert log.reasons == [whole.ended]
    assert resumed.best_weights.read_bytes() == kept


def test_nothing_is_written_where_nothing_is_to_be_written() -> None:
    trained, log = solver("snapshot_after_train: false")
    trained.solve()
    assert log.found == []
    assert list(Path().glob("*best*")) == []
    assert "weights of iteration" not in log.reasons[0]


def test_best_weights_that_cannot_be_written_are_a_warning() -> None:
    trained, log = solver()
    Path("small_best.caffemodel").mkdir()
    trained.solve()
    assert {d.code.id for d in log.warnings} == {"SNP020", "SOL012"}  # SOL012: a rate that grows 300 times
    assert trained.best_weights is None
    assert trained.iteration == 20


def test_log_and_metrics_name_the_best(capsys: pytest.CaptureFixture[str]) -> None:
    solver()
    assert cli(["train", "small.net", "--executor", "reference", "--json"], standalone_mode=False) == 0
    said = capsys.readouterr()
    best = json.loads(said.out.splitlines()[-1])["best"]
    assert (best["iteration"], best["weights"]) == (10, "small_best.caffemodel")
    assert "iteration 10: the best so far" in said.err
    lines = [json.loads(line) for line in Path("small.metrics.jsonl").read_text().splitlines()]
    (last,) = [line for line in lines if line["kind"] == "best"][-1:]
    assert (last["iteration"], last["value"], last["weights"]) == (10, best["value"], "small_best.caffemodel")


# ---------------------------------------------------------------- other data

TABLE = """
data, label = ArrayData() {{ source: "table.csv" batch_size: 4 label: "y" shuffle: {shuffle} }}
ip = InnerProduct(data) {{ num_output: 3 weight_filler {{ type: "xavier" }} }}
loss = SoftmaxWithLoss(ip, label)
solver {{ base_lr: 0.01 lr_policy: "fixed" max_iter: 8 random_seed: 3 }}
"""


def rows(count: int) -> None:
    lines = [f"{i},{i % 5},{i % 3}" for i in range(count)]
    Path("table.csv").write_text("\n".join(["a,b,y", *lines]) + "\n")


def place(trained: Solver) -> tuple[int, int, int]:
    (feed,) = trained.net.feeds.values()
    state = feed.state()  # type: ignore[attr-defined]
    return state["count"], state["epoch"], state["position"]


@pytest.mark.parametrize("shuffle", ["false", "true"])
@pytest.mark.parametrize(
    ("how", "count", "expected"),
    [("restart", 30, (30, 2, 0)), ("continue", 30, (30, 1, 8)), ("continue", 6, (6, 1, 2)), ("restart", 6, (6, 2, 0))],
)
def test_going_on_in_other_data(how: Any, count: int, expected: tuple[int, int, int], shuffle: str) -> None:
    Path("table.net").write_text(TABLE.format(shuffle=shuffle))
    rows(20)
    first = Solver("table.net", executor="reference")
    first.step(7)
    assert place(first) == (20, 1, 8)
    first.snapshot()
    first.release()
    rows(count)
    log = Log()
    second = Solver("table.net", events=log, executor="reference")
    with pytest.raises(NetError) as refused:
        second.restore("table_iter_7.solverstate")
    (said,) = refused.value.diagnostics
    assert said.code.id == "DAT010"
    assert "--data-changed restart" in (said.help or "")
    second.restore("table_iter_7.solverstate", how)
    assert place(second) == expected
    assert [d.code.id for d in log.warnings] == ["SNP031"]
    second.solve()
    assert second.iteration == 8


@pytest.mark.parametrize(("how", "expected"), [("restart", (20, 2, 0)), ("continue", (20, 1, 8))])
def test_going_on_in_as_many_other_records(how: Any, expected: tuple[int, int, int]) -> None:
    Path("table.net").write_text(TABLE.format(shuffle="true"))
    rows(20)
    first = Solver("table.net", executor="reference")
    first.step(7)
    first.snapshot()
    first.release()
    Path("table.csv").write_text(Path("table.csv").read_text().replace("19,4,1", "19,4,0"))
    log = Log()
    second = Solver("table.net", events=log, executor="reference")
    with pytest.raises(NetError) as refused:
        second.restore("table_iter_7.solverstate")
    assert [d.code.id for d in refused.value.diagnostics] == ["DAT010"]
    second.restore("table_iter_7.solverstate", how)
    assert place(second) == expected
    (said,) = log.warnings
    assert said.code.id == "SNP031"
    assert 'layer "data" has other records than it had' in said.message
    second.solve()
    assert second.iteration == 8


def test_the_same_data_goes_on_as_ever() -> None:
    Path("table.net").write_text(TABLE.format(shuffle="true"))
    rows(20)
    whole = Solver("table.net", executor="reference")
    whole.step(7)
    whole.snapshot()
    whole.solve()
    log = Log()
    second = Solver("table.net", events=log, executor="reference")
    second.restore("table_iter_7.solverstate", "restart")
    second.solve()
    assert log.warnings == []
    assert all(
        np.array_equal(a.data, b.data) for a, b in zip(whole.net.parameters.all, second.net.parameters.all, strict=True)
    )


# ---------------------------------------------------------------- prefixes


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [("out", "out/solver"), ("out/", "out/solver"), ("out/x", "out/x"), ("", "solver"), (None, "solver")],
)
def test_a_prefix_that_is_a_folder(prefix: str | None, expected: str) -> None:
    Path("out").mkdir()
    Path("net.prototxt").write_text(
        'layer { name: "data" type: "Digits" top: "data" top: "label" digits_param { batch_size: 4 } }\n'
        'layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 10 } }\n'
        'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }\n'
    )
    text = 'net: "net.prototxt" base_lr: 0.01 lr_policy: "fixed" max_iter: 1 '
    Path("solver.prototxt").write_text(text + ("" if prefix is None else f'snapshot_prefix: "{prefix}"'))
    Solver("solver.prototxt", executor="reference").solve()
    assert read_weights(Path(f"{expected}_iter_1.caffemodel")).layers
    assert Path(f"{expected}_iter_1.solverstate").exists()
