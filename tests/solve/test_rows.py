"""Tables that are updated by rows: each rule against numpy, and against dense updates where they are the same."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc.api.definition import loads
from netc.api.planning import plan
from netc.layer import Array
from netc.run import Net
from netc.solve import Solver
from netc.solve.rules import rules
from tests.run.common import solver_record
from tests.solve.common import bits
from tests.solve.test_rules import FORMULAS

ROWS, SIZE, BATCH = 60, 20, 24
ITERATIONS = 4
DENSE = ("SGD", "AdaGrad")
"""Rules that, without momentum and decay, leave a value alone whose gradient is zero."""

VECTORS = """
word = Input() { shape { dim: 24 } }
target = Input() { shape { dim: [24, 20] } }
y = Embed(word) { input_dim: 60 num_output: 20 bias_term: false LAZY weight_filler { type: "uniform" } }
loss = EuclideanLoss(y, target)
"""
WORDS = """
word = Digits() { batch_size: 24 }
a = Embed(word) { input_dim: 60 num_output: 20 param { name: "t" LAZY } weight_filler { type: "uniform" min: -1 } }
b = Embed(label) { input_dim: 60 num_output: 20 param { name: "t" } weight_filler { type: "uniform" min: -1 } }
c = Eltwise(a, b)
c = TanH(c)
loss = NegativeSamplingLoss(c, label) {
  num_output: 60 negative: 3 param { LAZY } weight_filler { type: "uniform" min: -1 }
}
""".replace("word = Digits() { batch_size: 24 }", "word, label = DummyData() { shape { dim: 24 } shape { dim: 24 } }")


class Words:
    """Batch n of a source: words and labels, of which few are new."""

    def __init__(self) -> None:
        self.batch = 0

    def next(self, out: Sequence[Array]) -> None:
        random = np.random.default_rng(self.batch)
        for array, step in zip(out, (2, 3), strict=True):
            array[...] = random.integers(0, ROWS // step, BATCH) * step
        self.batch += 1

    def state(self) -> dict[str, Any]:
        return {"batch": self.batch}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.batch = state["batch"]


def solver_of(lazy: bool, extra: str, executor: str = "fast", threads: int = 2, **options: Any) -> Solver:
    """A solver that trains WORDS, both tables by rows or not."""
    text = WORDS.replace("LAZY", "lazy: true" if lazy else "")
    net = Net(plan(loads(text), "TRAIN"), feeds={"word": Words()}, seed=3, executor=executor, threads=threads)
    return Solver(solver_record(f'base_lr: 0.1 lr_policy: "fixed" {extra}'), net, **options)


def trained(lazy: bool, extra: str, *given: Any, **options: Any) -> Solver:
    solver = solver_of(lazy, extra, *given, **options)
    solver.step(ITERATIONS)
    return solver


# ---------------------------------------------------------------- numbers


def by_rows(rule: str, table: Array, batches: Sequence[tuple[Array, Array]]) -> Array:
    """VECTORS in float64: a row that a batch does not read has no decay, no momentum, and keeps its memory."""
    history = [np.zeros_like(table) for _ in range(rules()[rule].histories)]
    decay = 0.0 if rules()[rule].decoupled else 0.1
    for t, (words, target) in enumerate(batches, 1):
        gradient = np.zeros_like(table)
        np.add.at(gradient, words, (table[words] - target) / len(words))
        rows = np.unique(words)
        memory = [h[rows] for h in history]
        step = FORMULAS[rule](gradient[rows] + decay * table[rows], table[rows], memory, t)
        table[rows] -= step
        for whole, own in zip(history, memory, strict=True):
            whole[rows] = own
    return table


@pytest.mark.parametrize("executor", ["reference", "fast"])
@pytest.mark.parametrize("rule", FORMULAS)
def test_each_rule_is_that_of_the_rows_alone(rule: str, executor: str) -> None:
    momentum = "" if rule in ("AdaGrad", "RMSProp") else "momentum: 0.9"
    text = f'type: "{rule}" {momentum} momentum2: 0.99 rms_decay: 0.95 delta: 1e-3 weight_decay: 0.1 base_lr: 0.05'
    if rule != "RMSProp":
        text = text.replace("rms_decay: 0.95", "")
    net = Net(plan(loads(VECTORS.replace("LAZY", "param { lazy: true }")), "TRAIN"), seed=1, executor=executor)
    solver = Solver(solver_record(f'lr_policy: "fixed" {text}'), net, keep_gradients=False)
    start, random = np.array(net.params["y"][0], np.float64), np.random.default_rng(0)
    batches = [(random.integers(0, ROWS, BATCH), random.standard_normal((BATCH, SIZE))) for _ in range(5)]
    for words, target in batches:
        net.set_input("word", words)
        net.set_input("target", target)
        solver.step(1)
    np.testing.assert_allclose(net.params["y"][0], by_rows(rule, start, batches), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"keep_gradients": False}, {"executor": "reference"}])
@pytest.mark.parametrize("rule", DENSE)
def test_plain_sgd_and_adagrad_give_the_bits_of_dense_updates(rule: str, options: dict[str, Any]) -> None:
    one, other = (trained(lazy, f'type: "{rule}"', **options) for lazy in (True, False))
    assert bits(one.net) == bits(other.net)


@pytest.mark.parametrize(
    "extra", ["iter_size: 2", "snapshot_diff: true", "sparsity: 0.5", "clip_gradients_value: 0.01"]
)
def test_so_do_they_where_gradients_are_kept(extra: str) -> None:
    one, other = (trained(lazy, extra, keep_gradients=False) for lazy in (True, False))
    assert bits(one.net) == bits(other.net)


def test_the_norm_to_clip_by_is_that_of_the_rows() -> None:
    one, other = (trained(lazy, "clip_gradients: 0.05") for lazy in (True, False))
    for ours, theirs in zip(one.net.parameters.all, other.net.parameters.all, strict=True):
        np.testing.assert_allclose(ours.array, theirs.array, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("rule", [name for name in rules() if name not in DENSE])
def test_other_rules_leave_rows_alone_that_dense_updates_do_not(rule: str) -> None:
    momentum = "" if rule == "RMSProp" else "momentum: 0.9"
    one, other = (trained(lazy, f'type: "{rule}" {momentum} weight_decay: 0.1') for lazy in (True, False))
    start = solver_of(True, "").net.params["a"][0]
    never = np.flatnonzero((one.net.params["a"][0] == start).all(axis=1))
    assert len(never) > 3
    assert (other.net.params["a"][0][never] != start[never]).any()


# ---------------------------------------------------------------- the same bits, everywhere


@pytest.mark.parametrize("extra", ["momentum: 0.9 weight_decay: 0.01", 'type: "Adam" momentum: 0.9'])
def test_threads_and_the_moment_of_the_update_change_no_bit(extra: str) -> None:
    one = trained(True, extra)
    assert not one.updater.updates_in_backward
    for threads in (1, 3):
        other = trained(True, extra, threads=threads, keep_gradients=False)
        assert other.updater.updates_in_backward
        assert bits(one.net) == bits(other.net)


def test_both_executors_give_the_same_numbers() -> None:
    one, other = (trained(True, 'type: "Adam" momentum: 0.9', name) for name in ("fast", "reference"))
    for ours, theirs in zip(one.net.parameters.all, other.net.parameters.all, strict=True):
        np.testing.assert_allclose(ours.array, theirs.array, rtol=1e-4, atol=1e-5)


def test_an_iteration_that_is_looked_into_changes_nothing() -> None:
    """debug_info runs an iteration on the reference executor."""
    one, other = (trained(True, f"momentum: 0.9 {extra}", keep_gradients=False) for extra in ("", "debug_info: true"))
    for ours, theirs in zip(one.net.parameters.all, other.net.parameters.all, strict=True):
        np.testing.assert_allclose(ours.array, theirs.array, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("rule", ["SGD", "Adam"])
def test_resume_gives_the_same_bits(tmp_path: Path, rule: str) -> None:
    text = f'type: "{rule}" momentum: 0.9 snapshot_prefix: {json.dumps(str(tmp_path / "net"))}'
    whole = solver_of(True, text, keep_gradients=False)
    whole.step(3)
    whole.snapshot()
    whole.step(3)
    again = solver_of(True, text, keep_gradients=False)
    again.restore(tmp_path / "net_iter_3.solverstate")
    again.step(3)
    assert bits(again.net) == bits(whole.net)


# ---------------------------------------------------------------- gradients


@pytest.mark.parametrize("executor", ["reference", "fast"])
def test_gradients_add_up_and_are_shown_whole(executor: str) -> None:
    found = []
    for lazy in (True, False):
        net = solver_of(lazy, "", executor).net
        for _ in range(2):
            net.forward()
            net.backward()
        twin = net.replica()
        assert not any(np.any(diff) for diffs in twin.param_diffs.values() for diff in diffs if diff is not None)
        found.append({name: [np.array(diff) for diff in diffs] for name, diffs in net.param_diffs.items()})
        net.zero_param_diffs()
        assert not any(np.any(diff) for diffs in net.param_diffs.values() for diff in diffs)
    for name, ours in found[0].items():
        for one, other in zip(ours, found[1][name], strict=True):
            np.testing.assert_array_equal(one, other, err_msg=name)


def test_a_gradient_takes_the_rows_of_a_batch() -> None:
    text = VECTORS.replace("60", "100000").replace("LAZY", "param { lazy: true }")
    planned = plan(loads(text), "TRAIN")
    dense = plan(loads(text.replace("true", "false")), "TRAIN")
    assert dense.memory.gradients == 0  # in the arena
    assert planned.memory.gradients == BATCH * (4 * SIZE + 8) + 8 * 100_000
    assert dense.memory.arena - planned.memory.arena > 0.9 * 4 * SIZE * 100_000
    solver = Solver(
        solver_record('base_lr: 0.1 lr_policy: "fixed"'), Net(planned, executor="fast"), keep_gradients=False
    )
    for _ in range(3):
        solver.net.set_input("word", np.random.default_rng(0).integers(0, 100_000, BATCH))
        solver.step(1)
    rows = solver.net.parameters.all[0].rows
    assert rows is not None
    assert len(rows.touched) <= BATCH
    assert not rows.values[BATCH:].any()


def test_the_gradient_that_is_shown_cannot_be_written() -> None:
    """It is a copy: what is written there would be lost."""
    net = trained(True, "").net
    diff = net.param_diffs["a"][0]
    assert diff is not None
    with pytest.raises(ValueError, match="read-only"):
        diff[...] = 1
