"""Stop and resume: the same bits as a run that never stopped, and nothing half-written is ever taken."""

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest

from netc.errors import NetError
from netc.schema.weights import LayerWeights, parse_solver_state
from netc.solve import Solver, read_weights
from netc.solve.hdf5 import write_weights as write_hdf5
from tests.run.common import make, solver_record
from tests.solve.common import GOLDEN, bits, solver_for
from tests.solve.test_solver import Log, build

EXTRA = 'snapshot: 4 average_loss: 3 test_interval: 3 early_stop { output: "loss" patience: 50 mode: MIN } '
RULES = ["SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam", "AdamW"]


def settings(rule: str) -> str:
    return f'type: "{rule}" {EXTRA}'


def trained(tmp_path: Path, rule: str) -> tuple[Solver, Log]:
    solver, log = started(tmp_path, rule)
    solver.solve()
    return solver, log


def started(tmp_path: Path, rule: str, extra: str = "") -> tuple[Solver, Log]:
    tmp_path.mkdir(exist_ok=True)
    return build(settings(rule) + extra, tests=1, snapshot_prefix=str(tmp_path / "net"))


@pytest.mark.parametrize("rule", RULES)
def test_resume_gives_the_same_bits(tmp_path: Path, rule: str) -> None:
    whole, log = trained(tmp_path, rule)
    resumed, again = started(tmp_path / "again", rule)
    resumed.restore(tmp_path / "net_iter_4.solverstate")
    assert resumed.iteration == 4
    resumed.solve()
    assert bits(resumed.net) == bits(whole.net)
    assert [s.average_loss for s in again.steps] == [s.average_loss for s in log.steps[4:]]
    assert [r.outputs for r in again.tests] == [r.outputs for r in log.tests if r.iteration > 4]
    assert (resumed.best, resumed.waited) == (whole.best, whole.waited)
    first, second = (tmp_path / "net_iter_12.caffemodel", tmp_path / "again" / "net_iter_12.caffemodel")
    assert first.read_bytes() == second.read_bytes()


def test_another_seed_goes_on_with_the_snapshots(tmp_path: Path) -> None:
    whole, _ = trained(tmp_path, "SGD")
    resumed, log = build(settings("SGD"), seed=99, tests=1, snapshot_prefix=str(tmp_path / "other"))
    resumed.restore(tmp_path / "net_iter_8.solverstate")
    assert [d.code.id for d in log.warnings] == ["SNP027"]
    resumed.solve()
    assert bits(resumed.net) == bits(whole.net)


