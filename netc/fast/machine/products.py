"""Products of large matrices: C = A B, or C += A B, of rows that lie any number of bytes apart.

B is packed first, once, in panels of 32 columns (`packed`): whoever multiplies with it often, or with its transpose,
packs it as it needs. A is packed on the way, by each thread the tiles that it does. Sums run over K in ascending
blocks of `DEPTH`, whatever the threads and the tile.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

from netc.fast.machine.access import Access, box, of
from netc.fast.machine.activation import IDENTITY, Activation, code
from netc.fast.machine.emit import (
    LANES,
    copy_ahead,
    copy_lanes,
    copy_vectors,
    tile,
    tile_budget,
    transpose_ahead,
    transpose_block,
)
from netc.fast.machine.launch import NOTHING, Launch, Ref, Region
from netc.fast.machine.lines import share
from netc.fast.machine.operands import Entry, Read, Write, entry, entry_with
from netc.jit import Kernel, kernel

WIDTH = 32  # columns of a panel
PANEL_ROW = 4 * WIDTH
DEPTH = 256  # values of K at a time: a panel's are 32 KiB, which stay in the first-level cache
BLOCK = 16  # tiles of A that a thread packs at a time: 224 KiB, in the second-level cache
KINDS = (14, 8, 4, 1)  # rows of a tile; each has machine code of its own
EDGE_BYTES = LANES * PANEL_ROW


class Sizes(NamedTuple):
    """Of the matrices: A is M x K, B is K x N, C is M x N."""

    m: int
    n: int
    k: int


class Lines(NamedTuple):
    """How a matrix lies: bytes between the rows of memory; whether these are its columns."""

    step: int
    turned: bool = False


class Groups(NamedTuple):
    """Rows or columns that come in groups of `size` in memory, and of `room` (a multiple of 16, then zeros) packed."""

    size: int
    room: int


def up(count: int) -> int:
    """Rounded up to a multiple of 16."""
    return -(-count // LANES) * LANES


def packed_bytes(n: int, k: int) -> int:
    """What K x N values take in panels."""
    return -(-n // WIDTH) * k * PANEL_ROW


def room_bytes(threads: int) -> int:
    """The workspace that a product needs."""
    return threads * thread_bytes(KINDS[0])


def thread_bytes(rows: int) -> int:
    """What one thread needs of it with tiles of so many rows."""
    return BLOCK * packed_tile_bytes(rows) + EDGE_BYTES


def packed_tile_bytes(rows: int) -> int:
    """What a packed tile of A takes, with what is written behind it on the way."""
    return rows * DEPTH * 4 + LANES * rows * 4 + 4 * LANES


def vectors() -> int:
    """Vectors of a tile: a panel's two, where there are registers enough."""
    return 2 if tile_budget() >= 2 * KINDS[0] else 1


