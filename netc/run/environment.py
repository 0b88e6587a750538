"""What the environment says of the fast executor; and how many of the threads that it may have a net is worth."""

from __future__ import annotations

import os
from math import prod

from netc.errors import Code, Diagnostic, NetError
from netc.plan.model import Plan

BAD_ENVIRONMENT = Code(
    "RUN070",
    "an environment variable of the fast executor has a value that it cannot have",
    why="NETC_THREADS is a number of threads, NETC_PRECISION is fast or exact (no Winograd).",
    example="NETC_THREADS=all netc time nets/lenet.net",
    fix="Correct the variable, or unset it.",
)
MOST_THREADS = 1024
THREAD_WORK = 1 << 25  # multiply-adds for which another thread is worth its coming and waiting: half a millisecond
VALUE_WORK = 16  # of reading and writing a value, in multiply-adds


def thread_count() -> int:
    """`$NETC_THREADS`, else as many as the process may use cores; raises NetError(RUN070)."""
    if given := os.environ.get("NETC_THREADS"):
        if not given.isdecimal() or not 1 <= int(given) <= MOST_THREADS:
            message = f"NETC_THREADS={given} is not a number from 1 to {MOST_THREADS}"
            raise NetError(Diagnostic(BAD_ENVIRONMENT, message))
        return int(given)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def useful_threads(plan: Plan, most: int | None = None) -> int:
    """How many threads a net is worth, `most` at most (or `thread_count`): by its size, so always the same."""
    work = sum(layer.setup.macs for layer in plan.layers) + VALUE_WORK * sum(prod(shape) for shape in plan.shapes)
    return min(most or thread_count(), 1 + work * (3 if plan.backward_planned else 1) // THREAD_WORK)


def exact() -> bool:
    """Whether `$NETC_PRECISION` asks for no Winograd; raises NetError(RUN070)."""
    given = os.environ.get("NETC_PRECISION", "fast")
    if given not in ("fast", "exact"):
        raise NetError(Diagnostic(BAD_ENVIRONMENT, f"NETC_PRECISION={given} is neither fast nor exact"))
    return given == "exact"
