"""Compiling all that a net needs, in this process and in others (`helpers`)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from netc.jit.apart import apart, tell, tell_progress
from netc.jit.helpers import Helpers
from netc.jit.units import Unit


def compile_all(units: Iterable[Unit]) -> None:
    """Compile units, or load them from the cache, and tell whoever listens how far it is."""
    needed = [unit for unit in dict.fromkeys(units) if not unit.is_loaded]
    if needed:
        missing = apart(lambda: [unit for unit in needed if not unit.find()])
        _compile(missing, len(needed))


def _compile(missing: list[Unit], total: int) -> None:
    done = total - len(missing)
    if missing:
        tell()
    waiting = deque(sorted(missing, key=_weight, reverse=True))
    with Helpers(waiting) as helpers:
        while done < total:
            tell_progress(done, total)
            if (unit := helpers.next()) is not None:
                apart(unit.compile)
            done = total - sum(not unit.is_loaded for unit in missing)
    tell_progress(total, total)


def _weight(unit: Unit) -> tuple[bool, int]:
    """How long a unit may take to compile: what is specialised by numbers has unrolled loops in it."""
    return bool(unit.function.__code__.co_freevars), len(unit.function.__code__.co_code)
