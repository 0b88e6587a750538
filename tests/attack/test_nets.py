"""A short run of the random nets, and that the campaign finds what is wrong, and reduces it."""

from __future__ import annotations

import re
from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest

from netc.layer import Array
from netc.layers import tanh
from tools.attack import Tally, nets
from tools.attack._wide_nets import kinds
from tools.attack.nets import Case

SEEDS = 50


@pytest.mark.parametrize("seed", range(SEEDS))
def test_every_way_of_running_a_net_gives_its_numbers(seed: int) -> None:
    tally = Tally()
    nets.run_one(seed, tally)
    assert not tally.failures, tally.failures[0]
    assert tally.counts["nets"] == 1
    assert tally.counts["runs"] >= 5


def test_the_same_seed_gives_the_same_net() -> None:
    assert Case.of(7) == Case.of(7)
    assert Case.of(7).text != Case.of(8).text


def test_every_layer_type_can_be_a_graft() -> None:
    """Those of which no example fits are known; long runs count what came up."""
    ways = {t.name: {e.phase for e in t.examples if e.given is None} for t in kinds()}
    assert all(ways.values()), ways
    assert len(ways) > 80


TEXT = """name: "small"
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 4 dim: 3 dim: 2 } } }
layer { name: "n" type: "AbsVal" bottom: "x" top: "n" }
layer { name: "t" type: "TanH" bottom: "n" top: "t" }
layer { name: "v" type: "Flatten" bottom: "t" top: "v" }
layer { name: "l" type: "Power" bottom: "t" top: "l" power_param { scale: 10 } }
"""
SMALL = Case(1, TEXT, "TEST", False, "exact", 2, {})


def test_an_output_that_is_overwritten_is_found_and_reduced(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when outputs lived up to the last step only."""
    assert nets.judge(SMALL).wrong == []
    schedule = import_module("netc.plan.schedule")
    touch = schedule.touch
    monkeypatch.setattr(schedule, "touch", lambda draft, arrays, step: touch(draft, arrays, min(step, draft.steps - 1)))
    assert any("output v" in one for one in nets.judge(SMALL).wrong)
    smaller = nets.reduced(SMALL, lambda case: any("output v" in one for one in nets.judge(case).wrong))
    assert re.findall(r'type: "(\w+)"', smaller.text) == ["Input", "Flatten", "Power"]


@pytest.mark.parametrize("off", [0.5, 1e-4])
def test_a_kernel_that_is_wrong_is_found(off: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oracle's, here; the fast executor has one of its own."""
    case = replace(SMALL, text=TEXT.replace("dim: 4", "dim: 16"))
    assert nets.judge(case).wrong == []
    monkeypatch.setattr(tanh, "np", Mistaken(off))
    assert any(one.startswith("fast executor") for one in nets.judge(case).wrong)


class Mistaken:
    """numpy with another tanh."""

    def __init__(self, off: float) -> None:
        self.off = off

    def __getattr__(self, name: str) -> object:
        return getattr(np, name)

    def tanh(self, x: Array, out: Array) -> None:
        np.multiply(np.tanh(x), 1 + self.off, out=out)


def test_shaken_numbers_explain_a_kink_and_nothing_else() -> None:
    wanted = {"gradient of x": np.array([1.0, -2.0]), "output y": np.array([np.nan, 4.0])}
    same = {name: array.copy() for name, array in wanted.items()}
    assert nets.errors(wanted, same) == {"gradient of x": 0.0, "output y": 0.0}
    same["output y"] = np.array([0.0, 4.0])
    same["gradient of x"] = np.array([1.0, -2.2])
    assert nets.errors(wanted, same) == pytest.approx({"gradient of x": 0.1, "output y": np.inf})
