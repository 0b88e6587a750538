"""Caffe's own runs of ten iterations, from the start and from its snapshots after five."""

import numpy as np
import pytest

from tests.solve.common import GOLDEN, numbers, solver_for

RUNS = sorted(p.stem for p in (GOLDEN / "solvers").glob("*.npz"))
SNAPSHOTS = sorted(p.name for p in (GOLDEN / "interop").glob("*.solverstate"))


def test_there_are_runs() -> None:
    assert len(RUNS) == 11
    assert len(SNAPSHOTS) == 3


@pytest.mark.parametrize("name", RUNS)
def test_run(name: str) -> None:
    solver, events = solver_for(name)
    expected = numbers(name)
    solver.solve()
    assert solver.iteration == 10
    for t in range(10):
        np.testing.assert_allclose(events.losses[t], expected[f"loss/{t}"], rtol=1e-4)
    compare(name, events.params, range(1, 11))


@pytest.mark.parametrize("snapshot", SNAPSHOTS)
def test_goes_on_from_caffes_snapshot(snapshot: str) -> None:
    name = snapshot.removesuffix("_iter_5.solverstate")
    solver, events = solver_for(name)
    for blobs in solver.net.params.values():
        for blob in blobs:
            blob[...] = np.nan
    solver.restore(GOLDEN / "interop" / snapshot)
    assert solver.iteration == 5
    events.feed(5)
    solver.solve()
    compare(name, events.params, range(6, 11))


def compare(name: str, params: dict[int, dict[str, np.ndarray]], iterations: range) -> None:
    expected = numbers(name)
    for t in iterations:
        for blob, value in params[t].items():
            theirs = expected[f"iter{t}/{blob}"]
            scale = max(1e-3, float(np.abs(theirs).max()))
            np.testing.assert_allclose(value, theirs, rtol=0, atol=1e-4 * scale, err_msg=f"{blob} after {t}")