def test_files_are_caffes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read by the reader that knows Caffe's fields only; a snapshot of Caffe's run holds what Caffe's own holds."""
    monkeypatch.chdir(tmp_path)  # the run's own snapshot_prefix is "adam"
    solver, _ = solver_for("adam")
    solver.step(5)
    solver.snapshot()
    ours = parse_solver_state((tmp_path / "adam_iter_5.solverstate").read_bytes())
    theirs = parse_solver_state((GOLDEN / "interop" / "adam_iter_5.solverstate").read_bytes())
    assert (ours.iter, ours.current_step) == (theirs.iter, theirs.current_step)
    assert [h.shape for h in ours.history] == [h.shape for h in theirs.history]
    for a, b in zip(ours.history, theirs.history, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-6)
    mine = read_weights(tmp_path / "adam_iter_5.caffemodel")
    caffes = read_weights(GOLDEN / "interop" / "adam_iter_5.caffemodel")
    assert mine.name == caffes.name
    assert [(x.name, x.type) for x in mine.layers] == [(x.name, x.type) for x in caffes.layers]
    for left, right in zip(mine.layers, caffes.layers, strict=True):
        for a, b in zip(left.blobs, right.blobs, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_files_cut_anywhere_are_refused(tmp_path: Path) -> None:
    trained(tmp_path, "SGD")
    state, weights = tmp_path / "net_iter_4.solverstate", tmp_path / "net_iter_4.caffemodel"
    for path in (state, weights):
        whole = path.read_bytes()
        for size in np.linspace(0, len(whole) - 1, 100).astype(int):
            path.write_bytes(whole[:size])
            solver, _ = started(tmp_path / "again", "SGD")
            before = bits(solver.net)
            with pytest.raises(NetError) as caught:
                solver.restore(state)
            assert caught.value.diagnostics[0].code.id in {"SNP001", "SNP002", "SNP023"}
            assert bits(solver.net) == before
        path.write_bytes(whole)


def test_weights_of_another_run_are_refused(tmp_path: Path) -> None:
    trained(tmp_path, "SGD")
    shutil.copy(tmp_path / "net_iter_8.caffemodel", tmp_path / "net_iter_4.caffemodel")
    solver, _ = started(tmp_path / "again", "SGD")
    with pytest.raises(NetError) as caught:
        solver.restore(tmp_path / "net_iter_4.solverstate")
    assert caught.value.diagnostics[0].code.id == "SNP023"
    (tmp_path / "net_iter_4.caffemodel").unlink()
    with pytest.raises(NetError) as caught:
        solver.restore(tmp_path / "net_iter_4.solverstate")
    assert caught.value.diagnostics[0].code.id == "SNP024"


def test_state_of_another_rule_is_refused(tmp_path: Path) -> None:
    trained(tmp_path, "Adam")
    solver, _ = started(tmp_path / "again", "SGD")
    with pytest.raises(NetError) as caught:
        solver.restore(tmp_path / "net_iter_4.solverstate")
    assert [d.code.id for d in caught.value.diagnostics] == ["SNP022"]
    assert "SGD has 1 for each of the net's 7 parameter blobs" in str(caught.value)


def test_which_snapshots_are_written(tmp_path: Path) -> None:
    solver, log = started(tmp_path, "SGD")
    log.at_step = lambda step: solver.request_snapshot() if step.iteration == 5 else None
    solver.solve()
    assert solver.iteration == 12
    names = sorted(p.name for p in tmp_path.glob("net_iter_*"))
    assert names == sorted(f"net_iter_{i}.{kind}" for i in (4, 5, 8, 12) for kind in ("caffemodel", "solverstate"))
    other, log = started(tmp_path / "stopped", "SGD")
    log.at_step = lambda step: other.request_stop() if step.iteration == 6 else None
    other.solve()
    assert other.last_snapshot is not None
    assert other.last_snapshot.state.name == "net_iter_6.solverstate"


def test_a_snapshot_that_fails_in_the_middle_does_not_end_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))  # the last snapshot finds no other place either
    solver, log = started(tmp_path, "SGD")
    log.at_step = lambda step: shutil.rmtree(tmp_path) if step.iteration == 7 else None
    with pytest.raises(NetError) as caught:
        solver.solve()
    assert solver.iteration == 12
    assert [d.code.id for d in log.warnings] == ["SNP020", "SNP020"]
    assert caught.value.diagnostics[0].code.id == "SNP020"


# ---------------------------------------------------------------- HDF5


def test_resume_from_hdf5(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="the extra data is not installed")
    whole, _ = trained(tmp_path, "Adam")
    first, _ = started(tmp_path / "h5", "Adam", "snapshot_format: HDF5")
    first.solve()
    resumed, _ = started(tmp_path / "again", "Adam")
    resumed.restore(tmp_path / "h5" / "net_iter_4.solverstate.h5")
    resumed.solve()
    assert bits(resumed.net) == bits(whole.net)
    with h5py.File(tmp_path / "h5" / "net_iter_4.solverstate.h5") as file:
        assert file["learned_net"][()].endswith(b"net_iter_4.caffemodel.h5")
        assert file["iter"][0] == 4


