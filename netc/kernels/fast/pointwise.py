"""Kernels that go over blobs value by value: ReLU, sums, copies. Blobs may differ in their halos."""

from __future__ import annotations

import struct

from netc.jit import entry, kernel
from netc.kernels.fast.emit import arg
from netc.kernels.fast.layout import Blocked
from netc.kernels.fast.memory import float_of, floats
from netc.kernels.fast.rows import Ref, Row


def bits(value: float) -> int:
    """A float32 as an integer argument of a row."""
    return int.from_bytes(struct.pack("<f", value), "little")


# ---------------------------------------------------------------- rows


def relu(x: Blocked, y: Blocked, slope: float, label: str = "") -> list[Row]:
    """y = x where x > 0, slope * x elsewhere."""
    return [Row(_relu, (*places(x, x, y), bits(slope)), label)]


def relu_gradient(sign: Blocked, dy: Blocked, dx: Blocked, slope: float, label: str = "") -> list[Row]:
    """dx = dy where sign > 0, slope * dy elsewhere; sign is ReLU's bottom or top."""
    return [Row(_relu_gradient, (*places(sign, dy, dx), bits(slope)), label)]


def combine(
    a: Blocked, b: Blocked, y: Blocked, factor_a: float = 1, factor_b: float = 1, relu: bool = False, label: str = ""
) -> list[Row]:
    """y = factor_a * a + factor_b * b, clipped at 0 for ReLU; y may be a or b."""
    return [Row(_combine, (*places(a, b, y), bits(factor_a), bits(factor_b), int(relu)), label)]


def scaled(x: Blocked, y: Blocked, factor: float = 1, label: str = "") -> list[Row]:
    """y = factor * x."""
    return [Row(_scaled, (*places(x, x, y), bits(factor)), label)]


def filled(y: Blocked, value: float, label: str = "") -> list[Row]:
    """y = value in every channel of its blocks (so 0, or a multiple of 16 channels)."""
    return [Row(_filled, (*places(y, y, y), bits(value)), label)]


def places(a: Blocked, b: Blocked, y: Blocked) -> tuple[int | Ref, ...]:
    """Where three blobs of one shape are, and their size; whole planes as one line where none has a halo."""
    lines, width = y.h, y.w
    if all(blob.row == blob.w * 64 and blob.plane == blob.h * blob.row for blob in (a, b, y)):
        lines, width = 1, y.h * y.w
    places = [x for blob in (a, b, y) for x in (blob.inner, blob.image, blob.plane, blob.row)]
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


@entry
def _relu(row: int, tid: int, nth: int) -> None:
    count, slope = arg(row, 15) * 16, float_of(row, 16)
    first, last = share(row, tid, nth)
    for item in range(first, last):
        x, y = floats(line_of(row, 0, item), count), floats(line_of(row, 2, item), count)
        for i in range(count):
            y[i] = x[i] if x[i] > 0 else x[i] * slope


@entry
def _relu_gradient(row: int, tid: int, nth: int) -> None:
    count, slope = arg(row, 15) * 16, float_of(row, 16)
    first, last = share(row, tid, nth)
    for item in range(first, last):
        sign, dy = floats(line_of(row, 0, item), count), floats(line_of(row, 1, item), count)
        dx = floats(line_of(row, 2, item), count)
        for i in range(count):
            dx[i] = dy[i] if sign[i] > 0 else dy[i] * slope


@entry
def _combine(row: int, tid: int, nth: int) -> None:
    count, factor_a, factor_b, relu = arg(row, 15) * 16, float_of(row, 16), float_of(row, 17), arg(row, 18)
    first, last = share(row, tid, nth)
    for item in range(first, last):
        a, b = floats(line_of(row, 0, item), count), floats(line_of(row, 1, item), count)
        y = floats(line_of(row, 2, item), count)
        if relu != 0:
            for i in range(count):
                total = factor_a * a[i] + factor_b * b[i]
                y[i] = total if total > 0 else total * 0
        else:
            for i in range(count):
                y[i] = factor_a * a[i] + factor_b * b[i]


@entry
def _scaled(row: int, tid: int, nth: int) -> None:
    count, factor = arg(row, 15) * 16, float_of(row, 16)
    first, last = share(row, tid, nth)
    for item in range(first, last):
        x, y = floats(line_of(row, 0, item), count), floats(line_of(row, 2, item), count)
        for i in range(count):
            y[i] = factor * x[i]


@entry
def _filled(row: int, tid: int, nth: int) -> None:
    count, value = arg(row, 15) * 16, float_of(row, 16)
    first, last = share(row, tid, nth)
    for item in range(first, last):
        y = floats(line_of(row, 2, item), count)
        for i in range(count):
            y[i] = value
