"""Update rules against the same formulas in float64, and their documentation."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from netc.layer import Array
from netc.schema.registry import base_schema
from netc.solve.rule import Moment
from netc.solve.rules import rules

P = base_schema().message("SolverParameter").make(momentum=0.9, momentum2=0.99, rms_decay=0.95, delta=1e-3)
RATE, DECAY = 0.05, 0.1
History = list[Array]


def sgd(g: Array, w: Array, h: History, t: int) -> Array:
    h[0] = RATE * g + 0.9 * h[0]
    return h[0]


def nesterov(g: Array, w: Array, h: History, t: int) -> Array:
    before, h[0] = h[0], RATE * g + 0.9 * h[0]
    return 1.9 * h[0] - 0.9 * before


def adagrad(g: Array, w: Array, h: History, t: int) -> Array:
    h[0] = h[0] + g**2
    return RATE * g / (np.sqrt(h[0]) + 1e-3)


def rmsprop(g: Array, w: Array, h: History, t: int) -> Array:
    h[0] = 0.95 * h[0] + 0.05 * g**2
    return RATE * g / (np.sqrt(h[0]) + 1e-3)


def adadelta(g: Array, w: Array, h: History, t: int) -> Array:
    h[0] = 0.9 * h[0] + 0.1 * g**2
    u = g * np.sqrt((h[1] + 1e-3) / (h[0] + 1e-3))
    h[1] = 0.9 * h[1] + 0.1 * u**2
    return RATE * u


def adam(g: Array, w: Array, h: History, t: int) -> Array:
    h[0], h[1] = 0.9 * h[0] + 0.1 * g, 0.99 * h[1] + 0.01 * g**2
    return RATE * math.sqrt(1 - 0.99**t) / (1 - 0.9**t) * h[0] / (np.sqrt(h[1]) + 1e-3)


def adamw(g: Array, w: Array, h: History, t: int) -> Array:
    return adam(g, w, h, t) + RATE * DECAY * w


FORMULAS: dict[str, Callable[[Array, Array, History, int], Array]] = {
    "SGD": sgd,
    "Nesterov": nesterov,
    "AdaGrad": adagrad,
    "RMSProp": rmsprop,
    "AdaDelta": adadelta,
    "Adam": adam,
    "AdamW": adamw,
}


def test_every_rule_has_a_formula_here() -> None:
    assert set(rules()) == set(FORMULAS)
    assert all(rule.doc.strip() for rule in rules().values())


@pytest.mark.parametrize("name", FORMULAS)
def test_three_updates(name: str) -> None:
    random, rule = np.random.default_rng(3), rules()[name]
    w = random.standard_normal(50)
    data, expected = w.astype(np.float32), w.astype(np.float32).astype(np.float64)
    memory = tuple(np.zeros(50, np.float32) for _ in range(rule.histories))
    history: list[Any] = [np.zeros(50) for _ in range(rule.histories)]
    for t in range(3):
        g = random.standard_normal(50).astype(np.float32)
        diff = g.copy()
        numbers = np.array(rule.numbers(Moment(RATE, DECAY, t, P)), np.float32)
        rule.update(data, diff, *memory, numbers)
        step = FORMULAS[name](g.astype(np.float64), expected, history, t + 1)
        expected = expected - step
        np.testing.assert_allclose(diff, step, rtol=2e-5, atol=1e-7)
        np.testing.assert_allclose(data, expected, rtol=1e-5, atol=1e-6)
    for ours, theirs in zip(memory, history, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)
