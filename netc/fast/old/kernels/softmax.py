"""Softmax and its gradient: across the channels of a blocked blob, or along the lines of a plain matrix.

Either way a position is vectors of 16 classes some distance apart, of which the last may be cut. Its sum goes over the
vectors in order, then over the lanes, halves to halves.
"""

from __future__ import annotations

import functools
from typing import Any

from netc.fast.machine.emit import (
    I8,
    I64,
    LANES,
    POINTER,
    VECTOR,
    Loop,
    arg,
    constant,
    lanes_below,
    load,
    load_masked,
    multiply_add,
    pointers,
    shuffle,
    store,
    store_masked,
    variable,
)
from netc.fast.machine.launch import Launch, Ref
from netc.fast.machine.layout import PIXEL, Blocked
from netc.fast.machine.maths import exponential_of_any
from netc.jit import Entry, entry, intrinsic, ir
from netc.jit import numba_types as types

LOWEST = -3.4028234663852886e38


def forward(x: Blocked, y: Blocked, label: str = "") -> list[Launch]:
    """y = e^x / (sum of e^x over the channels), pixel by pixel; y may be x."""
    return [Launch(_positions(0, 0), _blocked(x, x, y), label)]


def gradient(y: Blocked, dy: Blocked, dx: Blocked, label: str = "") -> list[Launch]:
    """dx = y (dy - sum of y dy); dx may be dy."""
    return [Launch(_positions(1, 0), _blocked(y, dy, dx), label)]


def forward_lines(x: Ref, y: Ref, lines: int, classes: int, label: str = "") -> list[Launch]:
    """The same for each line of a matrix."""
    return [Launch(_positions(0, 1), _flat(x, x, y, lines, classes), label)]


def gradient_lines(y: Ref, dy: Ref, dx: Ref, lines: int, classes: int, label: str = "") -> list[Launch]:
    return [Launch(_positions(1, 1), _flat(y, dy, dx, lines, classes), label)]


def _blocked(a: Blocked, b: Blocked, y: Blocked) -> tuple[int | Ref, ...]:
    places = [x for blob in (a, b, y) for x in (blob.inner, blob.image, blob.plane, blob.line)]
    return *places, y.n, y.blocks, y.h, y.w, y.c


