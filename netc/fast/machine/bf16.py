"""bfloat16, the upper half of a float32: rounding to it, products of pairs, and how blobs and weights of it lie.

A blob of C channels lies as the blocked float32 blob of half as many: in blocks of 32 channels, which take the same 64
bytes a pixel. Weights lie in words of two channels: [channels / 2][16 outputs][2]. So a float of one and a vector of
the other, which are what `emit.tile` multiplies, are two channels of a pixel, and two channels of 16 outputs.

Values are rounded to the nearest, ties to even. Products are exact in float32, and sums are float32. There are three
ways to make them, literals of the kernels: the tile registers (AMX), vectors (AVX512-BF16), and float32 vectors, which
every processor has. They add in different orders; the instructions take denormal numbers as 0.
"""

from __future__ import annotations

import functools
from typing import Any

from netc.fast.machine.access import Access, box, of
from netc.fast.machine.emit import (
    I64,
    INTEGERS,
    LANES,
    POINTER,
    VECTOR,
    VECTOR_BYTES,
    Loop,
    constant,
    load,
    multiply_add,
    pointers,
    shuffle,
    store,
    variable,
)
from netc.fast.machine.launch import Launch
from netc.fast.machine.layout import PIXEL, Blocked, Halo, blocked
from netc.fast.machine.lines import share
from netc.fast.machine.operands import Entry, entry
from netc.jit import cgutils, intrinsic, ir
from netc.jit import numba_types as types

WAYS = {"emulated": 0, "avx512_bf16": 1, "amx": 2}
EMULATED, VECTORS, TILES = WAYS.values()
PAIRS = 16  # words of a block of 32 channels
CHANNELS = 2 * PAIRS
BLOCK = PAIRS * VECTOR_BYTES  # bytes of the weights of 32 inputs for 16 outputs
SLACK = 8192  # tiles read so many bytes at most behind the pixels that there are, and use none of it

HALVES = ir.VectorType(ir.IntType(16), 2 * LANES)


