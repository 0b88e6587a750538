"""How much memory a net takes before it is there, and plans that fit into a budget of memory."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cached_property
from importlib import import_module
from typing import Any

from netc.api.definition import Definition
from netc.errors import Code, Diagnostic, NetError
from netc.plan.budget import Fit, Make, fit
from netc.plan.model import Plan
from netc.plan.usage import Measure, Usage, of_plan
from netc.report import notebook
from netc.run.environment import precision as precision_of
from netc.run.environment import useful_threads
from netc.schema.record import Record
from netc.solve.rule import Rule
from netc.solve.rules import rules
from netc.solve.stages import stages_of
from netc.solve.update import needs_all_gradients, rule_name

BAD_SIZE = Code(
    "PLN011",
    "a budget of memory that is no size",
    why="A budget is a number of bytes, with a unit if you like: kB, MB and GB are powers of 1000, KiB, MiB and GiB of "
    "1024.",
    example="netc summary nets/vgg16.net --memory --budget 500mb/s",
    fix="Write it as 500MB, 1.5GB or 2GiB.",
)
UNITS = {"": 1, "b": 1} | {p + b: n for i, p in enumerate("kmg", 1) for b, n in (("b", 1000**i), ("ib", 1024**i))}


def size(text: int | str) -> int:
    """`500MB`, `1.5 GB`, `2GiB` or a plain number in bytes; raises NetError(PLN011)."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]*)?)\s*([a-z]*)", str(text).strip().lower())
    if found is None or found[2] not in UNITS or float(found[1]) <= 0:
        raise NetError(Diagnostic(BAD_SIZE, f"{text!r} is no size of memory", help=BAD_SIZE.fix))
    return int(float(found[1]) * UNITS[found[2]])


def solver_of(definition: Definition) -> Record:
    """The solver that trains a net: its file's, else SGD with momentum."""
    return definition.solver or definition.schema.message("SolverParameter").make(type="SGD", momentum=0.9)


def measure(
    executor: str = "fast", threads: int | None = None, solver: Record | None = None, update_in_backward: bool = True,
    precision: str | None = None,
) -> Measure:  # fmt: skip
    """What measures plans for this executor, number of threads and precision (None: that of the environment).

    solver: that of a training run; without, there is no solver's memory, and gradients are kept. update_in_backward: it
    updates parameters in backward where it can.
    """
    used = (rules().get(rule_name(p)) for p in (stages_of(solver) if solver is not None else ()))
    rule = max((found for found in used if found is not None), key=lambda found: found.histories, default=None)
    kept = rule.histories if rule is not None else 0
    sums = 2 if solver is not None and any(p.iter_size > 1 for p in stages_of(solver)) else 1  # of a batch, and of all

    def found(plan: Plan) -> Usage:
        usage = of_batch(plan)
        return replace(usage, gradients=sums * usage.gradients)

    def of_batch(plan: Plan) -> Usage:
        if executor != "fast":
            return of_plan(plan, kept)
        lowering: Any = import_module("netc.fast.program.lower")  # costly to import
        counting: Any = import_module("netc.fast.program.usage")
        in_backward = update_in_backward and solver is not None and not any(map(needs_all_gradients, stages_of(solver)))
        updates = _updates(rule) if rule is not None and in_backward else None
        program = lowering.lower(plan, useful_threads(plan, threads), precision_of(precision), updates)
        usage: Usage = counting.of_program(plan, program, kept)
        return usage

    return found


@dataclass(frozen=True)
class Planned(Plan):
    """A plan that knows what it will take. solver: that of a training run."""

    solver: Record | None = None

    def __repr__(self) -> str:
        return Plan.__repr__(self)

    def _repr_html_(self) -> str:
        return notebook.html(self)

    @cached_property
    def memory(self) -> Usage:
        """All that a net of this plan takes on the executor that will run it, in bytes; found when first asked for.

        It is what `netc train` (or a `netc.Solver` with keep_gradients=False) takes if backward is planned, and what a
        `netc.Net` takes if not: parameters, gradients, the solver's history, and the arena with all blobs, their
        gradients, packed parameters and workspace. The executor is the fast one, on as many threads as it will have, or
        the reference one for a net that keeps every blob. Arrays that the caller fills, batches that data sources read
        ahead and test nets come on top. Nothing is allocated or compiled. Raises NetError(RUN070).
        """
        return measure("reference" if self.kept else "fast", solver=self.solver)(self)


def planned(plan: Plan, definition: Definition) -> Planned:
    """The plan of a definition's net, with the solver that trains it."""
    solver = solver_of(definition) if plan.backward_planned else None
    return Planned(**{f.name: getattr(plan, f.name) for f in fields(plan)}, solver=solver)


def _updates(rule: Rule) -> Callable[..., Any]:
    """Launches of updates, which are never run."""
    compiled: Any = import_module("netc.solve.compiled")

    def launches(_param: int, data: Any, gradient: Any, part: Any) -> Any:
        return compiled.launches(rule, data, gradient, part, 0, [0] * rule.histories)

    return launches


def within(
    budget: int | str,
    make: Make,
    *,
    executor: str = "fast",
    threads: int | None = None,
    solver: Record | None = None,
    update_in_backward: bool = True,
    precision: str | None = None,
) -> Fit:
    """The plan of least work that fits into a budget, everything counted; raises NetError(PLN010, PLN011).

    make: plans the net with these layers run again in backward; the other arguments are those of `measure`.
    """
    return fit(make, measure(executor, threads, solver, update_in_backward, precision), size(budget))
