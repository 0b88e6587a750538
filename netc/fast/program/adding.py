"""Adding up the gradients of a value that several layers read."""

from __future__ import annotations

from collections.abc import Sequence

from netc.fast.machine.moves import combined, scaled
from netc.fast.program.builder import Builder
from netc.plan.model import Step


def add(b: Builder, step: Step) -> None:
    """target += source, in blocks unless both are plain."""
    if step.source in b.added or add_up(b, (step.target, step.source), step.target):
        return
    target, source = (b.read_plain(slot).base.array for slot in (step.target, step.source))
    b.write_plain(step.target)
    b.call(step, reads=[source], updates=[target])


def add_up(b: Builder, sources: Sequence[int], target: int) -> bool:
    """target = the sum of sources (it may be the first of them), in blocks unless all are plain; False: cannot."""
    if b.is_bounded(target):
        return False
    blocked = any(b.holds(slot, "blocked") for slot in sources)
    if not blocked and not b.is_flat(target):
        return False
    read, write = (b.read, b.write) if blocked else (b.read_flat, b.write_flat)
    total = read(sources[0])
    if len(sources) == 1:
        b.emit(scaled(total, write(target)), "copy")
    for slot in sources[1:]:
        other, summed = read(slot), write(target)
        b.emit(combined(total, other, summed), "add")
        total = summed
    return True
