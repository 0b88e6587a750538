"""The tiles of products of bfloat16 numbers: on AMX four tile registers of sums, else as `emit.tile` has them.

A tile register has 16 rows of 64 bytes: 16 pixels of 32 channels, 16 words of 16 outputs, or 16 x 16 sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from netc.fast.machine.bf16 import PAIRS, TILES, call, dot, halves
from netc.fast.machine.emit import (
    I8,
    I64,
    POINTER,
    VECTOR,
    VECTOR_BYTES,
    Below,
    Loop,
    at,
    constant,
    emit_tile,
    load,
    pointers,
    store,
    tile_budget,
    variable,
)
from netc.jit import cgutils, intrinsic, ir
from netc.jit import numba_types as types

TILE_ROWS = 16
TILE_BYTES = 4 * TILE_ROWS * VECTOR_BYTES  # of the sums of the largest tile


def tile_rows(way: int, vectors: int) -> int:
    """Pixels of a tile of `pair_tile`."""
    return 2 * TILE_ROWS if way == TILES else max(1, tile_budget() // vectors)


def weight_rows(way: int) -> int:
    """Input channels of a tile of `weight_tile`, of 16."""
    return TILE_ROWS if way == TILES else next(rows for rows in (8, 2, 1) if 2 * rows <= tile_budget())


def _registers(b: Any, name: str, *operands: Any) -> None:
    """An instruction of the tile registers; registers are given as Python's ints."""
    given = [ir.Constant(I8, x) if isinstance(x, int) else x for x in operands]
    call(b, f"llvm.x86.{name}", ir.VoidType(), *given)


@intrinsic
def room_for_sums(_context: Any) -> Any:
    """The address of room for the sums of a tile, in the stack."""

    def codegen(_context: Any, b: Any, _signature: Any, _arguments: Any) -> Any:
        room = cgutils.alloca_once(b, ir.ArrayType(I8, TILE_BYTES))
        room.align = VECTOR_BYTES
        return b.ptrtoint(room, I64)

    return types.intp(), codegen


@intrinsic
def begin_tiles(_context: Any, way: Any) -> Any:
    """Before a kernel's first tile: all registers have 16 rows of 64 bytes."""
    number = way.literal_value

    def codegen(context: Any, b: Any, _signature: Any, _arguments: Any) -> Any:
        if number == TILES:
            shapes = [1, *[0] * 15, *[VECTOR_BYTES, 0] * 8, *[0] * 16, *[TILE_ROWS] * 8, *[0] * 8]
            place = variable(b, ir.Constant(ir.ArrayType(I8, len(shapes)), shapes))
            _registers(b, "ldtilecfg", place)
        return context.get_dummy_value()

    return types.void(types.IntegerLiteral(number)), codegen


@intrinsic
def end_tiles(_context: Any, way: Any) -> Any:
    """After its last one."""
    number = way.literal_value

    def codegen(context: Any, b: Any, _signature: Any, _arguments: Any) -> Any:
        if number == TILES:
            _registers(b, "tilerelease")
        return context.get_dummy_value()

    return types.void(types.IntegerLiteral(number)), codegen


@intrinsic
def pair_tile(
    _context: Any, way: Any, rows: Any, vectors: Any, a_row: Any, a: Any, b: Any, c: Any, b_vector: Any,
    n0: Any, a0: Any, b0: Any, n1: Any, a1: Any, b1: Any, n2: Any, a2: Any, b2: Any,
) -> Any:  # fmt: skip
    """C[m][v] = the sum over three loops and 16 words of A[m] * B[v], as `emit.tile` has them.

    Literals: the way, `rows` m (of tile registers 16 or 32) by `vectors` v (at most 2), `a_row` bytes between rows m of
    A. The rows of C, of `vectors` vectors each, lie one behind the other.
    """
    literals = [types.IntegerLiteral(x.literal_value) for x in (way, rows, vectors, a_row)]
    number, *sizes = (x.literal_value for x in (way, rows, vectors, a_row))

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        a, w, c, b_vector, *loops = arguments[4:]
        row, tile, vector = (ir.Constant(I64, size * VECTOR_BYTES) for size in (sizes[1], 16 * sizes[1], 1))
        _emit(b, number, sizes, _Places(a, w, c, b_vector, row, tile, vector, ir.Constant(I64, -1)), loops)
        return context.get_dummy_value()

    return types.void(*literals, *[types.intp] * 13), codegen


