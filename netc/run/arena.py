"""The one block of memory that all blobs, gradients and buffers of a net lie in."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from netc.errors import Diagnostic, NetError
from netc.layer import Array, Shape
from netc.plan.model import Plan
from netc.run.codes import NO_MEMORY, STRAY_WRITE, TOO_LARGE

ALIGNMENT = 64
_POISON = 0xFF  # as float: NaN; as integer: -1


def aligned_bytes(count: int) -> Array:
    """Bytes (0 at first) that start at a multiple of `ALIGNMENT`; raises NetError(RUN019) if there are too few."""
    try:
        raw = np.zeros(count + ALIGNMENT, np.uint8)  # the system gives zeroed pages anyway
    except (MemoryError, ValueError) as error:
        message = f"{count:,} bytes of memory were asked for, and refused"
        raise NetError(Diagnostic(NO_MEMORY, message, help=NO_MEMORY.fix)) from error
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + count]


class Arena:
    """The planned memory, and arrays over its slots.

    A plan counts 4 bytes a value; for float64 every offset and size is doubled, which keeps disjoint slots disjoint.
    """

    def __init__(self, plan: Plan, dtype: np.dtype[Any]) -> None:
        self.plan = plan
        self.dtype = dtype
        self.scale = max(1, dtype.itemsize // 4)
        self.memory = aligned_bytes(plan.reference_arena.planned_bytes * self.scale)

    def view(self, slot: int, shape: Shape | None = None) -> Array:
        """The slot as an array, of a smaller shape if one is given (its first values); raises NetError(RUN017)."""
        s = self.plan.slots[slot]
        shape = s.shape if shape is None else shape
        dtype = self.dtype if s.dtype.startswith("float") else np.dtype(s.dtype)
        size = prod(shape) * dtype.itemsize
        if size > s.nbytes * self.scale:
            raise NetError(Diagnostic(TOO_LARGE, f'"{s.name}" was planned with shape {s.shape}, but got {shape}'))
        start = s.offset * self.scale
        return self.memory[start : start + size].view(dtype).reshape(shape)


class Watch:
    """Debug mode: what is not alive is poisoned with NaN, and a step may only write what the plan says it writes."""

    def __init__(self, arena: Arena) -> None:
        self.arena = arena
        self._before = arena.memory.copy()

    def begin(self, step: int) -> None:
        """Poison all memory that holds nothing alive at this step (including what the step is about to write)."""
        alive = np.zeros(self.arena.memory.size, np.bool_)
        for slot in self.arena.plan.slots:
            if slot.first <= step <= slot.last:
                self._mark(alive, slot.offset, slot.nbytes)
        self.arena.memory[~alive] = _POISON
        for slot in self.arena.plan.slots:
            if slot.first == step and not self._inherits(slot.storage, step):
                start = slot.offset * self.arena.scale
                self.arena.memory[start : start + slot.nbytes * self.arena.scale] = _POISON
        self._before = self.arena.memory.copy()

    def end(self, writes: set[int], who: str) -> None:
        """Raise NetError(RUN018) if bytes outside the slots that the step may write have changed."""
        changed = self.arena.memory != self._before
        for index in writes:
            slot = self.arena.plan.slots[index]
            self._mark(changed, slot.offset, slot.nbytes, False)
        if changed.any():
            at = int(np.flatnonzero(changed)[0]) // self.arena.scale
            hit = ", ".join(s.name for s in self.arena.plan.slots if s.offset <= at < s.offset + s.nbytes)
            raise NetError(Diagnostic(STRAY_WRITE, f"{who} changed byte {at} of the arena (slots there: {hit})"))

    def _inherits(self, storage: int, step: int) -> bool:
        """Whether another slot with this storage was alive before the step (in place, Reshape, Split)."""
        return any(s.storage == storage and s.first < step <= s.last for s in self.arena.plan.slots)

    def _mark(self, mask: Array, offset: int, nbytes: int, value: bool = True) -> None:
        mask[offset * self.arena.scale : (offset + nbytes) * self.arena.scale] = value
