"""The training loop: tests, averages, stops, and what is refused."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc import solve
from netc.errors import Diagnostic, NetError
from netc.run import Net
from netc.solve import Events, Solver, Step
from netc.solve.inspect import Size
from tests.run.common import planned, solver_record
from tests.solve.common import Counter, bits, solver_for

NET = """
name: "small"
layer { name: "data" type: "Digits" top: "data" top: "label" digits_param { batch_size: 4 } }
layer { name: "ip1" type: "InnerProduct" bottom: "data" top: "ip1"
  inner_product_param { num_output: 8 weight_filler { type: "xavier" } } }
layer { name: "drop" type: "Dropout" bottom: "ip1" top: "ip1" dropout_param { dropout_ratio: 0.4 } }
layer { name: "bn" type: "BatchNorm" bottom: "ip1" top: "ip1" }
layer { name: "ip2" type: "InnerProduct" bottom: "ip1" top: "ip2"
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip2" bottom: "label" top: "loss" }
layer { name: "accuracy" type: "Accuracy" bottom: "ip2" bottom: "label" top: "accuracy" include { phase: TEST } }
"""
GIVEN = {"data": ((4, 1, 8, 8), (4,))}
SOLVER = 'base_lr: 0.05 max_iter: 12 lr_policy: "fixed" '


class Log(Events):
    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.tests: list[solve.TestResult] = []
        self.reasons: list[str] = []
        self.warnings: list[Diagnostic] = []
        self.sizes: list[Sequence[Size]] = []
        self.at_step: Any = None

    def stepped(self, step: Step) -> None:
        self.steps.append(step)
        if self.at_step:
            self.at_step(step)

    def tested(self, result: solve.TestResult) -> None:
        self.tests.append(result)

    def warned(self, diagnostic: Diagnostic) -> None:
        self.warnings.append(diagnostic)

    def sized(self, sizes: Sequence[Size]) -> None:
        self.sizes.append(sizes)

    def stopped(self, reason: str) -> None:
        self.reasons.append(reason)


def build(
    text: str = "", *, seed: int = 1, tests: int = 0, base: str = SOLVER, threads: int = 1, **options: Any
) -> tuple[Solver, Log]:
    net = Net(planned(NET, "TRAIN", given=GIVEN), feeds={"data": Counter()}, seed=seed)
    plans = [planned(NET, "TEST", given=GIVEN) for _ in range(tests)]
    net.threads = threads
    test_nets = [solve.Test(Net(plan, feeds={"data": Counter()}, params=net, seed=seed), 2) for plan in plans]
    log = Log()
    momentum = "" if any(word in text for word in ("AdaGrad", "RMSProp")) else "momentum: 0.9 "
    return Solver(solver_record(base + momentum + text), net, test_nets, events=log, **options), log


def test_same_seed_same_bits() -> None:
    first, second, other = build()[0], build()[0], build(seed=2)[0]
    for solver in (first, second, other):
        solver.solve()
    assert bits(first.net) == bits(second.net)
    assert bits(first.net) != bits(other.net)


def test_tests_do_not_change_training() -> None:
    plain, tested = build()[0], build("test_interval: 3", tests=2)[0]
    plain.solve()
    tested.solve()
    assert bits(plain.net) == bits(tested.net)


def test_when_tests_happen() -> None:
    _, log = build_and_solve("test_interval: 5", tests=1)
    assert [r.iteration for r in log.tests] == [0, 5, 10]
    _, log = build_and_solve("test_interval: 4 test_initialization: false test_compute_loss: true", tests=2)
    assert [(r.iteration, r.net) for r in log.tests] == [(4, 0), (4, 1), (8, 0), (8, 1), (12, 0), (12, 1)]
    result = log.tests[0]
    assert set(result.outputs) == {"loss", "accuracy"}
    assert result.loss == pytest.approx(float(result.outputs["loss"]))


def test_where_it_stops_it_ends_as_at_max_iter(tmp_path: Path) -> None:
    """Caffe's `Solve`: the last iteration, then the snapshot, then a test if test_interval divides the iteration."""
    text = "test_interval: 4 snapshot: 100"
    whole, log = build(text, tests=1, snapshot_prefix=str(tmp_path / "whole"))
    whole.solve()
    parts, first = build(text, tests=1, snapshot_prefix=str(tmp_path / "parts"))
    parts.solve(stop_at=8)
    assert [r.iteration for r in first.tests] == [0, 4, 8]
    assert first.reasons == ["iteration 8 is where it was to stop"]
    assert parts.last_snapshot is not None
    rest, second = build(text, tests=1, seed=5, snapshot_prefix=str(tmp_path / "parts"))
    rest.restore(parts.last_snapshot.state)
    rest.solve()
    assert [r.iteration for r in second.tests] == [8, 12]
    assert bits(rest.net) == bits(whole.net)
    for result in (first.tests[-1], second.tests[0]):  # the same batches, tested again
        assert {k: float(v) for k, v in result.outputs.items()} == {
            k: float(v) for k, v in log.tests[2].outputs.items()
        }


@pytest.mark.parametrize(
    ("stop_at", "iteration", "tests"), [(7, 7, [0, 4]), (12, 12, [0, 4, 8, 12]), (99, 12, [0, 4, 8, 12])]
)
def test_where_it_stops_is_tested_only_if_the_interval_says_so(stop_at: int, iteration: int, tests: list[int]) -> None:
    solver, log = build("test_interval: 4", tests=1)
    solver.solve(stop_at)
    assert solver.iteration == iteration
    assert [r.iteration for r in log.tests] == tests
    assert bool(log.reasons) == (iteration < 12)


def test_a_stop_from_outside_is_not_tested() -> None:
    solver, log = build("test_interval: 4", tests=1)
    log.at_step = lambda step: solver.request_stop() if step.iteration == 8 else None
    solver.solve(stop_at=8)
    assert [r.iteration for r in log.tests] == [0, 4]
    assert log.reasons == ["a stop was requested"]


def build_and_solve(text: str, **options: Any) -> tuple[Solver, Log]:
    solver, log = build(text, **options)
    solver.solve()
    return solver, log


def test_average_loss_and_display() -> None:
    solver, log = build_and_solve("average_loss: 3 display: 5")
    losses = [s.loss for s in log.steps]
    assert log.steps[0].average_loss == losses[0]
    assert log.steps[7].average_loss == pytest.approx(np.mean(losses[5:8]))
    assert solver.loss == pytest.approx(np.mean(losses[-3:]))
    assert [s.iteration for s in log.steps if s.display] == [1, 6, 11]


def test_iter_size_with_the_same_batch_is_the_same_run() -> None:
    """Two passes over one batch, divided by two, are one pass (no dropout, no batch statistics)."""
    once, _ = solver_for("sgd_fixed")
    twice, _ = solver_for("sgd_fixed", "iter_size: 2")
    once.step(10)
    twice.step(10)
    for a, b in zip(once.net.parameters.all, twice.net.parameters.all, strict=True):
        np.testing.assert_allclose(a.data, b.data, rtol=1e-5, atol=1e-6)


def test_frozen_layers_stay() -> None:
    text = NET.replace('top: "ip1"\n', 'top: "ip1" param { lr_mult: 0 } param { lr_mult: 0 }\n', 1)
    net = Net(planned(text, "TRAIN", given=GIVEN), feeds={"data": Counter()})
    before = [b.copy() for b in net.params["ip1"]]
    Solver(solver_record(SOLVER), net).solve()
    assert all((a == b).all() for a, b in zip(before, net.params["ip1"], strict=True))
    assert net.param_diffs["ip1"] == (None, None)


def test_stop_request_ends_after_the_iteration() -> None:
    solver, log = build()
    log.at_step = lambda step: solver.request_stop() if step.iteration == 4 else None
    solver.solve()
    assert solver.iteration == 4
    assert solver.ended == log.reasons[0] == "a stop was requested"
    log.at_step = None
    solver.solve()
    assert solver.iteration == 12
    whole = build()[0]
    whole.solve()
    assert bits(solver.net) == bits(whole.net)


def test_early_stop() -> None:
    text = 'test_interval: 1 early_stop { output: "loss" patience: 2 mode: MIN min_delta: 1000 }'
    solver, log = build(text, tests=1)
    solver.solve()
    assert solver.iteration == 2
    assert "loss has not got better than" in log.reasons[0]
    assert len(log.tests) == 3
    for iteration in (3, 4):  # who steps by hand decides alone
        solver.step(1)
        assert solver.iteration == iteration


@pytest.mark.parametrize(
    ("extra", "norm"),
    [("clip_gradients: 0.01", 0.01), ("clip_gradients: 0.01 iter_size: 2", 0.005)],
)
def test_clipping_by_norm_comes_before_division(extra: str, norm: float) -> None:
    solver, _ = solver_for("sgd_nomomentum", extra)
    before = {p.param.index: p.data.copy() for p in solver.net.learned}
    solver.step(1)
    rate = solver.p.base_lr
    moved = [(before[p.param.index] - p.data) / (rate * p.param.lr_mult) for p in solver.net.learned]
    assert np.sqrt(sum((m.astype(np.float64) ** 2).sum() for m in moved)) == pytest.approx(norm, rel=1e-3)


def test_clipping_by_value() -> None:
    solver, _ = solver_for("sgd_nomomentum", "clip_gradients_value: 0.001")
    before = {p.param.index: p.data.copy() for p in solver.net.learned}
    solver.step(1)
    for p in solver.net.learned:
        moved = np.abs(before[p.param.index] - p.data) / (solver.p.base_lr * p.param.lr_mult)
        assert moved.max() <= 0.001 * 1.01


@pytest.mark.parametrize(("kind", "l2", "l1"), [("L2", 0.1, 0), ("L1", 0, 0.1), ("L1L2", 0.1, 0.05)])
def test_regularization(kind: str, l2: float, l1: float) -> None:
    decay = f'weight_decay: 0.1 weight_decay_l1: 0.05 regularization_type: "{kind}"'
    plain, decayed = solver_for("sgd_nomomentum")[0], solver_for("sgd_nomomentum", decay)[0]
    start = {p.param.index: p.data.copy() for p in plain.net.learned}
    plain.step(1)
    decayed.step(1)
    for a, b in zip(plain.net.learned, decayed.net.learned, strict=True):
        w, rate = start[a.param.index], plain.p.base_lr * a.param.lr_mult
        expected = a.data - rate * a.param.decay_mult * (l2 * w + l1 * np.sign(w))
        np.testing.assert_allclose(b.data, expected, rtol=1e-5, atol=1e-6)


def test_a_loss_that_is_not_finite_stops_before_the_update() -> None:
    solver, _ = solver_for("sgd_fixed")
    solver.net.params["ip"][1][...] = np.nan
    before = solver.net.params["conv"][0].copy()
    with pytest.raises(NetError) as caught:
        solver.solve()
    assert caught.value.diagnostics[0].code.id == "SOL013"
    assert caught.value.diagnostics[0].message == (
        'the loss is nan in iteration 0: blob "ip" of layer "ip" (InnerProduct) is the first that is not finite; '
        'its parameter "ip/bias" is not finite any more'
    )
    np.testing.assert_array_equal(solver.net.params["conv"][0], before)


class Poisoned(Counter):
    """A source in which batch 3 is not a number."""

    def next(self, out: Any) -> None:
        super().next(out)
        if self.batch == 4:
            out[0][1, 0, 2, 3] = np.inf


def test_the_first_blob_that_is_not_finite_is_named() -> None:
    solver, _ = build()
    solver.net.feeds["data"] = Poisoned()
    with pytest.raises(NetError) as caught:
        solver.solve()
    assert caught.value.diagnostics[0].message == (
        'the loss is nan in iteration 3: blob "data" of layer "data" (Digits) is the first that is not finite; '
        "it comes from the data"
    )


def test_a_batch_that_is_not_finite_can_be_skipped() -> None:
    solver, log = build(on_nan="skip")
    solver.net.feeds["data"] = Poisoned()
    solver.solve()
    assert [s.iteration for s in log.steps] == [1, 2, 3, *range(5, 13)]
    assert [(d.code.id, d.severity) for d in log.warnings] == [("SOL013", "warning")]
    assert all(np.isfinite(p.data).all() for p in solver.net.learned)


def test_debug_info_tells_sizes() -> None:
    _, log = build_and_solve("debug_info: true display: 6")
    assert len(log.sizes) == 2
    first = {(s.kind, s.layer, s.blob): s.mean_abs for s in log.sizes[0]}
    assert {kind for kind, _, _ in first} == {"forward", "backward", "parameter", "gradient", "update"}
    assert first["forward", "ip2", "ip2"] > 0
    assert first["backward", "loss", "ip2"] > 0
    assert first["update", "ip1", "ip1/weights"] == pytest.approx(0.05 * first["gradient", "ip1", "ip1/weights"])


@pytest.mark.parametrize(
    ("text", "codes", "words"),
    [
        ('type: "Nestrov"', ["SOL010"], 'did you mean "Nesterov"?'),
        ('regularization_type: "L3"', ["SOL010"], "L3"),
        ('type: "RMSProp" rms_decay: 1.5', ["SOL012"], "rms_decay must be at least 0 and below 1 with RMSProp"),
        ("iter_size: 0 average_loss: 0", ["SOL012", "SOL012"], "iter_size must be at least 1"),
        ('early_stop { output: "acuracy" }', ["SOL014"], "accuracy, loss"),
        ("snapshot: 5", ["SNP021"], "snapshot: 5 needs a snapshot_prefix"),
        ('snapshot: 5 snapshot_prefix: "no/such/place/x"', ["SNP020"], "make the directory no/such/place"),
    ],
)
def test_refused(text: str, codes: list[str], words: str) -> None:
    with pytest.raises(NetError) as caught:
        build(text, tests=1)
    assert [d.code.id for d in caught.value.diagnostics] == codes
    assert words in str(caught.value)
    assert all(d.span is not None for d in caught.value.diagnostics)


def test_the_number_of_threads_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netc.solve.update.CHUNK", 100)
    one, _ = build()
    three, _ = build(threads=3)
    assert three.net.threads == 3
    one.solve()
    three.solve()
    assert bits(one.net) == bits(three.net)


def test_layers_that_are_only_other_names_are_looked_at_like_all() -> None:
    """Flatten and Split run nothing; debug_info, and who asks where a loss became NaN, see them all the same."""
    text = NET.replace('bottom: "data" top: "ip1"', 'bottom: "flat" top: "ip1"', 1).replace(
        'layer { name: "ip1"',
        'layer { name: "flat" type: "Flatten" bottom: "data" top: "flat" }\nlayer { name: "ip1"',
        1,
    )
    net, log = Net(planned(text, "TRAIN", given=GIVEN), feeds={"data": Counter()}, seed=1), Log()
    solver = Solver(solver_record(f"{SOLVER} display: 1 debug_info: true"), net, events=log)
    solver.step(1)
    seen = {size.layer: size.mean_abs for size in log.sizes[0] if size.kind == "forward" and not size.position}
    assert seen["flat"] == seen["data"] > 0
    net.params["ip2"][0][...] = np.nan
    with pytest.raises(NetError) as error:
        solver.step(1)
    assert "ip2" in error.value.diagnostics[0].message
