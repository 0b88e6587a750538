"""The state of a training run: what a snapshot holds, and what going on from one sets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netc.run import Net
from netc.schema.record import Record
from netc.solve.events import Events
from netc.solve.stages import stages_of
from netc.solve.update import Updater


@dataclass(frozen=True, slots=True)
class Test:
    """A test net, and how many batches a test takes. The net uses the train net's parameters."""

    net: Net
    iterations: int


class Training:
    """Nets, the update with its memory, and the counts of a run.

    record: the solver's fields. stages: them in each stage; `stage` is the one that runs, `p` its fields, `stage_start`
    the iterations done when it began. prefix: where snapshots go. iteration: updates so far. losses: of the last
    `average_loss` iterations. best, waited: the best result that early stopping watches (NaN: none yet), and the tests
    since. best_iteration, best_weights: when that was, and the file with the weights of then (None: not written).
    skipped: updates left out in a row.
    """

    updater: Updater

    def __init__(self, record: Record, net: Net, tests: Sequence[Test], events: Events, prefix: str | None) -> None:
        self.record: Any = record
        self.stages = stages_of(record)
        self.stage, self.stage_start = 0, 0
        self.p: Any = self.stages[0]
        self.net = net
        self.tests = tuple(tests)
        self.events = events
        self.prefix = prefix
        self.iteration = 0
        self.losses: list[float] = []
        self.best = math.nan
        self.best_iteration: int | None = None
        self.best_weights: Path | None = None
        self.waited = 0
        self.skipped = 0

    @property
    def in_stage(self) -> int:
        """Iterations since the stage began: what learning rates depend on."""
        return self.iteration - self.stage_start

    @property
    def last(self) -> int:
        """The iteration that training runs to, if no stage ends early; each stage has a max_iter."""
        return self.stage_start + sum(int(p.max_iter) for p in self.stages[self.stage :])

    @property
    def loss(self) -> float:
        """The loss averaged over the last average_loss iterations; NaN before the first."""
        return sum(self.losses) / len(self.losses) if self.losses else math.nan
