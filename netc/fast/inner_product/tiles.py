"""Inner product of plain matrices by the tile: y = x W^T + b, dx = dy W, dW = dy^T x.

x is M x K, W is N x K, y is M x N. The batch M is small and W large, so each kernel reads (or writes) W once, row by
row, and keeps the rest in the caches. Sums run over K, N and M in ascending blocks, whatever the threads.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

from netc.fast.inner_product.ends import Ends, finish
from netc.fast.machine.access import Access, box, of
from netc.fast.machine.addresses import floats
from netc.fast.machine.emit import LANES, add_lanes, copy_lanes, copy_vectors, tile, transpose_block
from netc.fast.machine.launch import Launch, Region
from netc.fast.machine.lines import share
from netc.fast.machine.operands import Entry, Read, Scratch, Update, Write, entry
from netc.fast.machine.tiles import cut_into_few, cut_line_with

DEPTH = 512  # values of K (or N) that a thread packs at a time: with 32 outputs 64 KiB, in the second-level cache
PART_BYTES = 1 << 21  # of a weight gradient that is used at once
BAND = 64  # rows of W that a data gradient packs at a time


class Sizes(NamedTuple):
    """Of the matrices: x is M x K, W is N x K, y is M x N."""

    m: int
    n: int
    k: int


def up(count: int) -> int:
    """Rounded up to a multiple of 16."""
    return -(-count // LANES) * LANES


def workspace_bytes(sizes: Sizes, threads: int) -> int:
    """The workspace that each of the three needs."""
    m, n, k = sizes
    return 4 * (up(m) * max(n, up(k)) + up(m) * up(n) + threads * DEPTH * (BAND + up(m))) + 4096


def forward(x: Region, w: Region, ends: Ends, y: Region, sizes: Sizes, workspace: Region) -> list[Launch]:
    """y = x W^T, then what `ends` says."""
    m, n, k = sizes
    turned, rest = workspace.cut(4 * up(m) * k)
    rows, tiles = cut_into_few(m, 2)
    result, panels = rest.cut(4 * rows * tiles * up(n))
    return [
        _transpose(source=x, target=turned, rows=m, columns=k),
        _forward(rows)(x=turned, w=w, result=result, panels=panels, sizes=sizes, tiles=tiles),
        finished(result=result, ends=ends, y=y, m=m, n=n),
    ]


def data_gradient(dy: Region, w: Region, dx: Region, sizes: Sizes, workspace: Region) -> list[Launch]:
    """dx = dy W."""
    m, n, k = sizes
    turned, panels = workspace.cut(4 * up(m) * n)
    vectors = _vectors(k)
    cut = cut_line_with(m, vectors)
    kernel = _data(cut.rows, cut.rest, vectors)
    return [
        _transpose(source=dy, target=turned, rows=m, columns=n),
        kernel(dy=turned, w=w, dx=dx, panels=panels, sizes=sizes, full=cut.full),
    ]


def weight_gradient(x: Region, dy: Region, dw: Region, sizes: Sizes, workspace: Region) -> list[Launch]:
    """dW += dy^T x."""
    return [packed_bottom(x, sizes, workspace), weight_part(dy, dw, sizes, workspace, (0, sizes.n), True)]


def packed_bottom(x: Region, sizes: Sizes, workspace: Region) -> Launch:
    """What the parts of a weight gradient need first: x in panels, in the workspace."""
    panels, _ = workspace.cut(4 * sizes.m * up(sizes.k))
    return _panels(x=x, target=panels, m=sizes.m, k=sizes.k, width=LANES * _vectors(sizes.k))


def weight_part(dy: Region, dw: Region, sizes: Sizes, workspace: Region, part: tuple[int, int], add: bool) -> Launch:
    """The gradient of the weights of outputs first..first+count-1; `dw` is that of these. add: to what is there."""
    first, count = part
    vectors = _vectors(sizes.k)
    cut = cut_line_with(count, vectors)
    panels, edges = workspace.cut(4 * sizes.m * up(sizes.k))
    _, given = dy.cut(4 * first)
    kernel = _weights(cut.rows, cut.rest, vectors)
    return kernel(panels=panels, dy=given, dw=dw, sizes=sizes, full=cut.full, edges=edges, add=0 if add else -1)


def parts(sizes: Sizes) -> list[tuple[int, int]]:
    """Outputs, as (first, count), whose weights' gradients stay in the caches until they are used."""
    _, n, k = sizes
    rows = cut_line_with(n, _vectors(k)).rows
    step = max(4, PART_BYTES // (rows * k * 4)) * rows
    return [(first, min(step, n - first)) for first in range(0, n, step)]


def _vectors(k: int) -> int:
    return 2 if k % (2 * LANES) == 0 else 1


# ---------------------------------------------------------------- kernels


@entry
def _transpose(tid: int, nth: int, source: Read[Region], target: Write[Region], rows: int, columns: int) -> None:
    """target (columns x rows rounded up to 16) = the transpose of source."""
    step = (rows + 15) // 16 * 64
    items = (columns + 15) // 16
    for item in share(items, tid, nth):
        here = min(16, columns - item * 16)
        for r in range(0, rows, 16):
            transpose_block(
                source + (r * columns + item * 16) * 4, columns * 4, target + item * 16 * step + r * 4, step,
                min(16, rows - r), here, 16,
            )  # fmt: skip


@functools.cache
def _forward(rows: int) -> Entry[...]:
    """Panels of 32 outputs: DEPTH values of their weights are turned into [value][output], then meet all of x.

    The last tile may go beyond the rows that there are, where x is 0.
    """

    @entry
    def body(
        tid: int, nth: int, x: Read[Region], w: Read[Region], result: Write[Region], panels: Scratch[Region],
        sizes: Sizes, tiles: int,
    ) -> None:  # fmt: skip
        m, n, k = sizes.m, sizes.n, sizes.k
        x_step = (m + 15) // 16 * 64
        result_row = (n + 15) // 16 * 64
        panel = panels + tid * DEPTH * BAND * 4
        items = (n + 31) // 32
        for item in share(items, tid, nth):
            out = item * 32
            for start in range(0, k, DEPTH):
                depth = min(DEPTH, k - start)
                for half in range(2):
                    here = max(0, min(16, n - out - half * 16))
                    for i in range(0, depth, 16):
                        transpose_block(
                            w + ((out + half * 16) * k + start + i) * 4, k * 4, panel + (half * DEPTH + i) * 64, 64,
                            here, min(16, depth - i), 16,
                        )  # fmt: skip
                add = -1 if start == 0 else 0
                for t in range(tiles):
                    a, c = x + start * x_step + t * rows * 4, result + t * rows * result_row + out * 4
                    if out + 16 < n:
                        tile(
                            rows, 2, 1, 4, a, panel, c, 0, add, 0, result_row, DEPTH * 64, 64,
                            1, 0, 0, 1, 0, 0, depth, x_step, 64,
                        )  # fmt: skip
                    else:
                        tile(
                            rows, 1, 1, 4, a, panel, c, 0, add, 0, result_row, 0, 0,
                            1, 0, 0, 1, 0, 0, depth, x_step, 64,
                        )  # fmt: skip

    return body


@entry
def finished(tid: int, nth: int, result: Read[Region], ends: Ends, y: Write[Region], m: int, n: int) -> None:
    """y = what `ends` says of the sums, which lie in rows of whole vectors."""
    wide = (n + 15) // 16 * 16
    for line in share(m, tid, nth):
        a, b = floats(result + line * wide * 4, n), floats(y + line * n * 4, n)
        for i in range(n):
            b[i] = a[i]
        finish(y + line * n * 4, 0, n, ends)


@finished.touches
def _(o: Any) -> Iterator[Access]:
    yield from (box("read", o.result, 4 * o.n, (o.m, 4 * up(o.n))), of("write", o.y))
    yield from o.ends.touched()


@functools.cache
def _data(rows: int, rest: int, vectors: int) -> Entry[...]:
    """Chunks of DEPTH inputs: BAND rows of W at a time are copied into panels, then meet all of dy."""
    last = rest or rows
    width = vectors * LANES

    @entry
    def body(
        tid: int, nth: int, dy: Read[Region], w: Read[Region], dx: Write[Region], panels: Scratch[Region],
        sizes: Sizes, full: int,
    ) -> None:  # fmt: skip
        m, n, k = sizes.m, sizes.n, sizes.k
        up_rows = (m + 15) // 16 * 16
        dy_step = up_rows * 4
        room = DEPTH * (BAND + up_rows) * 4
        space = panels + tid * room
        sums = space + DEPTH * BAND * 4  # as panels, too: lines of dx may fall into one set of the cache
        items = (k + DEPTH - 1) // DEPTH
        for item in share(items, tid, nth):
            begin = item * DEPTH
            whole, edge = min(DEPTH, k - begin) // width, min(DEPTH, k - begin) % width
            count = whole + (1 if edge > 0 else 0)
            for start in range(0, n, BAND):
                band = min(BAND, n - start)
                for r in range(band):
                    line = w + ((start + r) * k + begin) * 4
                    for p in range(whole):
                        copy_vectors(line + p * width * 4, space + (p * BAND + r) * width * 4, vectors)
                    if edge > 0:
                        copy_lanes(line + whole * width * 4, space + (whole * BAND + r) * width * 4, edge, 16)
                add = -1 if start == 0 else 0
                for p in range(count):
                    b = space + p * BAND * width * 4
                    a, c = dy + start * dy_step, sums + p * m * width * 4
                    for _ in range(full):
                        tile(
                            rows, vectors, 1, 4, a, b, c, 0, add, 0, width * 4, 64, 64,
                            1, 0, 0, 1, 0, 0, band, dy_step, width * 4,
                        )  # fmt: skip
                        a += rows * 4
                        c += rows * width * 4
                    if rest > 0:
                        tile(
                            last, vectors, 1, 4, a, b, c, 0, add, 0, width * 4, 64, 64,
                            1, 0, 0, 1, 0, 0, band, dy_step, width * 4,
                        )  # fmt: skip
            for line in range(m):
                target = dx + (line * k + begin) * 4
                for p in range(whole):
                    copy_vectors(sums + (p * m + line) * width * 4, target + p * width * 4, vectors)
                if edge > 0:
                    copy_lanes(sums + (whole * m + line) * width * 4, target + whole * width * 4, edge, edge)

    return body


@entry
def _panels(tid: int, nth: int, x: Read[Region], target: Write[Region], m: int, k: int, width: int) -> None:
    """x (M x K) as panels [K / width][M][width]; what the last one lacks is 0."""
    items = (k + width - 1) // width
    for item in share(items, tid, nth):
        for line in range(m):
            source = x + (line * k + item * width) * 4
            for part in range(0, width, 16):
                place = target + ((item * m + line) * width + part) * 4
                copy_lanes(source + part * 4, place, min(16, k - item * width - part), 16)


@functools.cache
def _weights(rows: int, rest: int, vectors: int) -> Entry[...]:
    """Tiles of `rows` outputs by all inputs: each line of dW is written once, from its start to its end."""
    last = rest or rows
    width = vectors * LANES

    @entry
    def body(
        tid: int, nth: int, panels: Region, dy: Region, dw: Region, sizes: Sizes, full: int, edges: Region, add: int
    ) -> None:
        m, n, k = sizes.m, sizes.n, sizes.k
        edge = edges + tid * DEPTH * 4  # for each thread, the end of the lines that is no whole vector
        items = full + (1 if rest > 0 else 0)
        for item in share(items, tid, nth):
            a = dy + item * rows * 4
            for p in range(k // width):
                b, c = panels + p * m * width * 4, dw + (item * rows * k + p * width) * 4
                if item < full:
                    tile(
                        rows, vectors, 1, 4, a, b, c, 0, add, 0, k * 4, 64, 64,
                        1, 0, 0, 1, 0, 0, m, n * 4, width * 4,
                    )  # fmt: skip
                else:
                    tile(
                        last, vectors, 1, 4, a, b, c, 0, add, 0, k * 4, 64, 64,
                        1, 0, 0, 1, 0, 0, m, n * 4, width * 4,
                    )  # fmt: skip
            if k % width > 0:
                b, lines = panels + k // width * m * width * 4, rows if item < full else last
                if item < full:
                    tile(rows, 1, 1, 4, a, b, edge, 0, -1, 0, 64, 0, 0, 1, 0, 0, 1, 0, 0, m, n * 4, width * 4)
                else:
                    tile(last, 1, 1, 4, a, b, edge, 0, -1, 0, 64, 0, 0, 1, 0, 0, 1, 0, 0, m, n * 4, width * 4)
                for line in range(lines):
                    end = dw + ((item * rows + line) * k + k // width * width) * 4
                    if add == 0:
                        add_lanes(edge + line * 64, end, k % width)
                    else:
                        copy_lanes(edge + line * 64, end, k % width, k % width)

    @body.touches
    def _(o: Any) -> Iterator[Access]:
        yield of("read", o.panels)
        yield of("read", o.dy)
        yield of("update" if o.add == 0 else "write", o.dw)
        yield of("scratch", o.edges)

    return body


@entry
def bias_gradient(tid: int, nth: int, dy: Read[Region], db: Update[Region], m: int, n: int) -> None:
    """db += the sum of dy's rows."""
    first, last = n * tid // nth, n * (tid + 1) // nth
    sums = floats(db, n)
    for line in range(m):
        values = floats(dy + line * n * 4, n)
        for i in range(first, last):
            sums[i] += values[i]