@intrinsic
def weight_tile(
    _context: Any, way: Any, rows: Any, vectors: Any, a_row: Any, a: Any, b: Any, c: Any, b_vector: Any, c_tile: Any,
    c_vector: Any, add: Any, n: Any,
) -> Any:  # fmt: skip
    """C[m][v] = the sum over n blocks of 16 words of A[m] * B[v], or (add: 0, else -1) += that.

    Literals: the way, `rows` m (of tile registers 16 or 32) by `vectors` v (at most 2). A has blocks side by side, of
    rows `a_row` bytes apart; B has blocks of 16 rows one behind the other. 16 rows of C are 64 bytes apart, and others
    begin `c_tile` bytes behind the first.
    """
    literals = [types.IntegerLiteral(x.literal_value) for x in (way, rows, vectors)]
    number, *sizes = (x.literal_value for x in (way, rows, vectors))

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        a_row, a, w, c, b_vector, c_tile, c_vector, add, n = arguments[3:]
        none, vector, block = (ir.Constant(I64, size) for size in (0, VECTOR_BYTES, PAIRS * VECTOR_BYTES))
        loops = ir.Constant(I64, 1), none, none, ir.Constant(I64, 1), none, none, n, vector, block
        _emit(b, number, [*sizes, a_row], _Places(a, w, c, b_vector, vector, c_tile, c_vector, add), loops)
        return context.get_dummy_value()

    return types.void(*literals, *[types.intp] * 9), codegen


class _Places(NamedTuple):
    """Where a tile's operands are; bytes between vectors of B, and between rows, 16 rows and vectors of C; add, as
    `emit.tile` takes it."""

    a: Any
    b: Any
    c: Any
    b_vector: Any
    c_row: Any
    c_tile: Any
    c_vector: Any
    add: Any


def _emit(b: Any, way: int, sizes: Sequence[Any], places: _Places, loops: Sequence[Any]) -> None:
    """A tile of rows x vectors; the last of the sizes: bytes between rows of A."""
    rows, vectors, a_row = sizes
    if way == TILES:
        _emit_registers(b, sizes, places, loops)
        return
    a, w, c, b_vector, c_row, _, c_vector, add = places
    none = ir.Constant(I64, 0)
    emit_tile(b, (rows, vectors, PAIRS, a_row), [a, w, c, none, add, none, c_row, b_vector, c_vector, *loops], dot(way))


