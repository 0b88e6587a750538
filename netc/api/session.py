"""Nets and solvers from files: plans, parameters and data sources put together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from netc import data, run
from netc.api.definition import Definition, PathLike
from netc.api.planning import load, plan_state
from netc.graph import State
from netc.layer import Phase, Shape
from netc.plan.model import Plan


class Net(run.Net):
    """A net that runs, from a file or a definition.

        net = netc.Net("deploy.prototxt", weights="model.caffemodel")
        net.set_input("data", images)
        probabilities = net.forward()["prob"]

    phase, level, stages: which of the file's nets. weights: `.caffemodel` files, by layer name. batch, inputs: shapes
    instead of the file's. keep: every blob stays readable after a pass. training: plan backward too (default: in phase
    TRAIN). Data layers whose source is there are fed from it; others are inputs that the caller sets.
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
        **run_options: Any,
    ) -> None:
        if not isinstance(definition, Definition):
            definition = load(definition)
        self.definition = definition
        state = State(phase, level, tuple(stages))
        training = phase == "TRAIN" if training is None else training
        plan = plan_state(definition, state, batch=batch, inputs=inputs, training=training, keep=keep)
        super().__init__(plan, dtype=dtype, seed=seed, feeds=open_feeds(plan, seed), **run_options)
        self.loaded = [self.load(w) for w in ([weights] if isinstance(weights, str | Path) else weights)]


def open_feeds(plan: Plan, seed: int) -> dict[str, data.Source]:
    """A source for each data layer of a plan whose data is there."""
    feeds = {}
    for node in plan.graph.nodes:
        if node.type.source and node.name not in plan.assumed and data.has_source(node.record.type):
            feeds[node.name] = data.open_source(node.record, plan.graph.state.phase, seed)
    return feeds