@pytest.mark.parametrize("name", ["adam", "sgd_fixed"])
def test_goes_on_from_caffes_hdf5(name: str) -> None:
    pytest.importorskip("h5py", reason="the extra data is not installed")
    from_protobuf, _ = solver_for(name)
    from_hdf5, _ = solver_for(name)
    from_protobuf.restore(GOLDEN / "interop" / f"{name}_iter_5.solverstate")
    from_hdf5.restore(GOLDEN / "interop" / f"{name}_iter_5.solverstate.h5")
    assert bits(from_protobuf.net) == bits(from_hdf5.net)
    assert from_hdf5.iteration == 5
    for a, b in zip(from_protobuf.updater.history, from_hdf5.updater.history, strict=True):
        assert all((a[i] == b[i]).all() for i in a)


def test_hdf5_files_cut_anywhere_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("h5py", reason="the extra data is not installed")
    first, _ = started(tmp_path, "SGD", "snapshot_format: HDF5")
    first.solve()
    state, weights = tmp_path / "net_iter_4.solverstate.h5", tmp_path / "net_iter_4.caffemodel.h5"
    for path in (state, weights):
        whole = path.read_bytes()
        for size in np.linspace(0, len(whole) - 1, 50).astype(int):
            path.write_bytes(whole[:size])
            solver, _ = started(tmp_path / "again", "SGD")
            with pytest.raises(NetError) as caught:
                solver.restore(state)
            assert caught.value.diagnostics[0].code.id in {"SNP001", "SNP002", "SNP023", "SNP026"}
        path.write_bytes(whole)


def test_hdf5_layers_inside_layers(tmp_path: Path) -> None:
    pytest.importorskip("h5py", reason="the extra data is not installed")
    names = ["conv1", "conv1/bn", "block/1", "block/1/a", "relu"]
    layers = [LayerWeights(n, "", (np.full((2, i + 1), i, np.float32),) * (n != "relu")) for i, n in enumerate(names)]
    with (tmp_path / "a.h5").open("wb+") as file:
        write_hdf5(file, layers)
    found = {layer.name: layer for layer in read_weights(tmp_path / "a.h5").layers}
    assert set(found) == {*names, "block"}
    for layer in layers:
        assert [b.tolist() for b in found[layer.name].blobs] == [b.tolist() for b in layer.blobs]


CLASH = """
layer { name: "x" type: "Input" top: "x" top: "t" input_param { shape { dim: 2 dim: 3 } } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip" inner_product_param { num_output: 3 } }
layer { name: "ip/1" type: "ReLU" bottom: "ip" top: "ip" }
layer { name: "loss" type: "EuclideanLoss" bottom: "ip" bottom: "t" top: "loss" }
"""


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("ip", "ip/0"), 'layer "ip/0" would stand where blob 0 of layer "ip" stands'),
        (("a/b/1/c", "a/b"), 'layer "a/b/1/c" would stand where blob 1 of layer "a/b" stands'),
        (("ip", "ip"), 'two layers are called "ip"'),
    ],
)
def test_layers_with_one_place_in_hdf5_are_refused(tmp_path: Path, names: tuple[str, str], said: str) -> None:
    pytest.importorskip("h5py", reason="the extra data is not installed")
    blobs = np.zeros(2, np.float32), np.zeros(2, np.float32)
    with (tmp_path / "a.h5").open("wb+") as file, pytest.raises(NetError) as caught:
        write_hdf5(file, [LayerWeights(name, "", blobs) for name in names])
    assert [(d.code.id, d.message) for d in caught.value.diagnostics] == [("SNP028", said)]


def test_a_run_that_could_not_write_its_hdf5_does_not_start(tmp_path: Path) -> None:
    net = make(CLASH)
    p = solver_record(f'base_lr: 1 max_iter: 1 snapshot_prefix: "{tmp_path}/s" snapshot_format: HDF5')
    with pytest.raises(NetError) as caught:
        Solver(p, net)
    assert [d.code.id for d in caught.value.diagnostics] == ["SNP028"]
    Solver(p.replace(snapshot_after_train=False), net)