def _emit_registers(b: Any, sizes: Sequence[Any], places: _Places, given: Sequence[Any]) -> None:
    """The tile on AMX: registers 0 to 3 are sums, 4 and 5 rows of A, 6 and 7 vectors of B."""
    rows, vectors, a_row = sizes
    downs, line = range(rows // TILE_ROWS), a_row if not isinstance(a_row, int) else ir.Constant(I64, a_row)
    a, w, c = pointers(b, places[:3])
    a_slot, w_slot = variable(b, a), variable(b, w)
    sums = []
    for i in downs:
        start = at(b, c, places.c_tile) if i else c
        sums += [(i, v, 2 * i + v, at(b, start, places.c_vector) if v else start) for v in range(vectors)]
    with b.if_else(b.icmp_signed("!=", places.add, ir.Constant(I64, -1))) as (more, anew):
        with more:
            for _, _, register, place in sums:
                _registers(b, "tileloadd64", register, place, places.c_row)
        with anew:
            for _, _, register, _ in sums:
                _registers(b, "tilezero", register)
    loops = [Loop(b, given[i], [a_slot, w_slot], given[i + 1 : i + 3]) for i in (0, 3, 6)]
    for loop in loops:
        loop.__enter__()
    a, w = b.load(a_slot, typ=POINTER), b.load(w_slot, typ=POINTER)
    for v in range(vectors):
        _registers(b, "tileloadd64", 6 + v, at(b, w, places.b_vector) if v else w, ir.Constant(I64, VECTOR_BYTES))
    for i in downs:
        _registers(b, "tileloadd64", 4 + i, at(b, a, b.mul(line, ir.Constant(I64, TILE_ROWS * i))), line)
    for i, v, register, _ in sums:
        _registers(b, "tdpbf16ps", register, 4 + i, 6 + v)
    for loop in reversed(loops):
        loop.__exit__()
    for _, _, register, place in sums:
        _registers(b, "tilestored64", register, place, places.c_row)


@intrinsic
def finish_pixels(
    _context: Any, way: Any, vectors: Any, sums: Any, count: Any, bias: Any, add: Any, below: Any, y: Any, y_pixel: Any,
    y_vector: Any, copy: Any,
) -> Any:  # fmt: skip
    """What becomes of the sums of `count` pixels, which lie as `pair_tile` leaves them: C, and its bfloat16 copy.

    Literals: the way, and `vectors`. bias (0: none), add, below as `emit.tile` takes them; y: where C's first pixel is
    (0: nowhere), with bytes between pixels, and between vectors; copy: of the copy's (0: none), whose pixels lie side
    by side. Of one vector alone, the other half of the copy's block is 0.
    """
    number, width = way.literal_value, vectors.literal_value

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        _emit_ends(b, number, width, arguments[2:])
        return context.get_dummy_value()

    literals = types.IntegerLiteral(number), types.IntegerLiteral(width)
    return types.void(*literals, *[types.intp] * 9), codegen


def _emit_ends(b: Any, way: int, vectors: int, arguments: Sequence[Any]) -> None:
    sums, count, bias, add, below, y, y_pixel, y_vector, copy = arguments
    none = ir.Constant(I64, 0)
    shifts = [variable(b, constant(0)) for _ in range(vectors)]
    with b.if_then(b.icmp_signed("!=", bias, none)):
        for v, slot in enumerate(shifts):
            b.store(load(b, b.inttoptr(bias, POINTER), VECTOR_BYTES * v), slot)
    shift = [b.load(slot, typ=VECTOR) for slot in shifts]
    change = Below(b, below)
    slopes = [change.slope(v) for v in range(vectors)]
    adds, writes, copies = (b.icmp_signed("!=", x, ir.Constant(I64, no)) for x, no in ((add, -1), (y, 0), (copy, 0)))
    slots = [variable(b, pointer) for pointer in pointers(b, (sums, y, copy))]
    found = [variable(b, constant(0)) for _ in range(vectors)]
    with Loop(b, count, slots, [vectors * VECTOR_BYTES, y_pixel, VECTOR_BYTES]):
        source, target, twin = (b.load(slot, typ=POINTER) for slot in slots)
        places = [target, at(b, target, y_vector)][:vectors]
        for v, slot in enumerate(found):
            b.store(b.fadd(load(b, source, VECTOR_BYTES * v), shift[v]), slot)
        with b.if_then(adds):
            for place, slot in zip(places, found, strict=True):
                b.store(b.fadd(b.load(slot, typ=VECTOR), load(b, place, add)), slot)
        made = [change(b.load(slot, typ=VECTOR), slope) for slot, slope in zip(found, slopes, strict=True)]
        with b.if_then(writes):
            for place, vector in zip(places, made, strict=True):
                store(b, vector, place)
        with b.if_then(copies):
            store(b, halves(b, way, *made, *[constant(0)] * (2 - vectors)), twin)
