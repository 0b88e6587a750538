"""Trains a net with one choice of values after the other, and keeps the weights of the best."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from netc import data, language, run
from netc.api.definition import PathLike, is_solver, typed
from netc.api.history import SEARCH
from netc.api.jobs import Job, load_job, solver_job
from netc.api.metrics import plain
from netc.api.search.choosing import choose, count_of, optuna
from netc.api.search.codes import NO_SEARCH
from netc.api.search.results import Results, Trial
from netc.api.search.written import (
    Variable,
    blocks,
    problems,
    settings_of,
    twice,
    unknown,
    untested,
    variables_of,
)
from netc.api.session import Solver
from netc.api.settings import Given
from netc.api.settings import settings_of as given_settings
from netc.catalogue import catalogue
from netc.errors import Diagnostic, NetError, Report
from netc.layer import Shape
from netc.schema.record import Record
from netc.schema.text import to_text
from netc.solve import TestResult
from netc.solve.locks import Claim
from netc.solve.snapshot_files import probe
from netc.solve.snapshots import write_weights_alone


@dataclass(frozen=True)
class Found:
    """What a search has found. path: the file with the results; weights: those of the best trial."""

    trials: tuple[Trial, ...]
    best: Trial | None
    path: Path
    weights: Path | None


class Search:
    """A search, ready to run: `trials()` makes those that are missing, one after the other.

    file: a .net file with a `search { }` and a `solver { }` block, or a solver file, whose net may hold the block.
    count, seed: instead of the block's `trials` and
    `seed`. iterations: instead of the solver's max_iter. output: the file of results, PREFIX.search.jsonl by default.
    settings: as in `netc.load`; those of a trial come on top. layers, inputs, on_bad_record, run_options: as in
    `Solver`.
    Raises NetError: SOL050 to SOL053 and what else is wrong with the file, SNP020 where weights cannot be written,
    SNP029 while another process searches.
    """

    def __init__(
        self,
        file: PathLike,
        *,
        count: int | None = None,
        seed: int | None = None,
        iterations: int | None = None,
        output: Path | None = None,
        settings: Given = None,
        layers: Iterable[Path] = (),
        inputs: Mapping[str, Shape] | None = None,
        on_bad_record: data.OnBadRecord = "stop",
        **run_options: Unpack[run.RunOptions],
    ) -> None:
        self.file, self.layers, self.given = Path(file), tuple(layers), given_settings(settings)
        self._options: dict[str, Any] = {"inputs": inputs, "on_bad_record": on_bad_record, **run_options}
        self._changes: dict[str, object] = {"snapshot": 0, "snapshot_after_train": False}
        if iterations is not None:
            self._changes["max_iter"] = iterations
        block, job = self._read()
        changes = {"trials": count, "seed": seed}
        self.p = block.replace(**{k: v for k, v in changes.items() if v is not None})
        self.variables: tuple[Variable, ...] = variables_of(self.p)
        self.count = count_of(self.p, self.variables)
        if self.p.method == "TPE":
            optuna()
        self.prefix = job.prefix
        self._claim = Claim(f"{self.prefix}_trial")
        if problem := probe(Path(f"{self.prefix}_trial_1")):
            raise NetError(problem)
        self.warnings = self._open({}).warnings  # and what is wrong without a trial's values is said once
        self.results = Results(output or Path(f"{self.prefix}{SEARCH}"), self._head(job, iterations))
        self._remove_worse()

    def _read(self) -> tuple[Record, Job]:
        """The search block and the job of the file. Raises NetError with all that is wrong with the block."""
        document, types = language.read(self.file, self.given), catalogue(self.layers)
        if is_solver(document):
            job = solver_job(document, self.file, types)
            found, warnings = blocks(job.train.record, job.record), job.warnings
        else:
            definition = typed(document, self.file, types)
            found, warnings = blocks(definition.record, definition.solver), definition.warnings
        if not found:
            raise NetError(Diagnostic(NO_SEARCH, f"{self.file} has no search block", help=NO_SEARCH.fix))
        report, p = Report(), found[0]
        report.diagnostics += [*twice(found), *problems(p)]
        report.finish()
        names = unknown(document, self.file, types, p, warnings)
        report.diagnostics += (d for d in names if d.severity == "error")
        report.finish()
        return p, load_job(self.file, layers=self.layers, settings=self.given)

    def _head(self, job: Job, iterations: int | None) -> dict[str, object]:
        """What the results belong to: all that a trial depends on, but how many there are."""
        p = self.p.replace(trials=None)
        nets = (definition.record for definition in (job.train, *(test.definition for test in job.tests)))
        texts = dict.fromkeys(to_text(record.replace(search=None, solver=None)) for record in nets)
        text = "".join((to_text(p), to_text(job.record.replace(search=None)), *texts, str(iterations)))
        key = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]
        return {"net": self.file.name, "method": p.method, "seed": p.seed, "best": p.best, "mode": p.mode, "key": key}

    # ------------------------------------------------------------ trials

    def trials(self) -> Iterator[Trial]:
        """Run the trials that are missing, each as it ends. Raises NetError where results cannot be written."""
        for number in range(len(self.results.trials), self.count):
            choice = choose(self.p, self.variables, number, self.results.trials)
            trial = self._run(number + 1, choice)
            self.results.append(trial)
            self._remove_worse()
            yield trial

    def found(self) -> Found:
        """What the trials so far have found."""
        best = next(iter(self.ranked()), None)
        weights = Path(best.weights) if best is not None and best.weights else None
        return Found(tuple(self.results.trials), best, self.results.path, weights)

    def ranked(self) -> list[Trial]:
        """The trials that did not fail, the best first."""
        return sorted((t for t in self.results.trials if t.value is not None), key=self._order, reverse=True)

    def _order(self, trial: Trial) -> tuple[float, int]:
        """The better the larger; of equal ones the first."""
        assert trial.value is not None
        return (trial.value if self.p.mode == "MAX" else -trial.value, -trial.trial)

    def _open(self, choice: Mapping[str, str]) -> Solver:
        chosen = settings_of(self.variables, choice) if choice else ()
        solver = Solver(
            self.file,
            settings=(*self.given, *chosen),
            layers=self.layers,
            changes=self._changes,
            keep_gradients=False,
            lock=False,
            **self._options,
        )
        report = Report()
        report.diagnostics += untested(self.p, [solver.net_outputs(test.net) for test in solver.tests])
        report.finish()
        return solver

    def _run(self, number: int, choice: Mapping[str, str]) -> Trial:
        """Train with these values; a run that fails (its loss is not finite, its shapes do not fit) is a trial, too."""
        try:
            with np.errstate(all="ignore"):  # what is not finite is said by name
                solver = self._open(choice)
                history = solver.solve()
                result = self._tested(solver)
        except NetError as error:
            first = error.diagnostics[0]
            return Trial(number, choice, error=f"{first.code.id}: {first.message}")
        outputs = plain(result.outputs)
        value = float(result.outputs[self.p.best].mean())
        curve = tuple(history.tests.get(f"test {result.net} {self.p.best}" if result.net else self.p.best, ()))
        trial = Trial(number, choice, None, outputs, solver.loss, solver.iteration, curve=curve)
        if not math.isfinite(value):
            return replace(trial, error=f"{self.p.best} is {value}")
        trial = replace(trial, value=value)
        best = self.found().best
        if best is None or self._order(trial) > self._order(best):
            weights = write_weights_alone(solver, f"{self.prefix}_trial_{number}")
            trial = replace(trial, weights=str(weights))
        return trial

    def _tested(self, solver: Solver) -> TestResult:
        """The last test, if it was of the weights that are there; else another one."""
        names = [solver.net_outputs(test.net) for test in solver.tests]
        index = next(i for i, known in enumerate(names) if self.p.best in known)
        last = next((r for r in reversed(solver.results) if r.net == index), None)
        went_back = solver.p.early_stop.restore and solver.best_iteration != solver.iteration
        if last is None or last.iteration != solver.iteration or went_back:
            last = solver.test(index)
        assert last is not None
        return last

    def _remove_worse(self) -> None:
        """Of weights, those of the best trial stay."""
        best = self.found().weights
        for trial in self.results.trials:
            if trial.weights and Path(trial.weights) != best:
                Path(trial.weights).unlink(missing_ok=True)


def search(
    file: PathLike,
    *,
    trials: int | None = None,
    tell: Callable[[Trial], object] = lambda _: None,
    **options: Any,
) -> Found:
    """Train a net with many values, as its `search { }` block says, and keep the best weights.

        found = netc.search("digits.net", trials=10)
        print(found.best.settings, found.best.value, found.weights)

    trials: instead of the block's. tell: hears of each trial as it ends. options: those of
    `netc.api.search.searching.Search`. Where the file of results holds trials of the same search, it goes on.
    Raises NetError as `Search` does.
    """
    made = Search(file, count=trials, **options)
    for trial in made.trials():
        tell(trial)
    return made.found()
