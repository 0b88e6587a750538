"""Which values a trial gets: by chance, all of them in turn, or by what the trials before have shown.

The values of trial N depend on the seed, N and the results before it only, so that a search goes on as if it had never
been stopped.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib import import_module
from itertools import islice, product
from typing import Any

import numpy as np

from netc.api.search.codes import NO_OPTUNA
from netc.api.search.results import Trial
from netc.api.search.written import Variable
from netc.errors import Diagnostic, NetError
from netc.schema.record import Record

Choice = dict[str, str]  # a text for each name


def count_of(p: Record, variables: Sequence[Variable]) -> int:
    """How many trials a search has."""
    if p.method != "GRID":
        return int(p.trials)
    every = math.prod(len(variable.among) for variable in variables)
    return min(every, p.trials) if p.has("trials") else every


def choose(p: Record, variables: Sequence[Variable], number: int, done: Sequence[Trial]) -> Choice:
    """The values of trial `number`, counted from 0. Raises NetError(SOL053) without optuna."""
    if p.method == "GRID":
        values = next(islice(product(*(variable.among for variable in variables)), number, None))
        return {variable.name: text for variable, text in zip(variables, values, strict=True)}
    if p.method == "TPE":
        return _estimated(p, variables, number, done)
    draws = np.random.default_rng([p.seed, number]).random(len(variables))
    return {variable.name: _drawn(variable, float(u)) for variable, u in zip(variables, draws, strict=True)}


def _drawn(variable: Variable, u: float) -> str:
    """The value at u of 0..1, all values (or orders of magnitude) as likely."""
    if variable.among:
        return variable.among[int(u * len(variable.among))]
    low, high = variable.low, variable.high
    if variable.whole:  # each number stands for as much as lies half a unit around it
        low, high = low - 0.5, high + 0.5
    if variable.log:
        return variable.text(low * (high / low) ** u)
    return variable.text(low + u * (high - low))


def optuna() -> Any:
    """The package. Raises NetError(SOL053)."""
    try:
        return import_module("optuna")
    except ImportError:
        raise NetError(Diagnostic(NO_OPTUNA, "optuna is not installed", help=NO_OPTUNA.fix)) from None


def _estimated(p: Record, variables: Sequence[Variable], number: int, done: Sequence[Trial]) -> Choice:
    """What optuna's TPESampler asks for after the trials before; those that failed say nothing to it."""
    package = optuna()
    package.logging.set_verbosity(package.logging.ERROR)
    seed = int(np.random.default_rng([p.seed, number]).integers(2**31))
    direction = "maximize" if p.mode == "MAX" else "minimize"
    study = package.create_study(direction=direction, sampler=package.samplers.TPESampler(seed=seed))
    spaces = {variable.name: _distribution(package.distributions, variable) for variable in variables}
    for trial in done:
        if trial.value is not None:
            params = {v.name: _param(v, trial.settings[v.name]) for v in variables}
            study.add_trial(package.trial.create_trial(params=params, distributions=spaces, value=trial.value))
    asked = study.ask(spaces).params
    return {v.name: asked[v.name] if v.among else v.text(asked[v.name]) for v in variables}


def _distribution(kinds: Any, variable: Variable) -> Any:
    if variable.among:
        return kinds.CategoricalDistribution(variable.among)
    if variable.whole:
        return kinds.IntDistribution(int(variable.low), int(variable.high), log=variable.log)
    return kinds.FloatDistribution(variable.low, variable.high, log=variable.log)


def _param(variable: Variable, text: str) -> str | float:
    return text if variable.among else int(text) if variable.whole else float(text)
