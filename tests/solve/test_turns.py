"""Turns: what learns from which loss, one update after the other, and where that goes on after a stop."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc import solve
from netc.api.definition import loads
from netc.api.planning import check, plan
from netc.errors import NetError
from netc.layer import Array
from netc.plan import again
from netc.plan.turns import Pattern, Turn
from netc.run import Net
from netc.solve import Solver
from tests.run.common import solver_record
from tests.solve.common import Counter, bits
from tests.solve.test_solver import Log

NET = """
data, label = Digits() { split: "train" batch_size: 6 }
z, one, zero = DummyData() {
  shape { dim: [6, 5] } shape { dim: [6, 1] } shape { dim: [6, 1] }
  data_filler { type: "gaussian" } data_filler { value: 1 } data_filler { value: 0 }
}
def made(x; by) -> y {
  h = InnerProduct(x) { num_output: 9 weight_filler { type: "xavier" }
    param { name: "${by}/w1" } param { name: "${by}/b1" } }
  h = BatchNorm(h)
  h = ReLU(h)
  y = InnerProduct(h) { num_output: by == "g" ? 64 : 1 weight_filler { type: "xavier" }
    param { name: "${by}/w2" decay_mult: 0.5 } param { name: "${by}/b2" } }
}
fake = made(z) { by: "g" }
real = Flatten(data)
real_score = made(real) { by: "d" }
fake_score = made(fake) { by: "d" }
loss_real = SigmoidCrossEntropyLoss(real_score, one)
loss_fake = SigmoidCrossEntropyLoss(fake_score, zero)
loss_g = SigmoidCrossEntropyLoss(fake_score, one) { loss_weight: 2 }
"""
D, G = 'turn { learn: "d/*" loss: ["loss_real", "loss_f*"] }', 'turn { learn: "g/*" loss: "loss_g" }'
BASE = 'base_lr: 0.05 lr_policy: "fixed" max_iter: 6 '
GIVEN = {"data": ((6, 1, 8, 8), (6,))}


def net(executor: str = "reference", **options: Any) -> Net:
    return Net(plan(loads(NET), "TRAIN"), feeds={"data": Counter()}, seed=3, executor=executor, **options)


def build(text: str, executor: str = "reference", *, base: str = BASE, **options: Any) -> tuple[Solver, Log]:
    log = Log()
    record = solver_record(f"{base} random_seed: 3 {text}")
    return Solver(record, net(executor), events=log, keep_gradients=False, **options), log


def trained(text: str, executor: str = "reference", **options: Any) -> tuple[Solver, Log]:
    solver, log = build(text, executor, **options)
    solver.solve()
    return solver, log


def values(one: Net) -> dict[str, Array]:
    return {p.param.name: p.data.copy() for p in one.parameters.all}


# What a turn is


def test_turns_are_what_nets_with_frozen_parameters_and_silent_losses_do_one_after_the_other() -> None:
    """Two nets that share parameters: lr_mult 0 for what does not learn, loss_weight 0 for what does not count."""

    def of(learns: str, counts: tuple[str, ...]) -> str:
        rate = f'lr_mult: by == "{learns}" ? 1 : 0'
        text = re.sub(r'(name: "\$\{by\}/\w+")', rf"\1 {rate}", NET)
        for loss in {"loss_real", "loss_fake", "loss_g"} - set(counts):
            line = next(line for line in text.splitlines() if line.startswith(f"{loss} ="))
            text = text.replace(line, f"{line.partition(' {')[0]} {{ loss_weight: 0 }}")
        return text

    first = net()
    feed = first.feeds["data"]
    nets = [
        Net(plan(loads(of(*turn)), "TRAIN"), feeds={"data": feed}, seed=3, params=first)
        for turn in (("d", ("loss_real", "loss_fake")), ("g", ("loss_g",)))
    ]
    passes, losses = 0, []
    for _ in range(6):
        total = 0.0
        for one in nets:
            one.iteration = passes
            one.zero_param_diffs()
            one.forward()
            one.backward()
            passes += 1
            total += one.loss
            for p in one.learned:
                assert p.diff is not None
                p.data[...] -= (np.float32(0.05) * (p.diff + np.float32(0.01 * p.param.decay_mult) * p.data)).astype(
                    "f4"
                )
        losses.append(total)
    solver, log = trained(f"weight_decay: 0.01 {D} {G}")
    assert [s.loss for s in log.steps] == pytest.approx(losses, rel=1e-5)
    for name, array in values(first).items():
        np.testing.assert_allclose(values(solver.net)[name], array, rtol=2e-5, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("rule", ["SGD", "Adam"])
def test_what_does_not_learn_stays_as_it_is_to_the_bit(rule: str) -> None:
    for executor in ("reference", "fast"):
        solver, _ = build(f'type: "{rule}" weight_decay: 0.1 {D}', executor)
        before = values(solver.net)
        solver.step(3)
        after = values(solver.net)
        same = {name for name in before if np.array_equal(before[name], after[name])}
        assert {"g/w1", "g/b1", "g/w2", "g/b2"} == {name for name in same if not name.startswith("h")}


def test_backward_goes_no_further_than_it_must() -> None:
    whole = plan(loads(NET), "TRAIN")
    of_d = again(whole, whole.graph, Turn((Pattern("d/*"),), (Pattern("loss_real"), Pattern("loss_fake"))))
    names = {whole.graph.nodes[s.layer].name for s in of_d.backward if s.kind == "backward"}
    assert "loss_g" not in names
    assert not any(name.startswith("fake/") for name in names)
    assert any(name.startswith("fake_score/") for name in names)


def test_both_executors_and_both_ways_to_update() -> None:
    text = f"momentum: 0.5 {D} {G.replace('}', 'steps: 2 }')}"
    solver, log = trained(text)
    for options in ({}, {"clip_gradients": 1e9}):
        extra = " ".join(f"{k}: {v}" for k, v in options.items())
        other, others = trained(f"{text} {extra}", "fast")
        assert other.updater.updates_in_backward == (not options)
        assert [s.loss for s in others.steps] == pytest.approx([s.loss for s in log.steps], rel=2e-4)
        for name, array in values(solver.net).items():
            np.testing.assert_allclose(values(other.net)[name], array, rtol=2e-3, atol=2e-4, err_msg=name)


def test_updates_in_backward_give_the_bits_of_those_after_it() -> None:
    kept, updating = build(f"{D} {G}", "fast")[0], build(f"{D} {G}", "fast")[0]
    kept.updater._in_backward = False
    for solver in (kept, updating):
        solver.step(4)
    assert bits(kept.net) == bits(updating.net)


def test_adam_counts_the_updates_that_a_parameter_has_had() -> None:
    """A parameter that learns twice in an iteration has its second update with t = 2."""
    seen: list[tuple[int, int, float]] = []
    solver, _ = build(f'type: "Adam" {D} {G.replace("}", "steps: 2 }")} turn {{ learn: "g/b2" loss: "loss_g" }}')
    names = {p.param.name: p.param.index for p in solver.net.parameters.all}
    for iteration in range(2):
        for update in range(4):
            solver.updater._prepare(iteration, update, 1.0)
            seen += [(iteration, update, float(solver.updater._numbers[names["g/b2"]][4]))]
    rates = [0.05 * math.sqrt(1 - 0.999**t) / (1 - 0.0**t) for t in range(1, 7)]
    of_g = [number for iteration, update, number in seen if update]
    assert of_g == pytest.approx(rates, rel=1e-5)


def test_the_loss_is_the_sum_and_each_is_shown_as_it_counted() -> None:
    _, log = trained(f"{D} {G}")
    for step in log.steps:
        assert set(step.losses) == {"loss_real", "loss_fake", "loss_g"}
        total = step.losses["loss_real"] + step.losses["loss_fake"] + 2 * step.losses["loss_g"]
        assert step.loss == pytest.approx(total, rel=1e-6)
        assert {name: float(step.outputs[name]) for name in step.losses} == pytest.approx(step.losses)


def test_learn_and_loss_alone_are_one_turn() -> None:
    alone, turned = trained('learn: "d/*" loss: "loss_real" loss: "loss_f*"')[0], trained(D)[0]
    assert bits(alone.net) == bits(turned.net)
    whole = trained("")[0]
    assert bits(whole.net) != bits(alone.net)


def test_layers_are_named_as_parameters_are() -> None:
    solver, _ = build('learn: "real_score/y" loss: "loss_real"')
    assert {p.param.name for p in solver.net.learned} == {"d/w2", "d/b2"}


# Going on


@pytest.mark.parametrize("executor", ["reference", "fast"])
def test_a_run_that_goes_on_has_the_same_bits(executor: str, tmp_path: Path) -> None:
    text = f'type: "Adam" snapshot: 1 {D} {G.replace("}", "steps: 2 }")}'
    whole, _ = trained(text, executor, snapshot_prefix=str(tmp_path / "whole"))
    for at in (1, 3, 5):
        resumed, _ = build(text, executor, snapshot_prefix=str(tmp_path / "resumed"))
        resumed.restore(tmp_path / f"whole_iter_{at}.solverstate")
        assert resumed.iteration == at
        resumed.solve()
        assert bits(resumed.net) == bits(whole.net)
        for ours, theirs in zip(resumed.updater.history, whole.updater.history, strict=True):
            assert {k: v.tobytes() for k, v in ours.items()} == {k: v.tobytes() for k, v in theirs.items()}


def test_a_stop_waits_for_the_turns_once_one_has_updated() -> None:
    """Batches of the first turn can be given up; after its update the iteration is finished."""
    text = f"iter_size: 3 {D} {G}"
    whole = build(text)[0]
    whole.step(2)
    for passes in range(6, 13):
        solver, _ = build(text)
        forward, asked = solver.net.forward, list[int]()

        def stopping(
            solver: Solver = solver, forward: Any = forward, passes: int = passes, asked: list[int] = asked
        ) -> dict[str, Array]:
            found: dict[str, Array] = forward()
            if solver.net.iteration == passes and not asked:
                asked.append(passes)
                solver.request_stop()
            return found

        solver.net.forward = stopping  # type: ignore[method-assign,assignment]
        solver.step(6)
        assert solver.iteration == (1 if passes in (6, 7, 8) else 2)
        solver.step(2 - solver.iteration)
        assert bits(solver.net) == bits(whole.net)


def test_a_loss_that_is_not_finite_in_one_turn() -> None:
    solver, log = build(f"{D} {G}", on_nan="skip")
    good = values(solver.net)
    solver.net.params["fake/y"][1][...] = np.nan  # the generator's last bias
    solver.step(1)
    assert solver.skipped == 2  # loss_fake and loss_g: neither turn has updated anything
    assert [str(w.code) for w in log.warnings] == ["SOL013"] * 2
    assert not log.steps
    solver.net.params["fake/y"][1][...] = good["g/b2"]
    solver.step(1)
    assert (solver.skipped, len(log.steps)) == (0, 1)


def test_an_error_in_a_later_turn_leaves_no_half_iteration() -> None:
    solver, _ = build(f"{D} {G}")
    solver.step(1)
    feed: Any = solver.net.feeds["data"]
    fed = feed.next

    def broken(out: Any) -> None:
        if solver.net.iteration == 3:
            raise NetError([])
        fed(out)

    feed.next = broken
    with pytest.raises(NetError):
        solver.step(1)
    with pytest.raises(NetError) as error:
        solver.step(1)
    assert [str(d.code) for d in error.value.diagnostics] == ["SOL015"]


# What is refused


@pytest.mark.parametrize(
    ("turns", "code", "at"),
    [
        ('turn { learn: "e/*" }', "PLN030", '"e/*"'),
        ('turn { loss: "loss_h" }', "PLN030", '"loss_h"'),
        ('turn { loss: "real_score" }', "PLN030", '"real_score"'),
        ('turn { learn: "*/x" }', "PLN030", '"*/x"'),
        ('turn { learn: "g/*" loss: "loss_real" }', "PLN031", "turn"),
        ('learn: "x*"', "PLN030", '"x*"'),
        (f"{D} turn {{ steps: 0 }}", "SOL012", "0"),
        (f'{D} learn: "d/*"', "SOL012", '"d/*"'),
        (f'{D} loss: "loss_g"', "SOL012", '"loss_g"'),
    ],
)
def test_what_cannot_be_is_said_by_check_and_by_the_solver(turns: str, code: str, at: str, tmp_path: Path) -> None:
    path = tmp_path / "net.net"
    path.write_text(f"{NET}\nsolver {{ {BASE} {turns} }}")
    with pytest.raises(NetError) as error:
        check(path)
    found = [(str(d.code), d.span) for d in error.value.diagnostics if d.severity == "error"]
    assert [c for c, _ in found] == [code]
    span = found[0][1]
    assert span is not None
    assert span.source.text[span.start : span.end].startswith(at)
    with pytest.raises(NetError) as error:
        build(turns)
    assert code in [str(d.code) for d in error.value.diagnostics]


def test_all_patterns_that_name_nothing_are_said_at_once() -> None:
    with pytest.raises(NetError) as error:
        build('turn { learn: "x" } turn { loss: "y" }')
    assert [str(d.code) for d in error.value.diagnostics] == ["PLN030", "PLN030"]


def test_tests_of_a_net_in_turns_are_as_ever() -> None:
    one = net()
    test_net = Net(plan(loads(NET), "TEST"), feeds={"data": Counter()}, params=one, seed=3)
    record = solver_record(f"{BASE} random_seed: 3 test_interval: 2 {D} {G}")
    solver = Solver(record, one, [solve.Test(test_net, 2)])
    solver.solve()
    assert [r.iteration for r in solver.results] == [0, 2, 4, 6]
    assert bits(solver.net) == bits(trained(f"{D} {G}")[0].net)
