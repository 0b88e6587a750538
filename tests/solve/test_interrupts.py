"""An exception anywhere in a training step: the run that goes on is the one that never stopped, or it is refused."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from netc.errors import NetError
from netc.solve import Solver, Step
from tests.run import torn
from tests.run.test_interrupts import raising
from tests.solve.common import bits
from tests.solve.test_solver import build

STEP = (
    "solve/solver.py", "solve/update.py", "run/net.py", "run/fast.py", "run/reference.py", "machine/walk.py",
    "layers/batch_norm.py",
)  # fmt: skip
__all__ = ["raising"]  # a fixture
TESTED = "test_interval: 4 "
LENGTH = 12


def whole(text: str = "", **options: Any) -> bytes:
    solver = build(text, **options)[0]
    solver.solve()
    return state(solver)


def state(solver: Solver) -> Any:
    return solver.iteration, bits(solver.net), [h.tobytes() for k in solver.updater.history for h in k.values()]


@pytest.mark.parametrize("kept", [True, False])
def test_a_step_that_is_torn_at_any_instruction(kept: bool) -> None:
    """It has been made, or it has not, or the solver says that it was torn and goes no further."""
    wanted = whole(TESTED, tests=1, keep_gradients=kept)
    refused = 0
    for at in range(1, 6000, 97):
        solver = build(TESTED, tests=1, keep_gradients=kept)[0]
        solver.step(2)
        hit, _ = torn.run(lambda solver=solver: solver.step(1), STEP, at)
        if solver._whole.torn is not None:
            with pytest.raises(NetError, match="SOL015"):
                solver.step(1)
            refused += 1
        else:
            solver.step(LENGTH - solver.iteration)
            assert (hit, state(solver)) == (hit, wanted)
        if not hit:
            break
    assert refused


def test_after_a_torn_step_only_restoring_helps(tmp_path: Path) -> None:
    wanted = whole()
    solver = build(snapshot_prefix=str(tmp_path / "net"))[0]
    solver.step(3)
    paths = solver.snapshot()
    assert paths is not None
    at = 1
    while solver._whole.torn is None:
        torn.run(lambda: solver.step(1), ("solve/update.py",), at)
        at += 3
    before = sorted(tmp_path.iterdir())
    for use in (lambda: solver.step(1), solver.snapshot, solver.solve):
        with pytest.raises(NetError, match="SOL015"):
            use()
    assert sorted(p for p in tmp_path.iterdir() if not p.name.startswith(".")) == [
        p for p in before if not p.name.startswith(".")
    ]
    solver.restore(paths.state)
    solver.step(LENGTH - 3)
    assert state(solver) == wanted


def test_an_exception_before_the_update_takes_the_step_back() -> None:
    """A batch that cannot be had, or that a layer refuses: the sources are where they were, together."""
    wanted = whole()
    solver = build()[0]
    feed, calls = solver.net.feeds["data"], 0
    real = feed.next

    def fail(out: Any) -> None:
        nonlocal calls
        calls += 1
        real(out)
        if calls == 4:
            raise RuntimeError("gone")

    feed.next = fail  # type: ignore[method-assign]
    solver.step(3)
    with pytest.raises(RuntimeError, match="gone"):
        solver.step(1)
    assert solver.iteration == 3
    solver.step(LENGTH - 3)
    assert state(solver) == wanted


def test_an_interrupt_waits_for_the_end_of_the_iteration() -> None:
    solver = build()[0]
    feed = solver.net.feeds["data"]
    real, done = feed.next, [0]

    def interrupt(out: Any) -> None:
        done[0] += 1
        if done[0] == 3:
            os.kill(os.getpid(), signal.SIGINT)
        real(out)

    feed.next = interrupt  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        solver.solve()
    assert solver.iteration == 3
    solver.solve()
    assert state(solver) == whole()


def test_a_solver_in_two_threads(tmp_path: Path) -> None:
    solver, log = build(snapshot_prefix=str(tmp_path / "net"))
    said: list[str] = []

    def use() -> None:
        for call in (solver.snapshot, lambda: solver.step(1), solver.test_all):
            with pytest.raises(NetError) as caught:
                call()
            said.append(caught.value.diagnostics[0].code.id)

    def at_step(step: Step) -> None:
        if step.iteration == 3:
            thread = threading.Thread(target=use)
            thread.start()
            thread.join()

    log.at_step = at_step
    solver.solve()
    assert said == ["SOL016"] * 3
    assert state(solver) == whole()
