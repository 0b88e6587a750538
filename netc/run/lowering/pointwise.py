"""Adding up the gradients of a value that several layers read."""

from __future__ import annotations

from netc.kernels.fast import pointwise
from netc.plan.model import Step
from netc.run.lowering.builder import Builder


def add(b: Builder, step: Step) -> None:
    """target += source, in blocks unless both are plain."""
    if step.source in b.added:
        return
    if b.holds(step.target, "blocked") or b.holds(step.source, "blocked"):
        target, source = b.read(step.target), b.read(step.source)
        b.emit(pointwise.combine(target, source, b.write(step.target), label="add"))
        return
    if b.is_flat(step.target):
        target, source = b.read_flat(step.target), b.read_flat(step.source)
        b.emit(pointwise.combine(target, source, b.write_flat(step.target), label="add"))
        return
    arrays = [b.read_plain(slot).base.array for slot in (step.target, step.source)]
    b.write_plain(step.target)
    b.call(step, arrays)
