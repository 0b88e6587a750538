"""What the environment says of the fast executor; and how many of the threads that it may have a net is worth."""

from __future__ import annotations

import os
from math import prod
from typing import cast

from netc.errors import Code, Diagnostic, NetError
from netc.fast.precision import PRECISIONS, Precision
from netc.jit import bf16
from netc.plan.model import Plan

BAD_ENVIRONMENT = Code(
    "RUN070",
    "an environment variable of the fast executor has a value that it cannot have",
    why="NETC_THREADS is a number of threads; NETC_PRECISION is fast, exact (no Winograd) or bf16 (products of "
    "bfloat16 numbers).",
    example="NETC_THREADS=all netc time nets/lenet.net",
    fix="Correct the variable, or unset it.",
)
NO_BF16 = Code(
    "RUN071",
    "the processor cannot multiply bfloat16 numbers",
    why="`--precision bf16` is for processors with AVX512-BF16 (Intel since Cooper Lake, AMD since Zen 4) or AMX "
    "(Intel since Sapphire Rapids). On others it would be slower than float32, and less exact.",
    example="NETC_FEATURES=avx2 netc time nets/lenet.net --precision bf16",
    fix="Use `--precision fast`; NETC_BF16=emulated shows on any processor what the numbers would be.",
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


def precision(asked: str | None = None) -> Precision:
    """How products are made: as is asked for, else as `$NETC_PRECISION` says, else "fast".

    Raises NetError(RUN070); RUN071 if it is "bf16" and the processor has no instructions for it.
    """
    given = asked or os.environ.get("NETC_PRECISION", "fast")
    if given not in PRECISIONS:
        where = f'precision="{given}"' if asked else f"NETC_PRECISION={given}"
        raise NetError(Diagnostic(BAD_ENVIRONMENT, f"{where} is not one of {', '.join(PRECISIONS)}"))
    if given == "bf16" and not bf16():
        raise NetError(Diagnostic(NO_BF16, "this processor has no instructions for bfloat16", help=NO_BF16.fix))
    return cast(Precision, given)
