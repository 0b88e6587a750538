"""Learning rates: Caffe's policies by their formulas, cosine, warm-up, and what is refused."""

import math
from typing import Any

import pytest

from netc.errors import Report
from netc.schema.registry import base_schema
from netc.solve.checks import check
from netc.solve.plateau import Plateau
from netc.solve.policies import POLICIES, learning_rate, steps_done


def solver(**fields: Any) -> Any:
    return base_schema().message("SolverParameter").make(**{"base_lr": 0.1, **fields})


RATES: list[tuple[dict[str, Any], int, float]] = [
    ({"lr_policy": "fixed"}, 123, 0.1),
    ({"lr_policy": "step", "gamma": 0.5, "stepsize": 10}, 9, 0.1),
    ({"lr_policy": "step", "gamma": 0.5, "stepsize": 10}, 20, 0.025),
    ({"lr_policy": "exp", "gamma": 0.9}, 3, 0.1 * 0.9**3),
    ({"lr_policy": "inv", "gamma": 0.01, "power": 0.75}, 100, 0.1 * 2**-0.75),
    ({"lr_policy": "multistep", "gamma": 0.1, "stepvalue": (5, 8)}, 4, 0.1),
    ({"lr_policy": "multistep", "gamma": 0.1, "stepvalue": (5, 8)}, 5, 0.01),
    ({"lr_policy": "multistep", "gamma": 0.1, "stepvalue": (5, 8)}, 100, 0.001),
    ({"lr_policy": "poly", "power": 2.0, "max_iter": 100}, 50, 0.025),
    ({"lr_policy": "poly", "power": 2.0, "max_iter": 100}, 100, 0.0),
    ({"lr_policy": "poly", "power": 2.0, "max_iter": 100, "min_lr": 0.02}, 50, 0.02 + 0.08 / 4),
    ({"lr_policy": "multifixed", "stagelr": (1.0, 0.5, 0.1), "stageiter": (3, 6, 9)}, 3, 1.0),
    ({"lr_policy": "multifixed", "stagelr": (1.0, 0.5, 0.1), "stageiter": (3, 6, 9)}, 4, 0.5),
    ({"lr_policy": "multifixed", "stagelr": (1.0, 0.5, 0.1), "stageiter": (3, 6, 9)}, 99, 0.1),
    ({"lr_policy": "plateau", "gamma": 0.5, "plateau_winsize": (3,)}, 7, 0.1),
    ({"lr_policy": "sigmoid", "gamma": 0.1, "stepsize": 10}, 20, 0.1 / (1 + math.exp(-1))),
    ({"lr_policy": "sigmoid", "gamma": -0.1, "stepsize": 10}, 20, 0.1 / (1 + math.exp(1))),
    ({"lr_policy": "multistep", "gamma": 0.1, "stepvalue": (8, 5)}, 8, 0.01),
    ({"lr_policy": "multistep", "gamma": 0.1, "stepvalue": (8, 5)}, 9, 0.001),
    ({"lr_policy": "sigmoid", "gamma": 900.0, "stepsize": 10}, 0, 0.0),
    ({"lr_policy": "poly", "power": 1.0, "max_iter": 100, "min_lr": 0.02}, 99, 0.02 + 0.08 / 100),
    ({"lr_policy": "step", "gamma": 0.1, "stepsize": 10, "min_lr": 0.005}, 19, 0.01),
    ({"lr_policy": "step", "gamma": 0.1, "stepsize": 10, "min_lr": 0.005}, 20, 0.005),
    ({"lr_policy": "fixed", "rampup_interval": 10}, 0, 0.0),
    ({"lr_policy": "fixed", "rampup_interval": 10}, 5, 0.025),
    ({"lr_policy": "fixed", "rampup_interval": 10, "rampup_lr": 0.02}, 5, 0.02 + 0.08 / 4),
    ({"lr_policy": "fixed", "rampup_interval": 10, "min_lr": 0.03}, 5, 0.03),
    ({"lr_policy": "fixed", "rampup_interval": 10}, 10, 0.1),
    ({"lr_policy": "cosine", "max_iter": 100, "min_lr": 0.02}, 50, 0.06),
    ({"lr_policy": "cosine", "max_iter": 100, "min_lr": 0.02}, 100, 0.02),
    ({"lr_policy": "fixed", "warmup_iter": 10, "warmup_start_lr": 0.02}, 0, 0.02),
    ({"lr_policy": "fixed", "warmup_iter": 10, "warmup_start_lr": 0.02}, 5, 0.06),
    ({"lr_policy": "fixed", "warmup_iter": 10, "warmup_start_lr": 0.02}, 10, 0.1),
    ({"lr_policy": "step", "gamma": 0.5, "stepsize": 2, "warmup_iter": 5}, 4, 0.08),
]


