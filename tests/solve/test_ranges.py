"""Which values a solver's numbers may have: the same for `netc check`, before training, and for a script's `param`."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from netc import caffe
from netc.api.jobs import load_job
from netc.api.planning import check
from netc.api.session import Solver
from netc.errors import Diagnostic, NetError, Report
from netc.schema.record import MessageType
from netc.schema.registry import base_schema
from netc.solve import checks
from netc.solve.policies import POLICIES, learning_rate
from netc.solve.ranges import EARLY_STOP, RANGES, Doubt, Range
from netc.solve.rules import rules

NET = """net_param {
  layer { name: "x" type: "DummyData" top: "x" top: "t"
    dummy_data_param { shape { dim: [2, 3] } shape { dim: [2, 1] } } }
  layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y" inner_product_param { num_output: 1 } }
  layer { name: "loss" type: "EuclideanLoss" bottom: "y" bottom: "t" top: "loss" } }
"""


def numbers(message: MessageType) -> set[str]:
    return {name for name, field in message.fields.items() if field.kind in ("int", "float")}


def test_every_number_has_a_range() -> None:
    schema = base_schema()
    assert numbers(schema.message("SolverParameter")) == set(RANGES)
    assert numbers(schema.message("EarlyStop")) == set(EARLY_STOP)


@pytest.mark.parametrize("name", [*RANGES, *EARLY_STOP])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_no_number_may_be_nan_or_infinite(name: str, value: float) -> None:
    assert value not in (RANGES | EARLY_STOP)[name]  # type: ignore[operator]


def said(text: str, folder: Path) -> tuple[list[tuple[str, str, str]], tuple[Diagnostic, ...]]:
    """Severity, code and the marked text of what `check` says of a solver file."""
    path = folder / "solver.prototxt"
    path.write_text(text)
    try:
        found = check(path)
    except NetError as error:
        found = error.diagnostics
    return [(d.severity, d.code.id, text[d.span.start : d.span.end] if d.span else "") for d in found], found


ENOUGH = 'base_lr: 0.1 lr_policy: "fixed" max_iter: 10 '
STEP = 'base_lr: 0.1 lr_policy: "step" stepsize: 5 max_iter: 10 '
WRONG: tuple[tuple[str, str, str], ...] = (
    (ENOUGH.replace("0.1", "nan"), "error", "nan"),
    (ENOUGH.replace("0.1", "inf"), "error", "inf"),
    (ENOUGH.replace("0.1", "-inf"), "error", "-inf"),
    (ENOUGH.replace("0.1", "-0.1"), "warning", "-0.1"),
    (ENOUGH.replace("0.1", "0"), "warning", "0"),
    (ENOUGH.replace("10", "-10"), "error", "-10"),
    (ENOUGH + "clip_gradients: nan", "error", "nan"),
    (ENOUGH + "clip_gradients: 0", "warning", "0"),
    (ENOUGH + "clip_gradients: -5", "warning", "-5"),
    (ENOUGH + "clip_gradients_value: 0", "warning", "0"),
    (ENOUGH + "momentum: nan", "error", "nan"),
    (ENOUGH + "momentum: 1", "warning", "1"),
    (ENOUGH + "momentum: -0.9", "warning", "-0.9"),
    (ENOUGH + "weight_decay: nan", "error", "nan"),
    (ENOUGH + "weight_decay: -5e-4", "warning", "-5e-4"),
    (ENOUGH + 'regularization_type: "L1L2" weight_decay_l1: inf', "error", "inf"),
    (ENOUGH + "iter_size: 0", "error", "0"),
    (ENOUGH + "average_loss: -1", "error", "-1"),
    (ENOUGH + "display: -20", "warning", "-20"),
    (ENOUGH + 'snapshot: -20 snapshot_prefix: "x"', "warning", "-20"),
    (ENOUGH + "min_lr: nan", "error", "nan"),
    (ENOUGH + "warmup_iter: -1", "error", "-1"),
    (ENOUGH + "warmup_iter: 10", "warning", "10"),
    (ENOUGH + "warmup_iter: 5 warmup_start_lr: nan", "error", "nan"),
    (ENOUGH + "rampup_interval: 5 rampup_lr: -1", "warning", "-1"),
    (ENOUGH + "test_iter: -3 test_interval: 2", "error", "-3"),
    (ENOUGH + "test_iter: 0 test_interval: 2", "warning", "0"),
    (ENOUGH + 'type: "RMSProp" rms_decay: 1', "error", "1"),
    (ENOUGH + 'type: "Adam" momentum: 0.9 momentum2: 1', "error", "1"),
    (ENOUGH + 'type: "AdaDelta" momentum: 1.5', "error", "1.5"),
    (ENOUGH + 'type: "AdaGrad" delta: 0', "warning", "0"),
    (ENOUGH + 'type: "AdaGrad" delta: -1', "error", "-1"),
    (STEP + "gamma: nan", "error", "nan"),
    (STEP + "gamma: -0.1", "error", "-0.1"),
    (STEP + "gamma: 10", "warning", "10"),
    (STEP.replace("stepsize: 5", "stepsize: 0") + "gamma: 0.1", "error", "0"),
    (STEP.replace('"step" stepsize: 5', '"poly"') + "power: -1", "error", "-1"),
    (STEP.replace('"step" stepsize: 5', '"multistep" gamma: 0.1') + "stepvalue: [2, -4]", "warning error", "-4"),
    (STEP.replace('"step" stepsize: 5', '"exp"').replace("10", "999") + "gamma: 1e30", "warning error", '"exp"'),
    (STEP.replace('"step" stepsize: 5', '"inv"') + "gamma: 1e30 power: -90", "error", '"inv"'),
)


@pytest.mark.parametrize(("text", "severity", "mark"), WRONG)
def test_check_and_training_say_the_same(text: str, severity: str, mark: str, tmp_path: Path) -> None:
    found, diagnostics = said(text + "\n" + NET, tmp_path)
    own = [(how, code, where) for how, code, where in found if code == "SOL012"]
    assert [how for how, _, _ in own] == severity.split()
    assert own[-1][2] == mark
    said_by_check = [d.message for d in diagnostics if d.code.id == "SOL012"]
    if "error" not in severity:
        assert all(d.help for d in diagnostics if d.code.id == "SOL012" and "warmup" not in d.message)
        return
    with pytest.raises(NetError) as caught:
        Solver(tmp_path / "solver.prototxt")
    assert [d.message for d in caught.value.diagnostics if d.code.id == "SOL012"] == said_by_check


@pytest.mark.parametrize(
    "text",
    [
        ENOUGH + "clip_gradients: -1 display: 0 snapshot: 0 momentum: 0 weight_decay: 0 random_seed: -5",
        ENOUGH + 'type: "AdaGrad"',
        ENOUGH + "delta: 0 rms_decay: 7 momentum2: -1",  # which SGD does not read
        STEP + "gamma: 1",
        'base_lr: 0.1 lr_policy: "sigmoid" gamma: -0.1 stepsize: 0 max_iter: 10',
        'base_lr: 0.1 lr_policy: "inv" gamma: 0.1 power: -0.5 max_iter: 10',
        ENOUGH.replace("10", "0"),
    ],
)
def test_nothing_is_said_of_what_makes_sense(text: str, tmp_path: Path) -> None:
    assert said(text + "\n" + NET, tmp_path)[0] == []


def test_what_the_policy_does_not_read_may_be_anything(tmp_path: Path) -> None:
    assert said(ENOUGH + "stepsize: 0 gamma: -1 " + NET, tmp_path)[0] == [
        ("warning", "SOL017", "-1"),
        ("warning", "SOL017", "0"),
    ]


def test_a_solver_says_how_long_it_trains(tmp_path: Path) -> None:
    found, (diagnostic,) = said('base_lr: 0.1 lr_policy: "fixed"\n' + NET, tmp_path)
    assert found[0][:2] == ("error", "SOL011")
    assert "netc train --iterations N" in (diagnostic.help or "")
    solver = Solver(load_job(tmp_path / "solver.prototxt"))
    with pytest.raises(NetError) as caught:
        solver.solve()
    assert [d.code.id for d in caught.value.diagnostics] == ["SOL011"]
    solver.step(2)
    assert solver.iteration == 2


@pytest.mark.parametrize("policy", ["poly", "cosine"])
def test_a_length_that_is_missing_is_said_once(policy: str, tmp_path: Path) -> None:
    assert (
        said(f'base_lr: 0.1 lr_policy: "{policy}" power: 1\n' + NET, tmp_path)[0].count(
            ("error", "SOL011", f'"{policy}"')
        )
        == 1
    )


STOP = ENOUGH + 'test_iter: 1 test_interval: 2 early_stop { output: "%s" patience: %s min_delta: %s } '


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (("loss", 1, 0), []),
        (("acuracy", 1, 0), [("error", "SOL014", '"acuracy"')]),
        (("loss", 0, 0), [("error", "SOL012", "0")]),
        (("loss", 1, "nan"), [("error", "SOL012", "nan")]),
        (("loss", 1, -1), [("error", "SOL012", "-1")]),
    ],
)
def test_early_stop(values: tuple[Any, ...], expected: list[tuple[str, str, str]], tmp_path: Path) -> None:
    assert said(STOP % values + NET, tmp_path)[0] == expected


def test_a_net_with_its_own_solver_is_looked_at_as_well(tmp_path: Path) -> None:
    layers = NET[len("net_param {") : -3]
    for solver, code, mark in (
        (STOP % ("acuracy", 1, 0), "SOL014", '"acuracy"'),
        (ENOUGH + "test_interval: 5", "SOL004", "test_interval"),
        (ENOUGH.replace("0.1", "nan"), "SOL012", "nan"),
    ):
        found, _ = said(f"solver {{ {solver} }}\n{layers}", tmp_path)
        assert [(how, at) for how, at, _ in found] == [("error", code)]
        assert mark in found[0][2] or code == "SOL004"


def test_a_test_of_no_batches_has_no_loss(tmp_path: Path) -> None:
    path = tmp_path / "solver.prototxt"
    path.write_text(ENOUGH + "test_iter: 0 test_interval: 5 test_compute_loss: true snapshot_after_train: false " + NET)
    solver = Solver(path)
    solver.solve()
    assert [(r.outputs, r.loss) for r in solver.results if r.loss is None or not math.isnan(r.loss)] == []


@pytest.mark.parametrize(("name", "value"), [("base_lr", math.nan), ("iter_size", 0), ("lr_policy", "fixd")])
def test_a_script_sets_no_nonsense(name: str, value: object, tmp_path: Path) -> None:
    path = tmp_path / "solver.prototxt"
    path.write_text(ENOUGH + NET)
    solver = caffe.SGDSolver(str(path))
    before = getattr(solver.param, name)
    with pytest.raises(RuntimeError, match=r"SOL01[02]"):
        setattr(solver.param, name, value)
    assert getattr(solver.param, name) == before


# ---------------------------------------------------------------- the table itself


def _finite_rates(fields: dict[str, Any]) -> bool:
    p = base_schema().message("SolverParameter").make(**fields)
    report = Report()
    checks.check(p, report)
    return report.failed or all(math.isfinite(learning_rate(p, i)) for i in (0, 1, p.max_iter - 1))


@pytest.mark.parametrize("policy", POLICIES)
def test_what_is_not_refused_has_finite_rates(policy: str) -> None:
    values = (-1e30, -3.0, -1.0, 0.0, 0.5, 1.0, 2.0, 1e30, math.nan, math.inf)
    needs = {"stepsize": 3, "stepvalue": (2, 4), "stagelr": (0.1,), "stageiter": (3,), "plateau_winsize": (3,)}
    base = {"lr_policy": policy, "base_lr": 0.1, "max_iter": 1000, "gamma": 0.5, "power": 1.0, **needs}
    for field in ("gamma", "power", "base_lr", "min_lr"):
        for value in values:
            assert _finite_rates({**base, field: value}), (policy, field, value)


def test_ranges_say_what_they_hold() -> None:
    shown: Callable[[Range], str] = str
    assert [shown(r) for r in (Range(), Range(0), Range(0, below=1), Range(0, 0), Range(1, 3))] == [
        "a finite number",
        "at least 0",
        "at least 0 and below 1",
        "0",
        "at least 1 and at most 3",
    ]


def test_what_is_doubted_is_allowed() -> None:
    every = [*RANGES.values(), *(r for x in (*rules().values(), *POLICIES.values()) for r in x.ranges.values())]
    doubts: list[tuple[Range, Doubt]] = [(r, d) for r in every for d in r.doubts]
    assert doubts
    for allowed, doubt in doubts:
        assert doubt.low in allowed or doubt.high in allowed or math.isinf(doubt.low + doubt.high)
