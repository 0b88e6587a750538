"""Nets and solvers from files: plans, parameters and data sources put together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from netc import data, run, solve
from netc.api.definition import Definition, PathLike
from netc.api.jobs import Job, load_job
from netc.api.planning import load, plan_state
from netc.errors import Diagnostic
from netc.graph import State
from netc.layer import Phase, Shape
from netc.plan.model import Plan
from netc.solve.events import Events
from netc.solve.update import Updater


class Net(run.Net):
    """A net that runs, from a file or a definition.

        net = netc.Net("deploy.prototxt", weights="model.caffemodel")
        net.set_input("data", images)
        probabilities = net.forward()["prob"]

    phase, level, stages: which of the file's nets. weights: `.caffemodel` files, by layer name. batch, inputs: shapes
    instead of the file's. keep: every blob stays readable after a pass. training: plan backward too (default: in phase
    TRAIN). Data layers whose source is there are fed from it; others are inputs that the caller sets. synthetic: data
    layers and inputs hold random numbers (labels: small integers), to time a net without its data.
    Raises NetError.
    """

    def __init__(
        self,
        definition: Definition | PathLike,
        phase: Phase = "TEST",
        *,
        level: int = 0,
        stages: Iterable[str] = (),
        weights: PathLike | Iterable[PathLike] = (),
        batch: int | None = None,
        inputs: Mapping[str, Shape] | None = None,
        training: bool | None = None,
        keep: bool = False,
        seed: int = 0,
        dtype: DTypeLike = np.float32,
        layers: Iterable[Path] = (),
        synthetic: bool = False,
        **run_options: Any,
    ) -> None:
        if not isinstance(definition, Definition):
            definition = load(definition, layers=layers)
        self.definition = definition
        state = State(phase, level, tuple(stages))
        training = phase == "TRAIN" if training is None else training
        plan = plan_state(definition, state, batch=batch, inputs=inputs, training=training, keep=keep)
        feeds = {} if synthetic else open_feeds(plan, seed)
        super().__init__(plan, dtype=dtype, seed=seed, feeds=feeds, **run_options)
        if synthetic:
            fill_inputs(self, seed)
        files = [weights] if isinstance(weights, str | Path) else weights
        self.loaded = load_files(self, files)


class Solver(solve.Solver):
    """A training run, from a solver file, a net file with a `solver { }` block, or a loaded job.

        solver = netc.Solver("nets/digits.net")
        solver.solve()

    changes: fields of the solver to set instead of the file's (`max_iter`, `random_seed`...). weights: `.caffemodel`
    files to start from. Raises NetError.
    """

    def __init__(
        self,
        job: Job | PathLike,
        *,
        layers: Iterable[Path] = (),
        events: Events | None = None,
        changes: Mapping[str, Any] | None = None,
        weights: Iterable[PathLike] = (),
        **run_options: Any,
    ) -> None:
        job = job if isinstance(job, Job) else load_job(job, layers=layers)
        record = job.record.replace(**(changes or {}))
        seed = record.random_seed if record.has("random_seed") and record.random_seed >= 0 else 0
        plan = plan_state(job.train, job.train_state, training=True)
        net = run.Net(plan, seed=seed, feeds=open_feeds(plan, seed), **run_options)
        tests, warnings = [], [*job.warnings, *plan.warnings]
        for test in job.tests:
            test_plan = plan_state(test.definition, test.state)
            warnings += test_plan.warnings
            feeds = open_feeds(test_plan, seed)
            test_net = run.Net(test_plan, seed=seed, params=net, feeds=feeds, **run_options)
            tests.append(solve.Test(test_net, test.iterations))
        self.warnings: tuple[Diagnostic, ...] = tuple(dict.fromkeys(warnings))
        prefix = None if record.has("snapshot_prefix") else str(job.path.with_suffix(""))
        super().__init__(record, net, tests, events=events, snapshot_prefix=prefix)
        self.loaded = load_files(net, weights)


def load_files(net: run.Net, files: Iterable[PathLike]) -> dict[Path, run.Loaded]:
    """Load weight files one after the other, by layer name; says what became of the layers of each."""
    paths = [Path(file) for file in files]
    return {path: run.load_weights(net, solve.read_weights(path), source=str(path)) for path in paths}


def open_feeds(plan: Plan, seed: int) -> dict[str, data.Source]:
    """A source for each data layer of a plan whose data is there."""
    feeds = {}
    for node in plan.graph.nodes:
        if node.type.source and node.name not in plan.assumed and data.has_source(node.record.type):
            feeds[node.name] = data.open_source(node.record, plan.graph.state.phase, seed)
    return feeds


def fill_inputs(net: run.Net, seed: int) -> None:
    """Random numbers into every input: normal for images, 0 or 1 for labels (blobs of one axis)."""
    generator = np.random.default_rng(seed)
    for array in net.inputs.values():
        labels = array.ndim == 1
        array[...] = generator.integers(0, 2, array.shape) if labels else generator.standard_normal(array.shape)


def time_solver(net: Net) -> Callable[[], object]:
    """One SGD update with momentum and weight decay on a net's gradients, to be timed."""
    fields = {"type": "SGD", "base_lr": 1e-4, "momentum": 0.9, "weight_decay": 5e-4, "lr_policy": "fixed"}
    record = net.definition.schema.message("SolverParameter").make(**fields)
    updater = Updater(record, net)

    def update() -> None:
        updater.apply(0)
        net.zero_param_diffs()

    return update
