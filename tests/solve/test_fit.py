"""Statistics of the data: what Whiten and BatchNorm estimate in one pass is numpy's and scikit-learn's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netc
from netc.data import digits
from netc.errors import NetError
from netc.layer import Array
from netc.run import Net
from netc.solve import Solver
from netc.solve.fit import missing
from tests.run.common import planned, solver_record
from tests.solve.common import Counter, bits

NET = """
train {{ data, label = Digits() {{ split: "train" batch_size: {batch} }} }}
test {{ data, label = Digits() {{ split: "test" batch_size: 50 }} }}
{layers}
score = InnerProduct(x) {{ num_output: 10 weight_filler {{ type: "xavier" }} }}
loss = SoftmaxWithLoss(score, label)
test {{ accuracy = Accuracy(score, label) }}
solver {{ base_lr: 0.01 lr_policy: "fixed" max_iter: 4 random_seed: 3 test_iter: 1 test_interval: 100 {solver} }}
"""


def write(folder: Path, layers: str, batch: int = 60, solver: str = "") -> Path:
    path = folder / "net.net"
    path.write_text(NET.format(layers=layers, batch=batch, solver=solver))
    return path


def rows() -> Array:
    images, _ = digits.split("train")
    return np.asarray(images, np.float32).reshape(len(images), -1) / 16


def fitted(folder: Path, layers: str, batch: int = 60, **options: Any) -> netc.Solver:
    solver = netc.Solver(write(folder, layers, batch), **options)
    solver.fit()
    return solver


@pytest.mark.parametrize("executor", ["reference", "fast"])
@pytest.mark.parametrize("batch", [60, 127])
def test_pca_is_that_of_scikit_learn(tmp_path: Path, executor: str, batch: int) -> None:
    decomposition = pytest.importorskip("sklearn.decomposition", reason="scikit-learn is not installed")
    solver = fitted(tmp_path, "x = Whiten(data) { method: PCA keep: 20 eps: 0 }", batch, executor=executor)
    mean, matrix, items = solver.net.params["x"]
    x = rows().astype(np.float64)
    pca = decomposition.PCA(20, whiten=True, svd_solver="full").fit(x)
    assert items[0] == len(x)
    np.testing.assert_allclose(mean, pca.mean_, rtol=1e-5, atol=1e-6)
    ours, theirs = (x - mean) @ matrix.T, pca.transform(x)
    signs = np.sign((ours * theirs).sum(0))
    np.testing.assert_allclose(ours, theirs * signs, rtol=2e-3, atol=2e-3)
    largest = np.abs(matrix).argmax(1)
    assert (matrix[np.arange(20), largest] > 0).all()


def test_zca_and_standardize_are_numpys(tmp_path: Path) -> None:
    x = rows().astype(np.float64)
    widths, vectors = np.linalg.eigh(np.cov(x, rowvar=False))
    widths, vectors = widths[::-1], vectors[:, ::-1]
    for keep in (0, 30):
        count = keep or 64
        zca = (vectors[:, :count] / np.sqrt(np.maximum(widths[:count], 0) + 0.01)) @ vectors[:, :count].T
        solver = fitted(tmp_path, f"x = Whiten(data) {{ method: ZCA keep: {keep} eps: 0.01 }}")
        np.testing.assert_allclose(solver.net.params["x"][1], zca, rtol=1e-4, atol=1e-4)
    found = fitted(tmp_path, "x = Whiten(data) { eps: 0 }").net.params["x"]
    deviation = x.std(0, ddof=1)
    np.testing.assert_allclose(found[0], x.mean(0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found[1], 1 / np.where(deviation > 0, deviation, 1), rtol=1e-5)


def test_what_comes_out_is_white(tmp_path: Path) -> None:
    solver = fitted(tmp_path, "x = Whiten(data) { method: PCA keep: 16 }")
    solver.prefix = str(tmp_path / "run")
    written = solver.snapshot()
    assert written is not None
    net = netc.Net(tmp_path / "net.net", "TRAIN", weights=written.weights, keep=True, batch=len(rows()), training=False)
    net.forward()
    y = net.blobs["x"].astype(np.float64)
    np.testing.assert_allclose(np.cov(y, rowvar=False), np.eye(16), atol=2e-3)
    np.testing.assert_allclose(y.mean(0), 0, atol=1e-3)


def test_a_layer_waits_for_those_before_it(tmp_path: Path) -> None:
    layers = """a = Whiten(data) { method: PCA keep: 10 eps: 0 }
    b = Power(a) { scale: 3 shift: 2 }
    x = Whiten(b) { eps: 0 }"""
    params = fitted(tmp_path, layers).net.params
    np.testing.assert_allclose(params["x"][0], 2, atol=1e-4)
    np.testing.assert_allclose(params["x"][1], 1 / 3, rtol=1e-4)


@pytest.mark.parametrize("executor", ["reference", "fast"])
def test_training_begins_as_if_nothing_had_been_read(tmp_path: Path, executor: str) -> None:
    """The same data, random draws and other statistics; only Whiten's blobs are there."""
    layers = "x = Whiten(data) { keep: 9 method: PCA }\nx = Dropout(x)\nx = BatchNorm(x)"
    by_itself = netc.Solver(write(tmp_path, layers), executor=executor)
    assert [node.name for node in missing(by_itself.net)] == ["x"]
    by_itself.step(3)
    by_hand = netc.Solver(write(tmp_path, layers), executor=executor)
    statistics = fitted(tmp_path, layers, executor=executor).net.params["x"]
    for blob, array in zip(by_hand.net.params["x"], statistics, strict=True):
        blob[...] = array
    assert not missing(by_hand.net)
    by_hand.step(3)
    assert bits(by_itself.net) == bits(by_hand.net)


