"""What is said of memory before a net is there, against the arrays that it has when it runs."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc import run
from netc.api import memory, planning
from netc.api.definition import loads
from netc.api.jobs import load_job
from netc.api.session import Net, Solver
from netc.layer import Phase
from netc.plan.usage import Usage
from netc.run.fast import Fast
from netc.run.reference import Reference
from tests.api.test_budget import NETS
from tests.cli.conftest import SMALL

ROOT = Path(__file__).parents[2]


def arena(net: run.Net) -> int:
    assert isinstance(net.executor, Fast | Reference)
    own = net.executor.arena
    return int(own.nbytes if isinstance(own, np.ndarray) else own.memory.nbytes)


def parameters(net: run.Net) -> int:
    return sum(b.data.nbytes for b in net.parameters.all)


def gradients(net: run.Net) -> int:
    return sum(b.diff.nbytes for b in net.parameters.all if b.diff is not None)


def fixed(usage: Usage) -> tuple[int, int, int, int]:
    return usage.parameters, usage.gradients, usage.history, usage.arena


@pytest.mark.parametrize("executor", ["fast", "reference"])
@pytest.mark.parametrize("phase", ["TRAIN", "TEST"])
@pytest.mark.parametrize("name", list(NETS))
def test_nets_take_what_was_said(name: str, phase: Phase, executor: str) -> None:
    definition = loads(NETS[name])
    net = Net(definition, phase, executor=executor, threads=2)
    found = memory.measure(executor, 2)(planning.plan(definition, phase))
    assert found.executor == executor
    assert fixed(found) == (parameters(net), gradients(net), 0, arena(net))
    assert sum(found.parts.values()) == found.total == parameters(net) + gradients(net) + arena(net)
    assert (found.gradients > 0) == (phase == "TRAIN")


@pytest.mark.parametrize("changes", [{}, {"type": "Adam", "momentum2": 0.99}, {"iter_size": 2}], ids=str)
@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("executor", ["fast", "reference"])
def test_solvers_take_what_was_said(
    changes: dict[str, object], keep: bool, executor: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.net").write_text(SMALL)
    options: dict[str, Any] = {"changes": changes, "executor": executor, "threads": 2}
    solver = Solver("small.net", keep_gradients=keep, **options)
    solver.step(1)
    plan = planning.plan(load_job(Path("small.net")).train, "TRAIN")
    found, net = memory.measure(executor, 2, solver.p, update_in_backward=not keep)(plan), solver.net
    history = sum(a.nbytes for blobs in solver.updater.history for a in blobs.values())
    released = executor == "fast" and not keep and "iter_size" not in changes
    assert solver.updater.updates_in_backward == released
    sums = 2 if "iter_size" in changes else 1  # the gradients of a batch, and those of all
    assert fixed(found) == (parameters(net), 0 if released else sums * gradients(net), history, arena(net))
    assert history == (2 if "momentum2" in changes else 1) * gradients(net)


@pytest.mark.parametrize("phase", ["TRAIN", "TEST"])
def test_a_plan_says_what_will_run(phase: Phase, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fast executor, on as many threads as it will have, with the solver of the file."""
    monkeypatch.setenv("NETC_THREADS", "3")
    definition = planning.load(ROOT / "nets/digits.net")
    plan = planning.plan(definition, phase)
    solver = memory.solver_of(definition) if phase == "TRAIN" else None
    assert plan.memory == memory.measure("fast", 3, solver)(plan)
    assert plan.memory.arena != plan.reference_arena.planned_bytes
    assert str(plan.memory).startswith("fast executor, ")
    assert plan.memory.history == sum(4 * prod(p.shape) for p in plan.params if p.learned)
    assert (plan.memory.history > 0) == (phase == "TRAIN")
    kept = planning.plan(definition, phase, keep=True)
    assert (kept.memory.executor, kept.memory.arena) == ("reference", kept.reference_arena.planned_bytes)


def test_a_plan_of_a_net_whose_sizes_depend_on_values() -> None:
    """Such a net is planned for the most that there can be."""
    text = """
    data = Input() { shape { dim: [4, 3] } }
    chosen = Input() { shape { dim: [4, 1] } }
    y = Filter(data, chosen)
    """
    definition = loads(text)
    plan = planning.plan(definition)
    net = Net(definition)
    assert isinstance(net.executor, Fast)
    assert fixed(plan.memory) == (0, 0, 0, arena(net))
    assert plan.memory.executor == "fast"
