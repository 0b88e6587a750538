"""How the rows of a table follow one another: which must have ended before each begins, by what they touch.

Lowering says in which waves launches come. Where memory does not tie a launch to those of the wave before it, threads
need not wait: those who have done their part of one branch go on with the next.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod

from netc.fast.machine.access import Access
from netc.fast.machine.launch import Launch, Start, in_waves
from netc.fast.machine.operands import touched
from netc.fast.program.lowered import Lowered

ALONE_BYTES = 1 << 13  # a launch that touches less is done before other threads have come to it

Span = tuple[int, int, bool]  # the first byte, the one after the last, and whether it may be written


def starts(program: Lowered, launches: Sequence[Launch]) -> list[Start]:
    """When each of launches that follow one another in a pass starts."""
    bases, found, spans = _bases(program), list[Start](), list[list[Span]]()
    for launch, wave in zip(launches, in_waves(launches), strict=True):
        uses = touched(launch)
        mine = [(bases[one.at.array] + one.first, bases[one.at.array] + one.end, one.mode != "read") for one in uses]
        before = found[-1].after if found else 0  # none may begin before what it follows may
        ties = (other + 1 for other in range(wave.after - 1, before - 1, -1) if _meet(spans[other], mine))
        found.append(Start(next(ties, before), sum(map(_size, uses)) < ALONE_BYTES))
        spans.append(mine)
    return found


def _bases(program: Lowered) -> list[int]:
    """Where each array begins: those of the arena there, others behind it, apart."""
    found, end = [], program.planned_bytes
    for memory in program.memory:
        if memory.external is None:
            found.append(memory.offset)
        else:
            found.append(end)
            end += memory.nbytes
    return found


def _meet(some: Iterable[Span], others: Sequence[Span]) -> bool:
    """Whether what one of them writes may be what the other touches."""
    return any(
        (written or changed) and first < last and start < end
        for start, last, written in some
        for first, end, changed in others
    )


def _size(one: Access) -> int:
    """Bytes that are touched."""
    return one.width * prod(count for count, _ in one.dims)
