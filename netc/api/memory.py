"""How much memory a net takes before it is there, and plans that fit into a budget of memory."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from importlib import import_module
from typing import Any

from netc.errors import Code, Diagnostic, NetError
from netc.plan.budget import Fit, fit
from netc.plan.model import Plan
from netc.plan.usage import Measure, Usage, of_plan
from netc.schema.record import Record
from netc.solve.rules import rules
from netc.solve.update import rule_name

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


def histories(solver: Record | None) -> int:
    """How many blobs a solver keeps for each parameter that learns: one, as SGD does, if nothing is said."""
    name = rule_name(solver) if solver is not None else "SGD"
    return rules()[name].histories if name in rules() else 1


def measure(executor: str = "fast", threads: int | None = None, kept: int = 0) -> Measure:
    """What measures plans for this executor and number of threads. kept: the solver's blobs for each parameter."""

    def found(plan: Plan) -> Usage:
        if executor != "fast" or any(layer.setup.dynamic for layer in plan.layers):
            return of_plan(plan, kept)
        fast: Any = import_module("netc.run.fast")  # costly to import
        lowering: Any = import_module("netc.run.lowering.usage")
        program = fast.lower(plan, threads or fast.thread_count(), fast.exact())
        usage: Usage = lowering.of_program(plan, program, kept)
        return usage

    return found


def within(
    budget: int | str,
    make: Callable[[Collection[int]], Plan],
    *,
    executor: str = "fast",
    threads: int | None = None,
    kept: int = 0,
) -> Fit:
    """The plan of least work that fits into a budget, everything counted; raises NetError(PLN010, PLN011).

    make: plans the net with these layers run again in backward.
    """
    return fit(make, measure(executor, threads, kept), size(budget))