@pytest.mark.parametrize(("fields", "iteration", "rate"), RATES)
def test_rate(fields: dict[str, Any], iteration: int, rate: float) -> None:
    assert learning_rate(solver(**fields), iteration) == pytest.approx(rate, rel=1e-12, abs=1e-300)


def test_at_most_one_step_is_passed_per_iteration() -> None:
    assert [steps_done((3, 3, 5), i) for i in range(7)] == [0, 0, 0, 1, 2, 3, 3]


@pytest.mark.parametrize(
    ("fields", "codes", "words"),
    [
        ({"lr_policy": "setp"}, ["SOL010"], 'did you mean "step"?'),
        ({"lr_policy": "quux"}, ["SOL010"], "the policies are fixed, step"),
        ({"lr_policy": "step"}, ["SOL011", "SOL011"], 'warning[SOL011]: lr_policy "step" needs gamma'),
        ({"lr_policy": "step", "gamma": 0.1}, ["SOL011"], 'error[SOL011]: lr_policy "step" needs stepsize'),
        ({"lr_policy": "step", "gamma": 0.1, "stepsize": 0}, ["SOL012"], "stepsize must be at least 1"),
        ({"lr_policy": "exp", "gamma": -1.0}, ["SOL012"], "gamma must be at least 0"),
        (
            {"lr_policy": "multistep", "gamma": 0.1, "stepvalue": (8, 5)},
            ["SOL012"],
            "warning[SOL012]: stepvalue does not grow",
        ),
        ({"lr_policy": "sigmoid", "gamma": -0.1, "stepsize": 5}, [], ""),
        ({"base_lr": None}, ["SOL011"], "base_lr"),
        ({"min_lr": -1.0}, ["SOL012"], "error[SOL012]: min_lr must be at least 0"),
        ({"lr_policy": "poly", "power": 1.0, "max_iter": 9, "min_lr": 0.2}, ["SOL012"], "min_lr, where poly"),
        ({"gamma": 0.1}, ["SOL017"], 'warning[SOL017]: lr_policy "fixed" does not use gamma'),
        ({"lr_policy": "plateau", "gamma": 0.1}, ["SOL011"], "needs plateau_winsize"),
        ({"lr_policy": "plateau", "gamma": 0.1, "plateau_winsize": (0,)}, ["SOL012"], "at least 1"),
        ({"lr_policy": "multifixed", "stagelr": (1.0,), "stageiter": (1, 2)}, ["SOL012"], "1 stagelr for 2 stageiter"),
    ],
)
def test_refused(fields: dict[str, Any], codes: list[str], words: str) -> None:
    report = Report()
    check(solver(**fields), report)
    assert [d.code.id for d in report.diagnostics] == codes
    assert words in "\n".join(d.render() for d in report.diagnostics)


def test_every_policy_has_a_formula_and_rates_here() -> None:
    assert all(policy.formula for policy in POLICIES.values())
    assert {fields["lr_policy"] for fields, _, _ in RATES} == set(POLICIES)


def test_the_rate_falls_at_each_plateau() -> None:
    """SSD: a window of 2, then of 3 iterations without a smaller loss; a smaller one starts it anew."""
    plateau, steps = Plateau(), []
    for i, loss in enumerate([5.0, 4.0, 4.0, 4.5, 3.0, 3.0, 3.5, 3.2, 3.0, 9.0]):
        plateau.look(i, loss, (2, 3))
        steps.append(plateau.steps)
    assert steps == [0, 0, 0, 1, 1, 1, 1, 2, 2, 2]
    fields = solver(lr_policy="plateau", gamma=0.5, plateau_winsize=(2, 3))
    assert learning_rate(fields, 9, plateau.steps) == pytest.approx(0.025)