def test_hostile_hdf5_is_refused(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="the extra data is not installed")
    bomb, link, other = tmp_path / "bomb.h5", tmp_path / "link.h5", tmp_path / "other.h5"
    with h5py.File(bomb, "w") as file:
        file.create_dataset("data/ip/0", shape=(1 << 31,), dtype="f4", chunks=(1 << 20,), compression="gzip")
    with h5py.File(link, "w") as file:
        file.create_group("data/ip")["0"] = h5py.ExternalLink("bomb.h5", "/data/ip/0")
    with h5py.File(other, "w") as file:
        file["images"] = np.zeros(3)
    words = ("is declared with 8,589,934,592 bytes", "is a link to something else", "it has no data")
    for path, said in zip((bomb, link, other), words, strict=True):
        with pytest.raises(NetError) as caught:
            read_weights(path)
        assert [d.code.id for d in caught.value.diagnostics] == ["SNP026"]
        assert said in str(caught.value)


# ---------------------------------------------------------------- layers that remember

LSTM = """
layer { name: "x" type: "Input" top: "x" top: "cont"
  input_param { shape { dim: 2 dim: 3 dim: 4 } shape { dim: 2 dim: 3 } } }
layer { name: "lstm" type: "LSTM" bottom: "x" bottom: "cont" top: "y"
  recurrent_param { num_output: 4 weight_filler { type: "uniform" min: -1 max: 1 } } }
layer { name: "loss" type: "EuclideanLoss" bottom: "y" bottom: "x" top: "loss" }
"""


def test_what_a_layer_remembers_is_in_the_snapshot(tmp_path: Path) -> None:
    def make_solver() -> Solver:
        log = Log()
        fields = 'base_lr: 0.1 lr_policy: "fixed" max_iter: 6 snapshot: 3'
        solver = Solver(solver_record(fields), make(LSTM), events=log, snapshot_prefix=str(tmp_path / "lstm"))
        log.at_step = lambda step: feed(solver, step.iteration)
        return solver

    def feed(solver: Solver, iteration: int) -> None:
        solver.net.set_input("x", np.random.default_rng(iteration).standard_normal((2, 3, 4)))
        solver.net.set_input("cont", np.ones((2, 3)))

    whole, resumed = make_solver(), make_solver()
    feed(whole, 0)
    whole.solve()
    resumed.restore(tmp_path / "lstm_iter_3.solverstate")
    assert all(array.any() for array in resumed.net.state.values())
    feed(resumed, 3)
    resumed.solve()
    assert bits(resumed.net) == bits(whole.net)


@pytest.mark.parametrize("format", ["BINARYPROTO", "HDF5"])
def test_a_plateau_goes_on_where_it_was(tmp_path: Path, format: str) -> None:
    if format == "HDF5":
        pytest.importorskip("h5py", reason="the extra data is not installed")

    def start(folder: Path) -> tuple[Solver, Log]:
        folder.mkdir(exist_ok=True)
        text = f"snapshot: 4 average_loss: 2 snapshot_format: {format}"
        base = 'base_lr: 0.5 lr_policy: "plateau" gamma: 0.5 plateau_winsize: [1, 2, 1, 3] max_iter: 12 '
        return build(text, base=base, snapshot_prefix=str(folder / "net"))

    whole, log = start(tmp_path)
    whole.solve()
    rates = [s.rate for s in log.steps]
    assert len(set(rates)) > 2
    resumed, again = start(tmp_path / "again")
    resumed.restore(tmp_path / f"net_iter_4.solverstate{'.h5' if format == 'HDF5' else ''}")
    resumed.solve()
    assert [s.rate for s in again.steps] == rates[4:]
    assert bits(resumed.net) == bits(whole.net)
    assert resumed.updater.plateau == whole.updater.plateau