def _flat(a: Ref, b: Ref, y: Ref, lines: int, classes: int) -> tuple[int | Ref, ...]:
    """An image has one pixel; its planes are vectors of one line."""
    places = [x for ref in (a, b, y) for x in (ref, classes * 4, PIXEL, 0)]
    return *places, lines, -(-classes // LANES), 1, 1, classes


# ---------------------------------------------------------------- one position


def _across(b: Any, vector: Any, join: Any) -> Any:
    """All lanes joined, in every lane."""
    for half in (8, 4, 2, 1):
        vector = join(vector, shuffle(b, vector, vector, [lane ^ half for lane in range(LANES)]))
    return vector


def _larger(b: Any, x: Any, y: Any) -> Any:
    return b.select(b.fcmp_ordered(">", y, x), y, x)


class _Classes:
    """The vectors of a position: whole ones in a loop, then the last, with what lies behind it as `rest`."""

    def __init__(self, b: Any, whole: Any, mask: Any, flat: int) -> None:
        self.b, self.whole, self.mask, self.flat = b, whole, mask, flat

    def over(self, starts: list[Any], steps: list[Any], body: Any) -> None:
        """body(pointers, last): for each vector; `last` says whether it is the cut one."""
        b = self.b
        slots = [variable(b, start) for start in starts]
        with Loop(b, self.whole, slots, steps):
            body([b.load(slot, typ=POINTER) for slot in slots], False)
        ends = [b.gep(s, [b.mul(self.whole, step)], source_etype=I8) for s, step in zip(starts, steps, strict=True)]
        body(ends, True)

    def read(self, pointer: Any, last: bool, rest: float = 0) -> Any:
        b = self.b
        if not last:
            return load(b, pointer)
        found = load_masked(b, pointer, self.mask) if self.flat else load(b, pointer)
        return b.select(self.mask, found, constant(rest))

    def write(self, vector: Any, pointer: Any, last: bool) -> None:
        b = self.b
        if last and self.flat:
            store_masked(b, vector, pointer, self.mask)
        else:
            store(b, b.select(self.mask, vector, constant(0)) if last else vector, pointer)


def _emit_forward(b: Any, classes: _Classes, places: list[Any], steps: list[Any]) -> None:
    (x, _, y), (x_step, _, y_step) = places, steps
    most, total = variable(b, constant(LOWEST)), variable(b, constant(0))

    def largest(at: list[Any], last: bool) -> None:
        value = classes.read(at[0], last, LOWEST)
        b.store(_larger(b, b.load(most, typ=VECTOR), value), most)

    classes.over([x], [x_step], largest)
    top = _across(b, b.load(most, typ=VECTOR), lambda p, q: _larger(b, p, q))

    def powers(at: list[Any], last: bool) -> None:
        power = exponential_of_any(b, b.fsub(classes.read(at[0], last), top))
        if last:
            power = b.select(classes.mask, power, constant(0))
        b.store(b.fadd(b.load(total, typ=VECTOR), power), total)
        classes.write(power, at[1], last)

    classes.over([x, y], [x_step, y_step], powers)
    whole = _across(b, b.load(total, typ=VECTOR), b.fadd)

    def shares(at: list[Any], last: bool) -> None:
        classes.write(b.fdiv(classes.read(at[0], last), whole), at[0], last)

    classes.over([y], [y_step], shares)


def _emit_gradient(b: Any, classes: _Classes, places: list[Any], steps: list[Any]) -> None:
    total = variable(b, constant(0))

    def products(at: list[Any], last: bool) -> None:
        y, dy = (classes.read(pointer, last) for pointer in at)
        b.store(multiply_add(b, y, dy, b.load(total, typ=VECTOR)), total)

    classes.over(places[:2], steps[:2], products)
    mean = _across(b, b.load(total, typ=VECTOR), b.fadd)

    def slopes(at: list[Any], last: bool) -> None:
        y, dy = (classes.read(pointer, last) for pointer in at[:2])
        classes.write(b.fmul(y, b.fsub(dy, mean)), at[2], last)

    classes.over(places, steps, slopes)


@intrinsic
def _position(
    _context: Any, back: Any, flat: Any, a: Any, d: Any, y: Any, a_step: Any, d_step: Any, y_step: Any, count: Any
) -> Any:
    """`count` classes, in vectors that are a step apart."""
    literals = back.literal_value, flat.literal_value
    sig = types.void(*[types.IntegerLiteral(v) for v in literals], *[types.intp] * 7)

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        count = arguments[8]
        whole = b.sdiv(b.sub(count, ir.Constant(I64, 1)), ir.Constant(I64, LANES))
        mask = lanes_below(b, b.sub(count, b.mul(whole, ir.Constant(I64, LANES))))
        emit = _emit_gradient if literals[0] else _emit_forward
        emit(b, _Classes(b, whole, mask, literals[1]), pointers(b, arguments[2:5]), list(arguments[5:8]))
        return context.get_dummy_value()

    return sig, codegen


# ---------------------------------------------------------------- all positions


@functools.cache
def _positions(back: int, flat: int) -> Entry:
    @entry
    def body(row: int, tid: int, nth: int) -> None:
        height, width, classes = arg(row, 14), arg(row, 15), arg(row, 16)
        items = arg(row, 12) * height
        for item in range(items * tid // nth, items * (tid + 1) // nth):
            n, line = item // height, item % height
            a = arg(row, 0) + n * arg(row, 1) + line * arg(row, 3)
            d = arg(row, 4) + n * arg(row, 5) + line * arg(row, 7)
            y = arg(row, 8) + n * arg(row, 9) + line * arg(row, 11)
            for pixel in range(width):
                at = pixel * 64
                _position(back, flat, a + at, d + at, y + at, arg(row, 2), arg(row, 6), arg(row, 10), classes)

    return body
