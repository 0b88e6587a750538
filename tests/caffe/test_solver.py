"""pycaffe's solvers."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from netc import caffe
from netc.errors import NetError
from tests.caffe.test_net import SIMPLE

File = Callable[..., str]

SOLVER = """
test_iter: 10 test_interval: 10 base_lr: 0.01 momentum: 0.9 weight_decay: 0.0005 lr_policy: 'inv' gamma: 0.0001
power: 0.75 display: 5 max_iter: 20 snapshot_after_train: false random_seed: 1701
"""
ALL = ["SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam"]


@pytest.fixture
def path(file: File, tmp_path: Path) -> str:
    net = file(SIMPLE, "net.prototxt")
    return file(f"net: '{net}' snapshot_prefix: '{tmp_path / 'model'}' {SOLVER}", "solver.prototxt")


@pytest.fixture
def solver(path: str) -> caffe.SGDSolver:
    made = caffe.SGDSolver(path)
    labels = np.random.default_rng(1).integers(0, 13, made.net.blobs["label"].data.shape)
    for net in (made.net, made.test_nets[0]):
        net.blobs["label"].data[...] = labels
    return made


def test_solve(solver: caffe.SGDSolver) -> None:
    assert solver.iter == 0
    solver.step(1)
    first = float(solver.net.blobs["loss"].data)
    solver.solve()
    assert solver.iter == 20
    assert solver.net.blobs["loss"].data < first
    assert solver.net.blobs["conv"].diff.any()


def test_step_shows_blobs_in_between(solver: caffe.SGDSolver) -> None:
    weights = solver.net.params["ip"][0].data
    for iteration in range(3):
        before = weights.copy()
        solver.step(1)
        assert solver.iter == iteration + 1
        assert (weights != before).any()
        assert solver.net.blobs["loss"].data > 0


def test_apply_update(solver: caffe.SGDSolver) -> None:
    net = solver.net
    data = net.layers[1].blobs[0].data[...]
    data[...] = 0
    net.layers[1].blobs[0].diff[...] = 1
    solver.apply_update()
    np.testing.assert_allclose(data, -0.01, atol=1e-7)
    assert solver.iter == 0


def test_the_test_net_uses_the_train_nets_parameters(solver: caffe.SGDSolver) -> None:
    test = solver.test_nets[0]
    assert np.shares_memory(test.params["ip"][0].data, solver.net.params["ip"][0].data)
    test.forward()
    before = float(test.blobs["ip_blob"].data.sum())
    solver.net.params["ip"][1].data[...] += 1
    test.forward(start="ip")
    assert float(test.blobs["ip_blob"].data.sum()) == pytest.approx(before + 5 * 13, rel=1e-4)


def test_nets_outlive_their_solver(solver: caffe.SGDSolver) -> None:
    nets = [solver.net, *solver.test_nets]
    assert len(nets) == 2
    del solver
    for net in nets:
        assert all(np.isfinite(p.data.sum() + p.diff.sum()) for blobs in net.params.values() for p in blobs)
        assert all(np.isfinite(b.data.sum() + b.diff.sum()) for b in net.blobs.values())


def test_snapshot_and_restore(solver: caffe.SGDSolver, path: str, tmp_path: Path) -> None:
    solver.step(2)
    solver.snapshot()
    assert (tmp_path / "model_iter_2.caffemodel").is_file()
    state = str(tmp_path / "model_iter_2.solverstate")
    solver.step(3)
    other = caffe.get_solver(path)
    other.net.blobs["label"].data[...] = solver.net.blobs["label"].data
    other.restore(state)
    assert other.iter == 2
    other.step(3)
    np.testing.assert_array_equal(other.net.params["ip"][0].data, solver.net.params["ip"][0].data)
    resumed = caffe.SGDSolver(path)
    resumed.solve(state)
    assert resumed.iter == 20


def test_callbacks(solver: caffe.SGDSolver) -> None:
    seen: list[object] = []
    weights = solver.net.params["ip"][0]

    def ready() -> None:
        seen.append(("ready", solver.iter, bool(weights.diff.any())))
        weights.diff[...] = 0

    solver.add_callback(lambda: seen.append(("start", solver.iter)), ready)
    solver.step(2)
    assert seen == [("start", 0), ("ready", 0, True), ("start", 1), ("ready", 1, True)]


def test_get_solver_gives_the_type_of_the_file(file: File, path: str) -> None:
    text = Path(path).read_text().replace("momentum: 0.9", "")
    for name in ALL:
        made = caffe.get_solver(file(f"{text} type: '{name}'", "typed.prototxt"))
        assert type(made) is getattr(caffe, f"{name}Solver")
        assert (made.param.type, made.type) == (name, name)
    assert type(caffe.get_solver(file(f"{text} solver_type: ADAGRAD", "old.prototxt"))) is caffe.AdaGradSolver


@pytest.mark.parametrize("name", ALL)
def test_a_solver_of_a_class_has_its_rule_whatever_the_file_says(file: File, path: str, name: str) -> None:
    text = Path(path).read_text().replace("momentum: 0.9", "")
    solver = getattr(caffe, f"{name}Solver")(file(f"{text} type: 'Adam'", "typed.prototxt"))
    before = solver.net.params["ip"][0].data.copy()
    solver.step(1)
    assert solver._loop.updater.rule.name == name
    assert (solver.net.params["ip"][0].data != before).any()


def test_param(solver: caffe.SGDSolver) -> None:
    assert (solver.param.max_iter, solver.param.display, solver.param.iter_size) == (20, 5, 1)
    solver.param.base_lr = 0.0
    weights = solver.net.params["ip"][0].data
    before = weights.copy()
    solver.step(1)
    np.testing.assert_array_equal(weights, before)
    with pytest.raises(AttributeError):
        solver.param.no_such_field = 1


def test_share_weights(path: str) -> None:
    first, second = caffe.SGDSolver(path), caffe.SGDSolver(path)
    second.share_weights(first.net)
    assert np.shares_memory(first.net.params["ip"][0].data, second.net.params["ip"][0].data)
    second.step(1)


def test_the_train_net_can_be_reshaped(file: File, tmp_path: Path) -> None:
    net = file(
        """layer { name: 'd' type: 'Input' top: 'd' top: 't'
             input_param { shape { dim: 4 dim: 3 } shape { dim: 4 dim: 2 } } }
           layer { name: 'ip' type: 'InnerProduct' bottom: 'd' top: 'ip'
             inner_product_param { num_output: 2 weight_filler { type: 'xavier' } } }
           layer { name: 'loss' type: 'EuclideanLoss' bottom: 'ip' bottom: 't' top: 'loss' }"""
    )
    solver = caffe.AdamSolver(file(f"net: '{net}' base_lr: 0.1 lr_policy: 'fixed' max_iter: 9", "s.prototxt"))
    true = np.array([[1, -2], [0.5, 0], [3, 1]], np.float32)
    generator = np.random.default_rng(0)
    for iteration in range(300):
        rows = 2 + iteration % 3
        x = generator.standard_normal((rows, 3)).astype(np.float32)
        for name, array in (("d", x), ("t", x @ true)):
            solver.net.blobs[name].reshape(*array.shape)
            solver.net.blobs[name].data[...] = array
        solver.step(1)
    np.testing.assert_allclose(solver.net.params["ip"][0].data, true.T, atol=0.05)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_is_wrong_with_a_solver_is_a_runtime_error(file: File, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="there is no file"):
        caffe.SGDSolver(file("net: 'none.prototxt' base_lr: 1", "s.prototxt"))
    with pytest.raises(NetError, match="Sgdd"):
        caffe.get_solver(file(f"net: '{file(SIMPLE)}' base_lr: 1 type: 'Sgdd'", "s.prototxt"))
    solver = caffe.get_solver(file(f"net: '{file(SIMPLE)}' base_lr: 1e30 lr_policy: 'fixed'", "s.prototxt"))
    with pytest.raises(RuntimeError, match="SOL013"):
        solver.step(20)


def test_progress_goes_to_a_logger(solver: caffe.SGDSolver, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "caffe"):
        solver.step(6)
        caffe.log("a line")
    lines = [record.message for record in caplog.records if record.name == "caffe"]
    assert [line.split(",")[0] for line in lines] == ["Iteration 0", "Iteration 0", "Iteration 5", "a line"]
    assert not math.isnan(float(lines[1].split("loss = ")[1].split(",")[0]))
