"""How kernels that are not yet ported go over blobs value by value."""

from __future__ import annotations

import struct

from netc.fast.machine.emit import arg
from netc.fast.machine.launch import Ref
from netc.fast.machine.layout import Blocked
from netc.jit import kernel


def bits(value: float) -> int:
    """A float32 as an integer argument of a row."""
    return int.from_bytes(struct.pack("<f", value), "little")


# ---------------------------------------------------------------- rows


def places(a: Blocked, b: Blocked, y: Blocked) -> tuple[int | Ref, ...]:
    """Where three blobs of one shape are, and their size; whole planes as one line where none has a halo."""
    lines, width = y.h, y.w
    if all(blob.line == blob.w * 64 and blob.plane == blob.h * blob.line for blob in (a, b, y)):
        lines, width = 1, y.h * y.w
    places = [x for blob in (a, b, y) for x in (blob.inner, blob.image, blob.plane, blob.line)]
    return *places, y.n, y.blocks, lines, width


# ---------------------------------------------------------------- kernels


@kernel(inline="always")
def share(row: int, tid: int, nth: int) -> tuple[int, int]:
    """This thread's lines: items of (image, block, line)."""
    items = arg(row, 12) * arg(row, 13) * arg(row, 14)
    return items * tid // nth, items * (tid + 1) // nth


@kernel(inline="always")
def line_of(row: int, blob: int, item: int) -> int:
    """The address of line `item` of blob 0, 1 or 2 of the row."""
    blocks, lines, first = arg(row, 13), arg(row, 14), 4 * blob
    y, plane = item % lines, item // lines
    start: int = arg(row, first) + plane // blocks * arg(row, first + 1) + plane % blocks * arg(row, first + 2)
    address: int = start + y * arg(row, first + 3)
    return address