def test_a_run_that_goes_on_has_the_same_bits(tmp_path: Path) -> None:
    path = write(tmp_path, "x = Whiten(data) { method: ZCA }", solver=f'snapshot: 2 snapshot_prefix: "{tmp_path}/run"')
    whole = netc.Solver(path)
    whole.solve()
    resumed = netc.Solver(path)
    resumed.restore(tmp_path / "run_iter_2.solverstate")
    resumed.solve()
    assert bits(resumed.net) == bits(whole.net)


@pytest.mark.parametrize("executor", ["reference", "fast"])
def test_batch_norm_is_estimated_anew(tmp_path: Path, executor: str) -> None:
    """Of the first layer's bottom it is numpy's mean and variance of all data, of a later one's that of its batches."""
    x = rows().astype(np.float64)
    batch = next(size for size in range(200, 20, -1) if len(x) % size == 0)
    layers = """flat = Flatten(data)
    a = BatchNorm(flat)
    h = InnerProduct(a) { num_output: 5 weight_filler { type: "msra" } }
    x = BatchNorm(h)"""
    solver = netc.Solver(write(tmp_path, layers, batch), executor=executor)
    solver.step(3)
    before = bits(solver.net)
    found = solver.fit()
    assert [(f.layer, f.items) for f in found] == [("a", len(x)), ("x", len(x))]
    mean, variance, factor = solver.net.params["a"]
    np.testing.assert_allclose(mean, x.mean(0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(variance, x.var(0, ddof=1), rtol=1e-4, atol=1e-6)
    assert factor[0] == 1
    weights, bias = solver.net.params["h"]
    order = np.concatenate(_batches(tmp_path, batch)).astype(np.float64)
    hidden = []
    for part in np.split(order, len(x) // batch):
        hidden.append(((part - part.mean(0)) / np.sqrt(part.var(0) + 1e-5)) @ weights.T.astype(np.float64) + bias)
    h = np.concatenate(hidden)
    np.testing.assert_allclose(solver.net.params["x"][0], h.mean(0), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(solver.net.params["x"][1], h.var(0, ddof=1), rtol=1e-3)
    assert bits(solver.net) != before


def _batches(folder: Path, batch: int) -> list[Array]:
    """The batches of an epoch, from where three iterations have left it."""
    net = netc.Net(folder / "net.net", "TRAIN", keep=True, training=False)
    found = []
    for i in range(3 + len(rows()) // batch):
        net.forward()
        found += [net.blobs["flat"].copy()] if i >= 3 else []
    return found


def test_stored_statistics_are_of_the_bottom(tmp_path: Path) -> None:
    layers = "flat = Flatten(data)\nx = BatchNorm(flat) { use_global_stats: true }"
    mean, variance, factor = fitted(tmp_path, layers, 127).net.params["x"]
    np.testing.assert_allclose(mean, rows().mean(0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(variance, rows().var(0, ddof=1), rtol=1e-3, atol=1e-5)
    assert factor[0] == 1


# What is refused


def counter_net(fields: str = "") -> Solver:
    text = """
    layer { name: "data" type: "Digits" top: "data" top: "label" digits_param { batch_size: 4 } }
    layer { name: "w" type: "Whiten" bottom: "data" top: "w" }
    layer { name: "ip" type: "InnerProduct" bottom: "w" top: "ip" inner_product_param { num_output: 3 } }
    layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
    """
    net = Net(planned(text, "TRAIN", given={"data": ((4, 1, 8, 8), (4,))}), feeds={"data": Counter()}, seed=1)
    return Solver(solver_record(f'base_lr: 0.1 lr_policy: "fixed" max_iter: 2 {fields}'), net)


def test_data_without_an_end_needs_a_number_of_batches() -> None:
    with pytest.raises(NetError) as error:
        counter_net().step(1)
    assert [str(d.code) for d in error.value.diagnostics] == ["SOL032"]
    assert error.value.diagnostics[0].span is not None
    solver = counter_net("fit_iter: 3")
    solver.step(1)
    assert solver.net.params["w"][2][0] == 12
    given = np.concatenate([np.random.default_rng(i).standard_normal((4, 64)) for i in range(3)]).astype(np.float32)
    np.testing.assert_allclose(solver.net.params["w"][0], given.mean(0), rtol=1e-4, atol=1e-6)


def test_one_item_has_no_variance(tmp_path: Path) -> None:
    path = write(tmp_path, "x = Whiten(data)", batch=1, solver="fit_iter: 1")
    with pytest.raises(NetError) as error:
        netc.Solver(path).step(1)
    assert [str(d.code) for d in error.value.diagnostics] == ["SOL033"]
