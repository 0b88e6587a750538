"""Caffe's own runs of ten iterations, step by step in a pycaffe script, from the start and from its snapshots."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from netc import caffe
from tests.solve.common import GOLDEN, numbers, texts

File = Callable[..., str]
RUNS = sorted(p.stem for p in (GOLDEN / "solvers").glob("*.npz"))
SNAPSHOTS = ["sgd_fixed_iter_5.solverstate", "adam_iter_5.solverstate", "adam_iter_5.solverstate.h5"]


def solver_of(name: str, file: File) -> caffe.Solver:
    text, net = texts(name)
    path = file(net, "net.prototxt")
    return caffe.get_solver(file(f"{text}\nnet: '{path}' snapshot_after_train: false", "solver.prototxt"))


def train(solver: caffe.Solver, name: str) -> None:
    expected = numbers(name)
    for t in range(solver.iter, 10):
        solver.net.blobs["data"].data[...] = expected["x"][t]
        solver.net.blobs["label"].data[...] = expected["y"][t]
        solver.step(1)
        if f"loss/{t}" in expected:
            np.testing.assert_allclose(solver.net.blobs["loss"].data, expected[f"loss/{t}"], rtol=1e-4)
        for layer, blobs in solver.net.params.items():
            for i, blob in enumerate(blobs):
                theirs = expected[f"iter{t + 1}/{layer}/{i}"]
                scale = max(1e-3, float(np.abs(theirs).max()))
                np.testing.assert_allclose(blob.data, theirs, rtol=0, atol=1e-4 * scale, err_msg=f"{layer} after {t}")


@pytest.mark.parametrize("name", RUNS)
def test_run(file: File, name: str) -> None:
    solver = solver_of(name, file)
    for layer, blobs in solver.net.params.items():
        for i, blob in enumerate(blobs):
            blob.data[...] = numbers(name)[f"init/{layer}/{i}"]
    train(solver, name)


@pytest.mark.parametrize("snapshot", SNAPSHOTS)
def test_goes_on_from_caffes_snapshot(file: File, snapshot: str) -> None:
    name = snapshot.split("_iter_", maxsplit=1)[0]
    solver = solver_of(name, file)
    solver.restore(str(GOLDEN / "interop" / snapshot))
    assert solver.iter == 5
    train(solver, name)
