"""The executors, by name."""

from __future__ import annotations

from importlib import import_module
from typing import Any, cast

from netc.errors import Diagnostic, NetError
from netc.run.codes import EXECUTOR, REFERENCE_BF16
from netc.run.environment import thread_count
from netc.run.executor import Executor, Storage
from netc.run.reference import Reference


def executor_of(
    name: str, debug: bool, precision: str | None, storage: Storage, threads: int | None
) -> tuple[Executor, int]:
    """An executor, and how many threads it may have; arguments as `Net` has them. Raises NetError."""
    if name == "reference":
        if precision == "bf16":
            raise NetError(Diagnostic(REFERENCE_BF16, "the reference executor has no products of bfloat16 numbers"))
        return Reference(storage, debug), 1
    if name == "fast":
        fast: Any = import_module("netc.run.fast")  # only when asked for: its kernels are costly to import
        count = threads or thread_count()
        return cast(Executor, fast.executor(storage, count, precision)), count
    raise NetError(Diagnostic(EXECUTOR, f'there is no executor "{name}"'))