def copy_of(blob: Blocked, array: int, halo: Halo, step: tuple[int, int] = (1, 1)) -> Blocked:
    """How a copy of a blob lies in an array of its own; step: of every so many lines, and pixels of a line, one."""
    size = tuple(-(-n // every) for n, every in zip((blob.h, blob.w), step, strict=True))
    return blocked(array, (blob.n, LANES * -(-blob.c // CHANNELS), *size), halo)


def copy_bytes(copy: Blocked) -> int:
    """What it takes, with what tiles read behind it."""
    return copy.n * copy.image + SLACK


# ---------------------------------------------------------------- vectors


@functools.cache
def _numbers() -> Any:
    """32 bfloat16s, a type that llvmlite has no name for."""

    kind: Any = ir.Type

    class Number(kind):  # type: ignore[misc]
        def _to_string(self) -> str:
            return "bfloat"

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Number)

        def __hash__(self) -> int:
            return hash("bfloat")

    return ir.VectorType(Number(), 2 * LANES)


def call(b: Any, name: str, result: Any, *operands: Any) -> Any:
    """Call an intrinsic of LLVM."""
    kind = ir.FunctionType(result, [x.type for x in operands])
    return b.call(cgutils.get_or_insert_function(b.module, kind, name), operands)


def _rounded(b: Any, x: Any) -> Any:
    """The bits of 16 floats, rounded: the upper half of each. A NaN stays one."""
    bits = b.bitcast(x, INTEGERS)
    odd = b.and_(b.lshr(bits, _all(16)), _all(1))
    near = b.add(bits, b.add(odd, _all(0x7FFF)))
    return b.select(b.fcmp_unordered("uno", x, x), b.or_(bits, _all(1 << 22)), near)


def _all(value: int) -> Any:
    return ir.Constant(INTEGERS, [value] * LANES)


def halves(b: Any, way: int, low: Any, high: Any) -> Any:
    """32 numbers: those of `low`, then those of `high`."""
    if way != EMULATED:
        return b.bitcast(call(b, "llvm.x86.avx512bf16.cvtne2ps2bf16.512", _numbers(), high, low), HALVES)
    upper = [2 * i + 1 for i in range(2 * LANES)]
    low, high = (b.bitcast(_rounded(b, x), HALVES) for x in (low, high))
    return shuffle(b, low, high, upper)


def words(b: Any, way: int, low: Any, high: Any) -> Any:
    """16 words: a number of `low` in the lower half, one of `high` in the upper."""
    if way == EMULATED:
        low = b.lshr(_rounded(b, low), _all(16))
        return b.or_(low, b.and_(_rounded(b, high), _all(0xFFFF0000)))
    both = halves(b, way, low, high)
    return b.bitcast(shuffle(b, both, both, [i // 2 + i % 2 * LANES for i in range(2 * LANES)]), INTEGERS)


def dot(way: int) -> Any:
    """total + the products of the lower halves + those of the upper, in 16 lanes."""

    def instruction(b: Any, x: Any, y: Any, total: Any) -> Any:
        x, y = (b.bitcast(value, _numbers()) for value in (x, y))
        return call(b, "llvm.x86.avx512bf16.dpbf16ps.512", VECTOR, total, x, y)

    def emulated(b: Any, x: Any, y: Any, total: Any) -> Any:
        x, y = (b.bitcast(value, INTEGERS) for value in (x, y))
        upper = [b.bitcast(b.and_(value, _all(0xFFFF0000)), VECTOR) for value in (x, y)]
        lower = [b.bitcast(b.shl(value, _all(16)), VECTOR) for value in (x, y)]
        return multiply_add(b, lower[0], lower[1], multiply_add(b, upper[0], upper[1], total))

    return instruction if way == VECTORS else emulated


# ---------------------------------------------------------------- copies of blobs, and words of weights


@intrinsic
def _halve_pixels(_context: Any, way: Any, low: Any, high: Any, step: Any, target: Any, count: Any) -> Any:
    """`count` pixels of 32 channels, of pixels `step` bytes apart of two blocks of 16; high: 0 if there is but one."""
    number = way.literal_value

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        _, low, high, step, target, count = arguments
        there = b.icmp_signed("!=", high, ir.Constant(I64, 0))
        spare = variable(b, constant(0))
        starts = [*pointers(b, (low,)), b.select(there, b.inttoptr(high, POINTER), spare), b.inttoptr(target, POINTER)]
        slots = [variable(b, start) for start in starts]
        steps = [step, b.select(there, step, ir.Constant(I64, 0)), ir.Constant(I64, VECTOR_BYTES)]
        with Loop(b, count, slots, steps):
            first, second, place = (b.load(slot, typ=POINTER) for slot in slots)
            store(b, halves(b, number, load(b, first), load(b, second)), place)
        return context.get_dummy_value()

    return types.void(types.IntegerLiteral(number), *[types.intp] * 5), codegen


def halved(way: int, x: Blocked, copy: Blocked, step: tuple[int, int] = (1, 1)) -> Launch:
    """The copy of a blob, or of every so many lines and pixels; its halo is not written."""
    down, across = step
    return _halved(way)(x=x, copy=copy, down=down, across=across)


@functools.cache
def _halved(way: int) -> Entry[...]:
    @entry
    def body(tid: int, nth: int, x: Blocked, copy: Blocked, down: int, across: int) -> None:
        for item in share(copy.n * copy.blocks * copy.h, tid, nth):
            plane, line = item // copy.h, item % copy.h
            n, block = plane // copy.blocks, plane % copy.blocks
            low = x.inner + n * x.image + 2 * block * x.plane + line * down * x.line
            high = low + x.plane if 2 * block + 1 < x.blocks else 0
            target = copy.inner + n * copy.image + block * copy.plane + line * copy.line
            _halve_pixels(way, low, high, across * 64, target, copy.w)

    @body.touches
    def _(o: Any) -> list[Access]:
        planes = (o.x.n, o.x.image), (o.x.blocks, o.x.plane)
        pixels = (o.copy.h, o.down * o.x.line), (o.copy.w, o.across * PIXEL)
        return [box("read", o.x.inner, PIXEL, *planes, *pixels), of("write", o.copy)]

    return body


@intrinsic
def pair_rows(_context: Any, way: Any, source: Any, target: Any) -> Any:
    """16 rows of 16 floats to 8 of words, of two rows each."""
    number = way.literal_value

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        start, end = pointers(b, arguments[1:])
        rows = [load(b, start, VECTOR_BYTES * i) for i in range(LANES)]
        for i, (low, high) in enumerate(zip(rows[0::2], rows[1::2], strict=True)):
            store(b, words(b, number, low, high), end, VECTOR_BYTES * i)
        return context.get_dummy_value()

    return types.void(types.IntegerLiteral(number), types.intp, types.intp), codegen
