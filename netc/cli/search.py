"""`netc search`: train a net with many values, and keep the best weights."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from netc.api.search.results import Trial
from netc.api.search.searching import Found, Search
from netc.cli import _output
from netc.cli._options import OUTPUT, bad_record_option, executor_options, file_argument, planning_options
from netc.language import Setting
from netc.layer import Shape

SHOWN = 10
"""Trials of the table, the best first."""


@click.command("search")
@file_argument
@click.option("--trials", type=click.IntRange(min=1), help="How many trials instead of the file's; more go on.")
@click.option("--iterations", type=click.IntRange(min=1), help="max_iter of each trial instead of the file's.")
@click.option("--seed", type=click.IntRange(min=0), help="Seed of the choices instead of the file's.")
@click.option("-o", "--output", type=OUTPUT, help="File of results (default: PREFIX.search.jsonl).")
@planning_options
@bad_record_option
@executor_options
@click.option("--json", "as_json", is_flag=True, help="The result as one line of JSON.")
def command(
    file: Path,
    trials: int | None,
    iterations: int | None,
    seed: int | None,
    output: Path | None,
    settings: tuple[Setting, ...],
    inputs: tuple[tuple[str, Shape], ...],
    layers: tuple[Path, ...],
    as_json: bool,
    **run_options: Any,
) -> int:
    """Train FILE with many values, as its `search { }` block says: which are best, and their weights.

    Each trial is a line of JSON in the file of results. A search that was stopped, or killed, goes on where that ends,
    and finds the same. Exit code 1 if every trial failed.
    """
    search = Search(
        file,
        count=trials,
        seed=seed,
        iterations=iterations,
        output=output,
        settings=settings,
        layers=layers,
        inputs=dict(inputs),
        **run_options,
    )
    _output.show(search.warnings)
    if done := len(search.results.trials):
        _output.say(f"{search.results.path} has {done} of {search.count} trials")
    for trial in search.trials():
        _output.say(f"trial {trial.trial} of {search.count}: {_values(trial.settings)}: {_came(trial, search)}")
    found = search.found()
    if as_json:
        _output.print_json(_as_json(found))
    else:
        _show(found, search)
    return 0 if found.best is not None else 1


def _values(settings: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {text}" for name, text in settings.items())


def _came(trial: Trial, search: Search) -> str:
    """What came of a trial, in a few words."""
    if trial.value is None:
        return f"failed, {trial.error}"
    best = search.found().best
    so_far = "" if best is None or best.trial == trial.trial else f" (best {best.value:.6g})"
    return f"{search.p.best} {trial.value:.6g}{so_far}"


def _as_json(found: Found) -> dict[str, object]:
    best = found.best
    return {
        "trials": len(found.trials),
        "failed": sum(t.value is None for t in found.trials),
        "best": None if best is None else {"trial": best.trial, "settings": best.settings, "value": best.value},
        "weights": str(found.weights) if found.weights else None,
        "results": str(found.path),
    }


def _show(found: Found, search: Search) -> None:
    """The best trials, and how the best one is trained again."""
    ranked = search.ranked()
    names = [variable.name for variable in search.variables]
    table = Table("trial", *names, search.p.best, "loss", header_style="bold")
    for trial in ranked[:SHOWN]:
        loss = "" if trial.loss is None else f"{trial.loss:.4g}"
        table.add_row(str(trial.trial), *(trial.settings[n] for n in names), f"{trial.value:.6g}", loss)
    _output.out.print(table)
    if failed := len(found.trials) - len(ranked):
        _output.say(f"{failed} of {len(found.trials)} trials failed: {found.path} says why", "yellow")
    if found.best is not None:
        given = " ".join(f"--set {shlex.quote(f'{n}={found.best.settings[n]}')}" for n in names)
        _output.line(f"the best: netc train {shlex.quote(str(search.file))} {given}")
        _output.line(f"its weights: {found.weights}")
