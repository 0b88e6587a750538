"""Forward and data gradient by the tile, which are one kernel.

A line of pixels of the target is summed from lines of the source times 16 x 16 blocks of weights, over blocks of source
channels and cells of the kernel. A strided data gradient is one such sum for each phase of the bottom's positions.
Packed weights lie as [group][target block][source block][kh][kw][16 of the source][16 of the target] (see `weights`).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

from netc.fast.convolution.geometry import Conv, Taps
from netc.fast.machine.access import Access, Mode, box
from netc.fast.machine.activation import IDENTITY, Activation, code
from netc.fast.machine.emit import LANES, tile
from netc.fast.machine.launch import Launch, Ref, Region, together
from netc.fast.machine.layout import NO_BLOB, PIXEL, Blocked, Plain
from netc.fast.machine.operands import Entry, entry
from netc.fast.machine.tiles import cut_line, cut_line_with
from netc.jit import kernel

TARGET_PIXELS = 200  # a band of lines that stays in the first-level cache with its weights
LARGE_WEIGHTS = 1 << 20  # more than this many bytes: one pass over the images for each group of output channels


def forward(
    x: Blocked, weights: Region, bias: Region, y: Blocked, conv: Conv, activation: Activation = IDENTITY,
    add: Blocked = NO_BLOB,
) -> list[Launch]:  # fmt: skip
    """y = x * weights + bias (+ add, whose lines, planes and images are as far apart as y's), then the activation."""
    assert not add.inner or (add.line, add.plane, add.image) == (y.line, y.plane, y.image)
    return together(_sums(x, weights, bias, y, conv, conv.taps(0), conv.taps(1), activation, add))


def forward_first(
    x: Plain, weights: Region, bias: Region, y: Blocked, conv: Conv, activation: Activation = IDENTITY
) -> list[Launch]:
    """The first layer, of few channels, from a padded NCHW array; weights lie as [out block][in][kh][kw][16]."""
    return together(_sums(x, weights, bias, y, conv, conv.taps(0), conv.taps(1), activation, NO_BLOB))


def data_gradient(
    dy: Blocked, weights: Region, bias: Region, dx: Blocked, conv: Conv, add: bool = False,
    activation: Activation = IDENTITY,
) -> list[Launch]:  # fmt: skip
    """dx (+)= what dy gives it. Weights are packed the other way: [group][in block][out block][kh][kw][out][in].

    bias, activation: of a Deconvolution, for which dx is the top.
    """
    added, turned = dx if add else NO_BLOB, conv.adjoint
    phases = [(down, across) for down in conv.back_taps(0) for across in conv.back_taps(1)]
    return together([x for phase in phases for x in _sums(dy, weights, bias, dx, turned, *phase, activation, added)])


def block_runs(total: int, vectors: int) -> list[tuple[int, int, int]]:
    """`total` blocks as runs of `vectors`, then one run of what is left: (first block, runs, blocks a run)."""
    found = [(0, total // vectors, vectors)] if total >= vectors else []
    if total % vectors:
        found.append((total - total % vectors, 1, total % vectors))
    return found


class Planes(NamedTuple):
    """How a source lies: bytes between images, planes (of a channel or a block of 16) and lines; lines of a plane."""

    image: int
    plane: int
    line: int
    h: int


class Sums(NamedTuple):
    """What a launch does: of each group all `ins` source planes; of its `outs` blocks of the target `parts` runs of
    as many as a tile has, from block `first` on. kh, kw: the kernel. A line has `full` whole tiles; `band` lines are
    gone over together; with `large` weights these are read once over all images."""

    groups: int
    ins: int
    outs: int
    first: int
    parts: int
    kh: int
    kw: int
    full: int
    band: int
    large: int


def _sums(
    source: Blocked | Plain, weights: Region, bias: Region, y: Blocked, conv: Conv, down: Taps, across: Taps,
    activation: Activation, add: Blocked,
) -> list[Launch]:  # fmt: skip
    """The sums of `conv` (as seen from its target) for all of the target's positions that the taps say."""
    pixel, ins, unroll = (PIXEL, conv.in_blocks, LANES) if isinstance(source, Blocked) else (4, conv.inputs, 1)
    large = conv.groups * conv.out_blocks * ins * conv.cells * unroll * PIXEL > LARGE_WEIGHTS
    cut = cut_line(across.positions, conv.out_blocks)
    found = []
    for first, count, vectors in block_runs(conv.out_blocks, cut.vectors):
        part = cut if vectors == cut.vectors else cut_line_with(across.positions, vectors)
        band = max(1, min(down.positions, TARGET_PIXELS // across.positions))
        sums = Sums(conv.groups, ins, conv.out_blocks, first, count, *conv.kernel, part.full, band, large)
        tiles = _lines(part.rows, part.rest, vectors, unroll, across.step * pixel)
        launch = tiles(
            source=source.inner, planes=Planes(source.image, source.plane, source.line, source.h), weights=weights,
            bias=bias, y=y, add=add.inner, down=down, across=across, sums=sums, activation=activation,
        )  # fmt: skip
        found.append(launch)
    return found


@kernel
def divided(spots: int, outs: int, tid: int, nth: int, whole: bool) -> tuple[int, int, int, int]:
    """The items of a thread, of one for each of its spots of the target and each run of blocks there: the first one and
    the end; and its own spots, the first and how many. whole: only those, as of whole images: what a thread reads it
    has mostly written itself. Else it shares all spots."""
    if whole:
        return 0, spots // nth * outs, spots * tid // nth, spots // nth
    return spots * outs * tid // nth, spots * outs * (tid + 1) // nth, 0, spots


@kernel
def spot_of(item: int, first: int, spots: int, outs: int, large: bool) -> tuple[int, int]:
    """The spot and the run of blocks of an item; `large` weights stay over all spots, else a spot over all weights."""
    if large:
        return first + item % spots, item // spots
    return item // outs, item % outs


@functools.cache
def _lines(rows: int, rest: int, vectors: int, unroll: int, a_row: int) -> Entry[...]:
    """Lines of pixels, cut into tiles of `rows` pixels and one of `rest`, by `vectors` blocks.

    unroll: source channels of a plane; a_row: bytes from a pixel's first source to the next pixel's.
    """
    last = rest or rows
    pixel, cell = unroll * 4, unroll * 64  # bytes of a source's pixel, and of a cell's weights of one source plane

    @entry
    def body(
        tid: int, nth: int, source: Ref, planes: Planes, weights: Region, bias: Region, y: Blocked, add: Ref,
        down: Taps, across: Taps, sums: Sums, activation: Activation,
    ) -> None:  # fmt: skip
        b_in = sums.kh * sums.kw * cell
        b_out = sums.ins * b_in
        b_down, b_across = down.skip * sums.kw * cell, across.skip * cell
        a_down, a_across = down.reach * planes.line, across.reach * pixel
        c_row = across.stride * 64
        corner = source + down.first * planes.line + across.first * pixel
        target = y.inner + sums.first * y.plane + down.start * y.line + across.start * 64
        block = weights + (down.cell * sums.kw + across.cell) * cell + sums.first * b_out
        more = add - y.inner if add else -1
        bands = (down.positions + sums.band - 1) // sums.band
        spots, outs = y.n * bands, sums.parts * sums.groups
        begin, end, first_spot, spots = divided(spots, outs, tid, nth, sums.large and y.n % nth == 0)
        for item in range(begin, end):
            spot, out = spot_of(item, first_spot, spots, outs, sums.large)
            n, top = spot // bands, spot % bands * sums.band
            group, out = out // sums.parts, out % sums.parts * vectors
            a_start = corner + n * planes.image + group * sums.ins * planes.plane
            c_start = target + n * y.image + (group * sums.outs + out) * y.plane
            b = block + (group * sums.outs + out) * b_out
            channels = (group * sums.outs + sums.first + out) * 64
            bias_at, below = bias + channels if bias else 0, code(activation, channels)
            for line in range(top, min(top + sums.band, down.positions)):
                first, taps = _inside(down.first + line * down.step, down.reach, down.taps, planes.h)
                a, c = a_start + line * down.step * planes.line + first * a_down, c_start + line * down.stride * y.line
                b_first = b + first * b_down
                for _ in range(sums.full):
                    tile(
                        rows, vectors, unroll, a_row, a, b_first, c, bias_at, more, below, c_row, b_out, y.plane,
                        sums.ins, planes.plane, b_in, taps, a_down, b_down, across.taps, a_across, b_across,
                    )  # fmt: skip
                    a += rows * a_row
                    c += rows * c_row
                if rest > 0:
                    tile(
                        last, vectors, unroll, a_row, a, b_first, c, bias_at, more, below, c_row, b_out, y.plane,
                        sums.ins, planes.plane, b_in, taps, a_down, b_down, across.taps, a_across, b_across,
                    )  # fmt: skip

    @body.touches
    def _(o: Any) -> Iterator[Access]:
        s, planes, down, across, outs = o.sums, o.planes, o.down, o.across, o.sums.parts * vectors
        reached = (down.first + t * down.step + j * down.reach for t in range(down.positions) for j in range(down.taps))
        ins = s.ins if any(0 <= line < planes.h for line in reached) else 0
        yield read_pixels(o.source, planes, pixel, o.y.n, s._replace(ins=ins), down, across)
        yield from read_by_channel(o, cell, outs)
        lies = Lying(o.y.image, o.y.plane, o.y.line, PIXEL)
        yield target_pixels("read", o.add, lies, o.y.n, s, outs, down, across)
        yield target_pixels("write", o.y.inner, lies, o.y.n, s, outs, down, across)

    return body


# ---------------------------------------------------------------- what sums touch


class Lying(NamedTuple):
    """How a target lies: bytes between images, planes, lines and pixels."""

    image: int
    plane: int
    line: int
    pixel: int


def read_pixels(source: Ref, lies: Any, pixel: int, n: int, sums: Any, down: Taps, across: Taps) -> Access:
    """What sums read of n images of a source of so many bytes a pixel."""
    corner = source + (down.first * lies.line + across.first * pixel)
    return box(
        "read", corner, pixel, (n, lies.image), (sums.groups, sums.ins * lies.plane),
        (down.positions, down.step * lies.line), (across.positions, across.step * pixel), (sums.ins, lies.plane),
        (down.taps, down.reach * lies.line), (across.taps, across.reach * pixel),
    )  # fmt: skip


def read_by_channel(o: Any, cell: int, outs: int) -> Iterator[Access]:
    """What they read of weights, biases and slopes for `outs` blocks of each group; cell: bytes of a cell's weights of
    a source plane."""
    s, down, across, b_in = o.sums, o.down, o.across, o.sums.kh * o.sums.kw * cell
    block = o.weights + ((down.cell * s.kw + across.cell) * cell + s.first * s.ins * b_in)
    yield box(
        "read", block, cell, (s.groups, s.outs * s.ins * b_in), (outs, s.ins * b_in), (s.ins, b_in),
        (down.taps, down.skip * s.kw * cell), (across.taps, across.skip * cell),
    )  # fmt: skip
    for by_channel in (o.bias, o.activation.slopes):
        yield box("read", by_channel + s.first * PIXEL, PIXEL, (s.groups, s.outs * PIXEL), (outs, PIXEL))


def target_pixels(
    mode: Mode, place: Ref, lies: Lying, n: int, sums: Any, outs: int, down: Taps, across: Taps
) -> Access:  # fmt: skip
    """What they do with `outs` blocks of each group of a target."""
    start = place + (sums.first * lies.plane + down.start * lies.line + across.start * lies.pixel)
    return box(
        mode, start, PIXEL, (n, lies.image), (sums.groups, sums.outs * lies.plane), (outs, lies.plane),
        (down.positions, down.stride * lies.line), (across.positions, across.stride * lies.pixel),
    )  # fmt: skip


@kernel
def _inside(start: int, step: int, taps: int, height: int) -> tuple[int, int]:
    """The first tap whose line start + tap * step is in 0..height-1, and how many are (the others meet zeros)."""
    first, count = 0, 0
    for tap in range(taps):
        if 0 <= start + tap * step < height:
            first = tap if count == 0 else first
            count += 1
    return first, count
