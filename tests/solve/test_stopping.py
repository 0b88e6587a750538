"""What a run leaves behind when it is asked to stop: nothing that the run that goes on would miss."""

from pathlib import Path
from typing import Any

import pytest

from netc import solve
from netc.solve import Solver
from tests.solve.common import bits
from tests.solve.test_solver import Log, build

TESTED = 'test_interval: 4 early_stop { output: "accuracy" patience: 99 mode: MAX } '


class StopInTest(Log):
    """Asks for a stop once, in the middle of the second test net's test of an iteration."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at
        self.solver: Any = None

    def test_batch(self, net: int, batch: int, batches: int) -> None:
        if self.solver.iteration == self.at and (net, batch) == (1, 1):
            self.at = -1
            self.solver.request_stop()


def values(results: list[solve.TestResult]) -> list[tuple[int, int, float]]:
    return [(r.iteration, r.net, float(r.outputs["loss"])) for r in results]


def test_a_stop_within_a_test_leaves_the_test_to_the_run_that_goes_on(tmp_path: Path) -> None:
    whole = build(TESTED, tests=2)[0]
    whole.solve()
    log = StopInTest(4)
    first = build(TESTED, tests=2, snapshot_prefix=str(tmp_path / "net"))[0]
    first.events, log.solver = log, first
    first.solve()
    assert first.iteration == 4
    assert values(first.results) == values(whole.results)[:2]
    assert first.last_snapshot is not None
    second = build(TESTED, tests=2, snapshot_prefix=str(tmp_path / "net"))[0]
    second.restore(first.last_snapshot.state)
    second.solve()
    assert values(first.results + second.results) == values(whole.results)
    assert (second.best, second.waited) == (whole.best, whole.waited)
    assert bits(second.net) == bits(whole.net)


def stopped_at_2(text: str, tmp_path: Path) -> Solver:
    solver, log = build(text, snapshot_prefix=str(tmp_path / "net"))
    log.at_step = lambda step: solver.request_stop() if step.iteration == 2 else None
    solver.solve()
    return solver


@pytest.mark.parametrize(
    ("text", "files"),
    [
        ("", ["net_iter_2.caffemodel", "net_iter_2.solverstate"]),
        ("snapshot: 100 snapshot_after_train: false", ["net_iter_2.caffemodel", "net_iter_2.solverstate"]),
        ("snapshot_after_train: false", []),
    ],
)
def test_a_stopped_run_that_snapshots_is_saved(text: str, files: list[str], tmp_path: Path) -> None:
    stopped_at_2(text, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == files


def test_after_a_whole_run_snapshot_after_train_decides(tmp_path: Path) -> None:
    solver = stopped_at_2("snapshot: 100 snapshot_after_train: false", tmp_path)
    solver.events = Log()
    solver.solve()
    assert solver.iteration == 12
    assert not (tmp_path / "net_iter_12.solverstate").exists()


def test_a_request_for_a_snapshot_does_not_take_back_a_stop() -> None:
    solver, log = build()

    def both(step: solve.Step) -> None:
        if step.iteration == 3:
            solver.request_stop()
            solver.request_snapshot()

    log.at_step = both
    solver.solve()
    assert solver.iteration == 3


@pytest.mark.parametrize("batches", [1, 3, 6])
def test_a_stop_between_the_batches_of_an_iteration(tmp_path: Path, batches: int) -> None:
    """The batches done are given up; the run that goes on does them again, to the same bits."""
    text = "iter_size: 4 snapshot: 100"
    whole = build("iter_size: 4")[0]
    whole.solve()
    first = build(text, snapshot_prefix=str(tmp_path / "net"))[0]
    passes = []
    real = first.net.forward

    def forward(*arguments: Any) -> Any:
        passes.append(real(*arguments))
        if len(passes) == batches:
            first.request_stop()
        return passes[-1]

    first.net.forward = forward  # type: ignore[method-assign]
    first.solve()
    assert len(passes) == batches
    assert first.iteration == batches // 4
    assert first.last_snapshot is not None
    second = build(text, snapshot_prefix=str(tmp_path / "net"))[0]
    second.restore(first.last_snapshot.state)
    second.solve()
    assert bits(second.net) == bits(whole.net)
