"""A history that a solver's run fills while it goes."""

from __future__ import annotations

from netc.api.history import History
from netc.api.metrics import averaged, measured
from netc.solve.events import Events, Step, TestResult

MOST = 1000
"""Iterations that are kept of a run that displays none."""


class Recorder(Events):
    """Puts into `history` what the metrics file gets of iterations and tests, and the last iteration in any case.

    displays: the solver displays iterations; of one that does not, about `MOST`, evenly spaced, are kept.
    """

    def __init__(self, history: History, displays: bool) -> None:
        self.history = history
        self._displays = displays
        self._every = 1
        self._last: Step | None = None

    def started(self, iteration: int, last: int) -> None:
        self._every = max(1, -(-(last - iteration) // MOST))

    def stepped(self, step: Step) -> None:
        kept = step.display if self._displays else (step.iteration - 1) % self._every == 0
        self._last = None if kept else step
        if kept:
            self._keep(step)

    def _keep(self, step: Step) -> None:
        self.history.add({"kind": "train", "iteration": step.iteration - 1, **measured(step)})

    def tested(self, result: TestResult) -> None:
        self.history.add({"kind": "test", "iteration": result.iteration, **averaged(result)})

    def close(self) -> None:
        """The run has ended, or was broken off."""
        if self._last is not None:
            self._keep(self._last)
            self._last = None