def rows_of(m: int) -> int:
    """Rows of a tile for M of them, so that little is done in vain."""
    kinds = [rows for rows in (min(kind, tile_budget() // vectors()) for kind in KINDS) if rows > 0]

    def cost(rows: int) -> tuple[int, int, int]:
        tiles = -(-m // rows)
        return tiles * max(rows, 6), tiles * rows, -rows

    return min(kinds, key=cost)


# ---------------------------------------------------------------- packing B


def packed(source: Ref, lines: Lines, target: Region, n: int, k: int, groups: Groups | None = None) -> Launch:
    """B in panels. groups: of its columns where it lies turned (N is then that of the packed ones), else of its rows
    (as K is)."""
    if lines.turned:
        groups = groups or Groups(n, up(n))
        return _turned(source=source, step=lines.step, target=target, n=n, k=k, groups=groups)
    return _straight(source=source, step=lines.step, target=target, n=n, k=k, groups=groups or Groups(k, k))


@kernel
def _columns(line: int, step: int, place: int, here: int, k: int) -> None:
    """16 columns of a panel, of which `here` are there, from rows of K values."""
    for i in range(0, k, 16):
        transpose_block(line + i * 4, step, place + i * PANEL_ROW, PANEL_ROW, here, min(16, k - i), 16)


@kernel
def _row(start: int, place: int, n: int, k: int, there: int) -> None:
    """A row of all panels, of K rows each; zeros if it is not there."""
    for panel in range((n + 31) // 32):
        left, source, target = n - panel * 32 if there else 0, start + panel * PANEL_ROW, place + panel * k * PANEL_ROW
        if left >= 32:
            copy_vectors(source, target, 2)
        else:
            copy_ahead(source, target, left)
            copy_ahead(source + 64, target + 64, left - 16)


@kernel
def pack_columns(source: int, step: int, target: int, n: int, k: int) -> None:
    """B in panels, by one thread: its N columns lie as rows of K values, `step` bytes apart."""
    for item in range((n + 31) // 32 * 2):
        place = target + item // 2 * k * PANEL_ROW + item % 2 * 64
        _columns(source + item * 16 * step, step, place, n - item * 16, k)


@kernel
def pack_rows(source: int, step: int, target: int, n: int, k: int) -> None:
    """The same of K rows of N values."""
    for row in range(k):
        _row(source + row * step, target + row * PANEL_ROW, n, k, 1)


@entry
def _turned(
    tid: int, nth: int, source: Ref, step: int, target: Write[Region], n: int, k: int, groups: Groups
) -> None:  # fmt: skip
    """Of N rows of K values; items: 16 columns of panels, to the end of the last panel."""
    blocks = groups.room // 16
    for item in share((n + 31) // 32 * 2, tid, nth):
        group, first = item // blocks, item % blocks * 16
        here = max(0, min(16, groups.size - first)) if item * 16 < n else 0
        line = source + (group * groups.size + first) * step
        place = target + item // 2 * k * PANEL_ROW + item % 2 * 64
        _columns(line, step, place, here, k)


@_turned.touches
def _(o: Any) -> Iterator[Access]:
    groups = -(-o.n // o.groups.room)
    yield box("read", o.source, o.k * 4, (groups * o.groups.size, o.step))
    yield of("write", o.target)


@entry
def _straight(
    tid: int, nth: int, source: Ref, step: int, target: Write[Region], n: int, k: int, groups: Groups
) -> None:  # fmt: skip
    """Of K rows of N values."""
    for row in share(k, tid, nth):
        group, line = row // groups.room, row % groups.room
        start = source + (group * groups.size + line) * step
        _row(start, target + row * PANEL_ROW, n, k, line < groups.size)


@_straight.touches
def _(o: Any) -> Iterator[Access]:
    groups = -(-o.k // o.groups.room)
    yield box("read", o.source, o.n * 4, (groups * o.groups.size, o.step))
    yield of("write", o.target)


# ---------------------------------------------------------------- the product


def multiply(*operands: object) -> None:
    """In an entry, a kernel that `multiplier` makes: compiled once for all that call it."""


@kernel
def _to_edge(c: int, c_step: int, edge: int, lines: int, columns: int) -> None:
    """What there is of a tile of C, at most 32 columns, to rows of 32."""
    for line in range(lines):
        for half in range(2):
            copy_ahead(c + line * c_step + half * 64, edge + line * PANEL_ROW + half * 64, columns - half * 16)


@kernel
def _from_edge(edge: int, c: int, c_step: int, lines: int, columns: int) -> None:
    """Back to where it belongs."""
    for line in range(lines):
        for half in range(2):
            lanes = columns - half * 16
            copy_lanes(edge + line * PANEL_ROW + half * 64, c + line * c_step + half * 64, lanes, lanes)


@functools.cache
def multiplier(rows: int, vectors: int) -> Kernel:
    """C = A B + bias, of the tiles first..last-1 of C's rows; afterwards what `below` says, as `Below` takes it.

    room: `thread_bytes`. Tiles that go beyond C are made there.
    """
    tile_bytes = packed_tile_bytes(rows)

    @kernel
    def multiply(
        a: int, a_step: int, turned: int, b: int, c: int, c_step: int, bias: int, below: int, add: int, room: int,
        sizes: Sizes, first: int, last: int,
    ) -> None:  # fmt: skip
        m, n, k = sizes.m, sizes.n, sizes.k
        edge = room + BLOCK * tile_bytes
        for start in range(0, k, DEPTH):
            depth = min(DEPTH, k - start)
            adds = add or start > 0
            for block in range(first, last, BLOCK):
                count = min(BLOCK, last - block)
                if turned:  # line by line of what lies in memory, for all tiles
                    for i in range(depth):
                        for t in range(count):
                            row, place = (block + t) * rows, room + t * tile_bytes
                            source = a + (start + i) * a_step + row * 4
                            copy_ahead(source, place + i * rows * 4, min(rows, m - row))
                else:
                    for t in range(count):
                        row, place = (block + t) * rows, room + t * tile_bytes
                        line, here = a + row * a_step + start * 4, min(rows, m - row)
                        for i in range(0, depth, 16):
                            lanes = min(16, depth - i)
                            if rows == 1:  # it lies as it is packed
                                copy_ahead(line + i * 4, place + i * 4, lanes)
                            else:
                                transpose_ahead(rows, line + i * 4, a_step, place + i * rows * 4, here, lanes)
                for panel in range((n + 31) // 32):
                    w, left = b + (panel * k + start) * PANEL_ROW, n - panel * 32
                    shift = bias + panel * PANEL_ROW if bias and start == 0 else 0
                    change = 0 if start + depth < k else below + panel * PANEL_ROW if below > 1 else below
                    for t in range(count):
                        row = (block + t) * rows
                        out = c + row * c_step + panel * PANEL_ROW
                        here = min(rows, m - row)
                        whole = here == rows and left >= 32
                        to, step = (out, c_step) if whole else (edge, PANEL_ROW)
                        if adds and not whole:
                            _to_edge(out, c_step, edge, here, left)
                        for half in range(0, 2, vectors):
                            tile(
                                rows, vectors, 1, 4, room + t * tile_bytes, w + half * 64, to + half * 64,
                                shift + half * 64 if shift else 0, 0 if adds else -1,
                                change + half * 64 if change > 1 else change, step, 64, 64,
                                1, 0, 0, 1, 0, 0, depth, rows * 4, PANEL_ROW,
                            )  # fmt: skip
                        if not whole:
                            _from_edge(edge, out, c_step, here, left)

    return multiply


def product(
    a: Ref, a_lines: Lines, b: Region, c: Ref, c_step: int, sizes: Sizes, room: Region, *,
    add: bool = False, bias: Region = NOTHING, activation: Activation = IDENTITY,
) -> Launch:  # fmt: skip
    """C = A B + bias. b: B, packed; c_step: bytes between rows of C; room: `room_bytes`; add: to what C holds.

    bias: one float for each column, to the end of the last panel; so are slopes of the activation.
    """
    kernel = _product(rows_of(sizes.m), vectors())
    return kernel(
        a=a, a_step=a_lines.step, turned=a_lines.turned, b=b, c=c, c_step=c_step, bias=bias, activation=activation,
        add=add, room=room, sizes=sizes,
    )  # fmt: skip


@functools.cache
def _product(rows: int, vectors: int) -> Entry[...]:
    """Threads share the tiles' rows."""
    room_of = thread_bytes(rows)

    @entry_with(multiply=multiplier(rows, vectors))
    def body(
        tid: int, nth: int, a: Ref, a_step: int, turned: bool, b: Read[Region], c: Ref, c_step: int, bias: Region,
        activation: Activation, add: bool, room: Region, sizes: Sizes,
    ) -> None:  # fmt: skip
        tiles = (sizes.m + rows - 1) // rows
        multiply(
            a, a_step, turned, b, c, c_step, bias, code(activation, 0), add, room + tid * room_of, sizes,
            tiles * tid // nth, tiles * (tid + 1) // nth,
        )  # fmt: skip

    @body.touches
    def _(o: Any) -> Iterator[Access]:
        m, n, k = o.sizes
        width, count = (m, k) if o.turned else (k, m)
        yield box("read", o.a, width * 4, (count, o.a_step))
        yield of("read", o.b)
        yield of("read", o.bias)
        yield of("read", o.activation.slopes)
        yield box("update" if o.add else "write", o.c, n * 4, (m, o.c_step))
        yield of("scratch", o.room)

    return body
