"""The trials of a search as curves: each is a run, and together they show what the search has found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from netc.api import history
from netc.api.history import History
from netc.api.search.results import Trial, trial_of
from netc.report.curves import Chart, Curve

SHOWN = 8
"""Trials whose tests are drawn, the best ones: there are so many colours."""


def charts(paths: Sequence[Path]) -> list[Chart]:
    """Charts of runs, and of searches: the tests of a search's best trials, and what each trial came to.

    Raises NetError(RUN056).
    """
    runs, more = list[History](), list[Chart]()
    for path in paths:
        lines = history.lines_of(path)
        head = lines[0]
        if not history.is_search(head):
            runs.append(history.of_lines(path, lines))
            continue
        best, trials = str(head.get("best")), list(_trials(lines))
        order = sorted(trials, key=lambda trial: trial.value or 0.0, reverse=head.get("mode") != "MIN")
        runs += [_run(trial, best) for trial in order[:SHOWN]]
        more += [_by_trial(path, best, trials, max if head.get("mode") != "MIN" else min)] if trials else []
    return [*history.charts(runs), *more]


def _trials(lines: Sequence[dict[str, Any]]) -> Iterator[Trial]:
    """The trials that came to something."""
    for line in lines[1:]:
        try:
            trial = trial_of(line)
        except (KeyError, TypeError, ValueError):
            continue
        if trial.value is not None:
            yield trial


def _run(trial: Trial, best: str) -> History:
    return History(f"trial {trial.trial}", test=[{"iteration": i, best: value} for i, value in trial.curve])


def _by_trial(path: Path, best: str, trials: Sequence[Trial], better: Any) -> Chart:
    """What each trial came to, and the best so far."""
    values = [(float(trial.trial), float(trial.value or 0.0)) for trial in trials]
    so_far = accumulate((value for _, value in values), better)
    steps = tuple((number, value) for (number, _), value in zip(values, so_far, strict=True))
    title = f"{path.name.removesuffix(history.SEARCH)}: {best} of each trial"
    return Chart(title, (Curve("trials", tuple(values)), Curve("best so far", steps, dashed=True)))
