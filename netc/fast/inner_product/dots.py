"""Inner product of a very small batch: y = x W^T + b by dot products.

With up to `MOST` images, turning the weights for the tile (`tiles.py`) costs more than using them. Here each
weight is read once, in order, at the speed of memory: four rows of W at a time against every image. K must be a
multiple of 16. Each sum runs over K in 16 lanes and two halves, then over the lanes in a fixed tree.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from netc.fast.inner_product.ends import Ends, finish
from netc.fast.inner_product.tiles import Sizes
from netc.fast.machine.access import Access, of
from netc.fast.machine.emit import (
    I32,
    I64,
    LANES,
    POINTER,
    VECTOR,
    VECTOR_BYTES,
    Loop,
    at,
    constant,
    load,
    multiply_add,
    pointers,
    shuffle,
    signature,
    variable,
)
from netc.fast.machine.launch import Region
from netc.fast.machine.lines import share
from netc.fast.machine.operands import Read, Write, entry
from netc.jit import intrinsic, ir

MOST = 8  # images; beyond, the tile is faster
ROWS = 4  # rows of W at a time


def supported(m: int, k: int) -> bool:
    return m <= MOST and k % LANES == 0


@intrinsic
def dots(_context: Any, rows: Any, x: Any, w: Any, w_row: Any, pairs: Any, rest: Any, out: Any) -> Any:
    """out[i] = the dot product of x and row i of w; `rows` is a literal, `w_row` bytes between rows of w.

    pairs: how often 32 values come, rest: 1 if 16 more do.
    """
    count = rows.literal_value

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        x, w, out = pointers(b, (arguments[1], arguments[2], arguments[6]))
        w_row, pairs, rest = arguments[3:6]
        starts = [w]
        while len(starts) < count:
            starts.append(at(b, starts[-1], w_row))
        slots = [variable(b, pointer) for pointer in (x, *starts)]
        sums = [[variable(b, constant(0)) for _ in range(2)] for _ in range(count)]
        with Loop(b, pairs, slots, [2 * VECTOR_BYTES] * len(slots)):
            _add(b, slots, sums, 2)
        moved = [at(b, b.load(s, typ=POINTER), b.mul(pairs, ir.Constant(I64, 2 * VECTOR_BYTES))) for s in slots]
        for slot, pointer in zip(slots, moved, strict=True):
            b.store(pointer, slot)
        with Loop(b, rest, slots, [VECTOR_BYTES] * len(slots)):
            _add(b, slots, sums, 1)
        for i, (first, second) in enumerate(sums):
            total = _across(b, b.fadd(b.load(first, typ=VECTOR), b.load(second, typ=VECTOR)))
            b.store(total, at(b, out, 4 * i)).align = 4
        return context.get_dummy_value()

    return signature(1, 6, (rows,)), codegen


def _add(b: Any, slots: list[Any], sums: list[list[Any]], vectors: int) -> None:
    x, *w = (b.load(slot, typ=POINTER) for slot in slots)
    values = [load(b, x, VECTOR_BYTES * v) for v in range(vectors)]
    for row, pointer in zip(sums, w, strict=True):
        for v in range(vectors):
            term = multiply_add(b, values[v], load(b, pointer, VECTOR_BYTES * v), b.load(row[v], typ=VECTOR))
            b.store(term, row[v])


def _across(b: Any, vector: Any) -> Any:
    """The sum of the lanes: halves onto halves."""
    width = LANES // 2
    while width:
        lanes = [(i + width) % LANES for i in range(LANES)]
        vector = b.fadd(vector, shuffle(b, vector, vector, lanes))
        width //= 2
    return b.extract_element(vector, ir.Constant(I32, 0))


@entry
def forward(tid: int, nth: int, x: Read[Region], w: Read[Region], ends: Ends, y: Write[Region], sizes: Sizes) -> None:
    """y = x W^T, then what `ends` says."""
    m, n, k = sizes.m, sizes.n, sizes.k
    fours = (n + 3) // 4
    pairs, rest = k // 32, k // 16 % 2
    for four in share(fours, tid, nth):
        first = four * 4
        here = min(4, n - first)
        for image in range(m):
            out = y + (image * n + first) * 4
            if here == 4:
                dots(4, x + image * k * 4, w + first * k * 4, k * 4, pairs, rest, out)
            else:
                for i in range(here):
                    dots(1, x + image * k * 4, w + (first + i) * k * 4, k * 4, pairs, rest, out + i * 4)
            finish(out, first, here, ends)


@forward.touches
def _(o: Any) -> Iterator[Access]:
    yield from (of("read", o.x), of("read", o.w), of("write", o.y))
    yield from o.ends.touched()
