"""Stages: solver fields that follow each other, weights that become sparse, and where all that goes on after a stop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc import solve
from netc.api.definition import loads
from netc.api.planning import check, plan
from netc.errors import NetError
from netc.layer import Array
from netc.run import Net
from netc.solve import Solver, read_weights, sparsity
from netc.solve.stages import changed, stage_at, stages_of
from tests.run.common import solver_record
from tests.solve.common import Counter, bits
from tests.solve.test_solver import Log

NET = """
data, label = Digits() { split: "train" batch_size: 6 }
a = InnerProduct(data) { num_output: 20 weight_filler { type: "xavier" } }
a = ReLU(a)
a = Dropout(a) { dropout_ratio: 0.2 }
b = InnerProduct(a) { num_output: 10 weight_filler { type: "xavier" } }
loss = SoftmaxWithLoss(b, label)
test { accuracy = Accuracy(b, label) }
"""
BASE = 'base_lr: 0.05 lr_policy: "fixed" random_seed: 3 '
DSD = "stage { max_iter: 4 } stage { max_iter: 6 sparsity: 0.8 sparsity_iter: 3 } stage { max_iter: 4 base_lr: 0.005 }"


class Staged(Log):
    def __init__(self) -> None:
        super().__init__()
        self.stages: list[tuple[int, int, str | None]] = []
        self.back: list[tuple[int, int]] = []

    def staged(self, stage: int, stages: int, iteration: int, reason: str | None) -> None:
        self.stages.append((stage, iteration, reason))

    def went_back(self, iteration: int, best: int) -> None:
        self.back.append((iteration, best))


def build(text: str, executor: str = "reference", *, tests: int = 0, **options: Any) -> tuple[Solver, Staged]:
    log = Staged()
    net = Net(plan(loads(NET), "TRAIN"), feeds={"data": Counter()}, seed=3, executor=executor)
    nets = [Net(plan(loads(NET), "TEST"), feeds={"data": Counter()}, params=net, seed=3) for _ in range(tests)]
    options = {"keep_gradients": False, **options}
    return Solver(solver_record(BASE + text), net, [solve.Test(n, 2) for n in nets], events=log, **options), log


def trained(text: str, executor: str = "reference", **options: Any) -> tuple[Solver, Staged]:
    solver, log = build(text, executor, **options)
    solver.solve()
    return solver, log


def weights(solver: Solver) -> dict[str, Array]:
    return {p.param.name: p.data.copy() for p in solver.net.parameters.all}


# Stages


def test_a_stage_is_a_run_of_its_own_from_the_weights_of_the_one_before() -> None:
    """Two solvers, one after the other on the same net, with the place in data and random numbers kept."""
    first = 'type: "Adam" max_iter: 5 '
    second = 'momentum: 0.9 lr_policy: "poly" power: 1 max_iter: 7 '
    whole, log = trained(f"stage {{ {first} }} stage {{ {second} }}")
    one = trained(first)[0]
    rates = [s.rate for s in log.steps]
    other_log = Staged()
    other = Solver(solver_record(BASE.replace('lr_policy: "fixed"', "") + second), one.net, events=other_log)
    other.solve()
    assert bits(whole.net) == bits(one.net)
    assert rates == [0.05] * 5 + [s.rate for s in other_log.steps]
    assert [s.iteration for s in log.steps] == list(range(1, 13))
    assert log.stages == [(1, 5, None)]


def test_fields_of_a_stage_stand_over_those_of_the_solver() -> None:
    record = solver_record(f'{BASE} learn: "a" gamma: 0.5 stage {{ gamma: 0.1 loss: "loss" }} stage {{ base_lr: 1 }}')
    one, two = stages_of(record)
    assert (one.gamma, one.base_lr, one.learn, one.loss) == (0.1, np.float32(0.05), (), ("loss",))
    assert (two.gamma, two.base_lr, two.learn, two.loss) == (0.5, 1, ("a",), ())
    assert not one.has("stage")
    both = changed(record, {"max_iter": 3, "gamma": 0.25})
    assert [(p.max_iter, p.gamma) for p in stages_of(both)] == [(3, 0.25), (3, 0.25)]


def test_which_stage_an_iteration_is_of() -> None:
    stages = stages_of(solver_record(f"{BASE} {DSD}"))
    assert [stage_at(stages, i) for i in (0, 3, 4, 9, 10, 99)] == [(0, 0), (0, 0), (1, 4), (1, 4), (2, 10), (2, 10)]


def test_stages_of_no_iterations_are_passed_over() -> None:
    solver, log = trained("stage { max_iter: 0 } stage { max_iter: 0 } stage { max_iter: 2 }")
    assert (solver.iteration, solver.stage, log.stages) == (2, 2, [(1, 0, None), (2, 0, None)])


def test_step_goes_through_the_stages() -> None:
    solver, whole = build(DSD)[0], trained(DSD)[0]
    for count in (3, 4, 7):
        solver.step(count)
    assert bits(solver.net) == bits(whole.net)
    solver.step(2)
    assert (solver.iteration, solver.stage) == (16, 2)


@pytest.mark.parametrize("executor", ["reference", "fast"])
@pytest.mark.parametrize("form", ["BINARYPROTO", "HDF5"])
def test_a_run_goes_on_in_any_stage_with_the_same_bits(executor: str, form: str, tmp_path: Path) -> None:
    text = f'type: "Adam" momentum: 0.9 average_loss: 3 snapshot: 1 snapshot_format: {form} {DSD}'
    whole, log = trained(text, executor, snapshot_prefix=str(tmp_path / "whole"))
    end = ".h5" if form == "HDF5" else ""
    for at in (1, 4, 5, 6, 9, 10, 11, 14):
        resumed, _ = build(text, executor, snapshot_prefix=str(tmp_path / "resumed"))
        resumed.restore(tmp_path / f"whole_iter_{at}.solverstate{end}")
        resumed.solve()
        assert bits(resumed.net) == bits(whole.net)
        for name in ("caffemodel", "solverstate"):
            files = [tmp_path / f"{run}_iter_14.{name}{end}" for run in ("whole", "resumed")]
            if name == "caffemodel" and not end:
                assert files[0].read_bytes() == files[1].read_bytes()
        for ours, theirs in zip(resumed.updater.history, whole.updater.history, strict=True):
            assert {k: v.tobytes() for k, v in ours.items()} == {k: v.tobytes() for k, v in theirs.items()}
    assert [s.average_loss for s in log.steps][4] == log.steps[4].loss


def test_a_state_of_a_stage_that_is_not_there(tmp_path: Path) -> None:
    trained(DSD, snapshot_prefix=str(tmp_path / "run"))
    for text, refused in (("stage { max_iter: 4 } stage { max_iter: 9 }", True), (DSD, False)):
        solver, _ = build(text)
        before = bits(solver.net)
        if refused:
            with pytest.raises(NetError) as error:
                solver.restore(tmp_path / "run_iter_14.solverstate")
            assert [str(d.code) for d in error.value.diagnostics] == ["SNP022"]
            assert bits(solver.net) == before
        else:
            solver.restore(tmp_path / "run_iter_14.solverstate")


@pytest.mark.parametrize(
    ("text", "code", "at"),
    [
        ("stage { max_iter: 3 random_seed: 1 }", "SOL030", "1"),
        ('stage { max_iter: 3 snapshot_prefix: "x" }', "SOL030", '"x"'),
        ("stage { max_iter: 3 stage { max_iter: 1 } }", "SOL030", "stage"),
        ("stage { max_iter: 3 test_iter: 1 }", "SOL030", "1"),
        ("stage { } stage { max_iter: 2 }", "SOL011", "stage"),
        ("stage { max_iter: -1 }", "SOL012", "-1"),
        ("stage { max_iter: 3 sparsity: 1 }", "SOL012", "1"),
        ("stage { max_iter: 3 sparsity: -0.1 }", "SOL012", "-0.1"),
        ("stage { max_iter: 3 sparsity: 0.5 sparsity_interval: 0 }", "SOL012", "0"),
        ("stage { max_iter: 3 sparsity: 0.5 sparsity_iter: 3 }", "SOL012", "3"),
        ('stage { max_iter: 3 sparsity: 0.5 sparse: "c" }', "PLN030", '"c"'),
        ('stage { max_iter: 3 learn: "c" }', "PLN030", '"c"'),
        ('stage { max_iter: 3 early_stop { output: "x" } }', "SOL014", '"x"'),
        ('stage { max_iter: 3 type: "Adm" }', "SOL010", '"Adm"'),
    ],
)
def test_what_cannot_be_is_said_by_check_and_by_the_solver(text: str, code: str, at: str, tmp_path: Path) -> None:
    path = tmp_path / "net.net"
    train = NET.replace("data, label = Digits()", "train { data, label = Digits()").replace(
        "batch_size: 6 }", "batch_size: 6 } }"
    )
    test = 'test { data, label = Digits() { split: "test" batch_size: 6 } }'
    head, _, tail = train.partition("\na =")
    path.write_text(f"{head}\n{test}\na ={tail}\nsolver {{ {BASE} test_iter: 1 test_interval: 2 {text} }}")
    with pytest.raises(NetError) as error:
        check(path)
    found = [(str(d.code), d.span) for d in error.value.diagnostics if d.severity == "error"]
    assert [c for c, _ in found] == [code]
    span = found[0][1]
    assert span is not None
    assert span.source.text[span.start : span.end].startswith(at)
    with pytest.raises(NetError) as error:
        trained(text)
    assert code in [str(d.code) for d in error.value.diagnostics]


def test_a_field_is_unused_only_if_no_stage_uses_it() -> None:
    used = "gamma: 0.5 stage { max_iter: 1 } stage { max_iter: 1 lr_policy: 'exp' }"
    assert [str(w.code) for w in build(used)[1].warnings] == []
    assert [str(w.code) for w in build("gamma: 0.5 stage { max_iter: 1 } stage { max_iter: 1 }")[1].warnings] == [
        "SOL017"
    ]
    own = "stage { max_iter: 1 gamma: 0.5 } stage { max_iter: 1 lr_policy: 'exp' gamma: 0.5 }"
    assert [str(w.code) for w in build(own)[1].warnings] == ["SOL017"]
    assert [str(w.code) for w in build("max_iter: 3 sparsity_iter: 2")[1].warnings] == ["SOL017"]


# Early stopping


STOP = 'early_stop { output: "accuracy" patience: 2 mode: MIN %s } test_interval: 1 test_initialization: false '


def test_early_stopping_ends_a_stage_and_the_next_one_begins() -> None:
    solver, log = trained(f"{STOP % ''} stage {{ max_iter: 50 }} stage {{ max_iter: 40 base_lr: 0.2 }}", tests=1)
    (stage, iteration, reason), *_ = log.stages
    assert stage == 1
    assert reason is not None
    assert 2 <= iteration < 50
    assert log.reasons
    assert solver.iteration < iteration + 40


def test_a_stage_ends_with_its_best_weights_where_that_is_asked_for(tmp_path: Path) -> None:
    text = f"{STOP % 'restore: true'} snapshot: 1 max_iter: 60"
    solver, log = trained(text, tests=1, snapshot_prefix=str(tmp_path / "run"))
    assert solver.best_iteration is not None
    assert log.back == [(solver.iteration, solver.best_iteration)]
    best = read_weights(tmp_path / f"run_iter_{solver.best_iteration}.caffemodel")
    last = read_weights(tmp_path / f"run_iter_{solver.iteration}.caffemodel")
    for ours, theirs in zip(best.layers, last.layers, strict=True):
        for a, b in zip(ours.blobs, theirs.blobs, strict=True):
            np.testing.assert_array_equal(a, b)
    resumed, again = build(text, tests=1, snapshot_prefix=str(tmp_path / "run"))
    resumed.restore(tmp_path / f"run_iter_{solver.best_iteration + 1}.solverstate")
    resumed.solve()
    assert bits(resumed.net) == bits(solver.net)
    assert again.back == log.back


def test_best_weights_that_are_gone_are_warned_of(tmp_path: Path) -> None:
    text = f"{STOP % 'restore: true'} snapshot: 1 max_iter: 60"
    solver, _ = trained(text, tests=1, snapshot_prefix=str(tmp_path / "run"))
    (tmp_path / "run_best.caffemodel").unlink()
    resumed, log = build(text, tests=1, snapshot_prefix=str(tmp_path / "run"))
    assert solver.best_iteration is not None
    resumed.restore(tmp_path / f"run_iter_{solver.best_iteration + 1}.solverstate")
    resumed.solve()
    assert "SOL031" in [str(w.code) for w in log.warnings]
    assert not log.back


# Sparse weights


def test_the_schedule_is_that_of_zhu_and_gupta() -> None:
    p = solver_record(f"{BASE} sparsity: 0.8 sparsity_iter: 10 sparsity_interval: 4")
    found = {i: sparsity.due(p, i) for i in range(15)}
    expected = {i: 0.8 + (0 - 0.8) * (1 - i / 10) ** 3 for i in (0, 4, 8, 10)}
    assert {i: v for i, v in found.items() if v is not None} == pytest.approx(expected, abs=1e-7)
    once = solver_record(f"{BASE} sparsity: 0.5")
    assert [sparsity.due(once, i) for i in (0, 1, 2)] == [0.5, None, None]
    assert sparsity.due(solver_record(BASE), 0) is None


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 0.75, 0.99])
def test_the_smallest_go_and_of_equal_ones_the_first(share: float) -> None:
    values = np.array([0.5, -0.5, 0.1, 0.5, -2, 0, 0.1, 3, -0.0, 1], np.float32)
    mask = np.ones(10, np.uint8)
    count = int(10 * share + 0.5)
    order = sorted(range(10), key=lambda i: (abs(values[i]), i))
    expected = values.copy()
    expected[order[:count]] = 0
    sparsity.prune(values, mask, share)
    np.testing.assert_array_equal(values, expected)
    assert sorted(np.flatnonzero(mask == 0)) == sorted(order[:count])
    assert not np.signbit(values[mask == 0]).any()


def test_what_is_out_stays_out_and_masks_only_grow() -> None:
    random = np.random.default_rng(0)
    values, mask = random.standard_normal(1000).astype(np.float32), np.ones(1000, np.uint8)
    before = mask.copy()
    for share in (0.2, 0.2, 0.5, 0.4, 0.9):
        sparsity.prune(values, mask, share)
        assert not (mask & ~before & 1).any()
        before = mask.copy()
        values[mask == 1] += random.standard_normal(int(mask.sum())).astype(np.float32)
    assert int((mask == 0).sum()) == 900


def test_masks_as_bits() -> None:
    for size in (1, 7, 8, 9, 1000):
        mask = np.random.default_rng(size).integers(0, 2, size).astype(np.uint8)
        found = sparsity.unpacked(sparsity.packed(mask), size)
        assert found is not None
        np.testing.assert_array_equal(found, mask)
        assert sparsity.unpacked(sparsity.packed(mask) + b"\0", size) is None


@pytest.mark.parametrize("executor", ["reference", "fast"])
@pytest.mark.parametrize("rule", ["SGD", "Adam", "AdamW", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta"])
def test_pruned_weights_stay_zero_to_the_bit(executor: str, rule: str) -> None:
    momentum = "" if rule in ("AdaGrad", "RMSProp") else "momentum: 0.9"
    text = f'type: "{rule}" {momentum} weight_decay: 0.1 delta: 1e-8 max_iter: 8 sparsity: 0.7 sparsity_iter: 4'
    solver, _ = build(text, executor)
    out: dict[str, Array] = {}
    for _ in range(8):
        solver.step(1)
        now = weights(solver)
        for name, gone in out.items():
            assert not now[name].view(np.uint32)[gone].any()
        out = {name: now[name] == 0 for name in ("a/weights", "b/weights")}
    assert {name: int(gone.sum()) for name, gone in out.items()} == {"a/weights": 896, "b/weights": 140}
    assert now["a/bias"].all()


def test_updates_in_backward_give_the_bits_of_those_after_it() -> None:
    text = "momentum: 0.9 max_iter: 8 sparsity: 0.7 sparsity_iter: 4"
    kept, updating = build(text, "fast", keep_gradients=True)[0], build(text, "fast")[0]
    assert updating.updater.updates_in_backward
    for solver in (kept, updating):
        solver.solve()
    assert bits(kept.net) == bits(updating.net)


def test_a_gradient_of_what_is_out_counts_for_no_norm() -> None:
    """Clipping by the global norm sees only the gradients of weights that are in."""
    solver, _ = build("clip_gradients: 1e-3 max_iter: 1 sparsity: 0.9", keep_gradients=True)
    before = weights(solver)
    solver.step(1)
    moved = np.concatenate([(before[n] - v)[v != 0].ravel() for n, v in weights(solver).items()])
    assert float(np.linalg.norm(moved)) == pytest.approx(0.05 * 1e-3, rel=1e-3)


def test_only_the_layers_that_are_named_become_sparse() -> None:
    solver, _ = trained('max_iter: 2 sparsity: 0.5 sparse: "b*"')
    assert {name: int((v == 0).sum()) for name, v in weights(solver).items() if "weights" in name} == {
        "a/weights": 0,
        "b/weights": 100,
    }
    assert "b/weights" not in {
        b.param.name for b in solver.net.parameters.all if b.param.index not in solver.updater.masks
    }


def test_snapshots_store_what_is_left_and_the_next_stage_starts_from_it(tmp_path: Path) -> None:
    text = "snapshot: 2 stage { max_iter: 2 } stage { max_iter: 2 sparsity: 0.95 } stage { max_iter: 2 }"
    solver, _ = trained(text, snapshot_prefix=str(tmp_path / "run"))
    dense, sparse, again = ((tmp_path / f"run_iter_{i}.caffemodel").stat().st_size for i in (2, 4, 6))
    assert sparse < dense / 4
    assert again == dense
    stored = {la.name: la for la in read_weights(tmp_path / "run_iter_4.caffemodel").layers}
    assert int((stored["a"].blobs[0] == 0).sum()) == round(0.95 * 1280)
    assert not solver.updater.masks


def test_masks_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    text = "max_iter: 2 sparsity: 0.5"
    trained(text, snapshot_prefix=str(tmp_path / "run"))
    other = NET.replace("num_output: 20", "num_output: 21")
    net = Net(plan(loads(other), "TRAIN"), feeds={"data": Counter()}, seed=3)
    with pytest.raises(NetError) as error:
        Solver(solver_record(BASE + text), net).restore(tmp_path / "run_iter_2.solverstate")
    assert {str(d.code) for d in error.value.diagnostics} == {"SNP022"}
