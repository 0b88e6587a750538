"""Convolution on blocked blobs by the tile: forward, data gradient, weight gradient, bias gradient.

Forward and data gradient are one kernel: a line of pixels times 16 x 16 blocks of weights, summed over input blocks and
kernel cells. A strided data gradient is one such convolution for each phase of the input pixels, over the cells that
meet that phase. Packed weights lie as [group][out block][in block][kh][kw][16 in][16 out] (see `weights`).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

from netc.jit import Entry, entry
from netc.kernels.fast.emit import LANES, arg, tile, tile_budget
from netc.kernels.fast.layout import PIXEL, Blocked, Halo, Plain, blocks
from netc.kernels.fast.rows import NOTHING, Ref, Row, together
from netc.kernels.fast.tiles import Cut, cut_line, cut_line_with

BLOCK = LANES * LANES * 4  # bytes of a 16 x 16 block of weights
TARGET_PIXELS = 200  # a block of lines that stays in the first-level cache with its weights
LARGE_WEIGHTS = 1 << 20  # more than this many bytes: one pass over the images for each group of output channels
FLOAT_ONE = 0x3F800000


@dataclass(frozen=True, slots=True)
class Conv:
    """A convolution's geometry; sizes are (height, width). `inputs` and `outputs` are channels over all groups."""

    inputs: int
    outputs: int
    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    pad: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    @property
    def in_blocks(self) -> int:
        """Blocks of input channels of one group."""
        return blocks(self.inputs // self.groups)

    @property
    def out_blocks(self) -> int:
        return blocks(self.outputs // self.groups)

    @property
    def cells(self) -> int:
        return self.kernel[0] * self.kernel[1]

    @property
    def packed_bytes(self) -> int:
        """The size of packed weights, either way round."""
        return self.groups * self.out_blocks * self.in_blocks * self.cells * BLOCK

    def top_size(self, axis: int, size: int) -> int:
        reach = self.dilation[axis] * (self.kernel[axis] - 1) + 1
        return (size + 2 * self.pad[axis] - reach) // self.stride[axis] + 1

    def halo(self, h: int, w: int) -> Halo:
        """The halo that forward and weight gradient need around a bottom of h x w."""
        ends = []
        for axis, size in enumerate((h, w)):
            last = (self.top_size(axis, size) - 1) * self.stride[axis] + self.dilation[axis] * (self.kernel[axis] - 1)
            ends.append(max(0, last - self.pad[axis] - size + 1))
        return Halo(self.pad[0], self.pad[1], ends[0], ends[1])

    def gradient_halo(self, h: int, w: int) -> Halo:
        """The halo that the data gradient (for a bottom of h x w) needs around the top's diff."""
        before, after = [0, 0], [0, 0]
        for axis, size in enumerate((h, w)):
            top = self.top_size(axis, size)
            for phase in _phases(self, axis, size):
                before[axis] = max(before[axis], (phase.taps - 1) * phase.back - phase.first)
                after[axis] = max(after[axis], phase.first + phase.count - top)
        return Halo(before[0], before[1], after[0], after[1])


@dataclass(frozen=True, slots=True)
class Phase:
    """Along one axis, the input positions start, start + S, ...: `count` of them, the t-th reading tops
    first + t - j * back with kernel cell cell + j * skip, for j below `taps`."""

    start: int
    count: int
    taps: int
    cell: int
    skip: int
    first: int
    back: int


def _phases(conv: Conv, axis: int, size: int) -> list[Phase]:
    stride, pad, kernel, dilation = conv.stride[axis], conv.pad[axis], conv.kernel[axis], conv.dilation[axis]
    if dilation > 1:  # only with stride 1: position y reads tops y + pad - dilation * cell
        return [Phase(0, size, kernel, 0, 1, pad, dilation)]
    found = []
    for start in range(min(stride, size)):
        cell = (start + pad) % stride
        taps = len(range(cell, kernel, stride))
        found.append(Phase(start, len(range(start, size, stride)), taps, cell, stride, (start + pad - cell) // stride, 1))
    return found


def supported(conv: Conv) -> bool:
    """Whether the kernels here can run it (blocked, both ways)."""
    whole_blocks = conv.groups == 1 or (conv.inputs // conv.groups % LANES == 0 == conv.outputs // conv.groups % LANES)
    return whole_blocks and (conv.dilation == (1, 1) or conv.stride == (1, 1))


# ---------------------------------------------------------------- rows


def forward(
    x: Blocked, weights: Ref, bias: Ref | int, y: Blocked, conv: Conv, relu: bool = False, add: Blocked | None = None,
    label: str = "",
) -> list[Row]:  # fmt: skip
    """y = x * weights + bias (+ add, which has y's strides), clipped at 0 for ReLU."""
    (kh, kw), (sh, sw), (dh, dw) = conv.kernel, conv.stride, conv.dilation
    loops = (
        conv.in_blocks, x.plane, conv.cells * BLOCK,
        kh, dh * x.row, kw * BLOCK,
        kw, dw * PIXEL, BLOCK,
    )  # fmt: skip
    lines = _Lines(
        source=x.pixel(-conv.pad[0], -conv.pad[1]), source_image=x.image, source_group=conv.in_blocks * x.plane,
        source_line=sh * x.row, source_pixel=sw * PIXEL, target=y, target_start=y.inner, target_line=y.row,
        target_pixel=PIXEL, height=y.h, width=y.w, weights=weights, out_block=conv.in_blocks * conv.cells * BLOCK,
        out_blocks=conv.out_blocks, groups=conv.groups, loops=loops, bias=bias, relu=relu,
        add=-1 if add is None else _distance(add, y), unroll=LANES,
    )  # fmt: skip
    return together(_line_rows(lines, label))


def forward_first(
    x: Plain, weights: Ref, bias: Ref | int, y: Blocked, conv: Conv, relu: bool = False, label: str = ""
) -> list[Row]:
    """The first layer, few channels, read from a padded NCHW array; weights lie as [out block][in][kh][kw][16]."""
    (kh, kw), (sh, sw), (dh, dw) = conv.kernel, conv.stride, conv.dilation
    loops = (
        conv.inputs, x.plane, conv.cells * PIXEL,
        kh, dh * x.row, kw * PIXEL,
        kw, dw * 4, PIXEL,
    )  # fmt: skip
    lines = _Lines(
        source=x.pixel(-conv.pad[0], -conv.pad[1]), source_image=x.image, source_group=0,
        source_line=sh * x.row, source_pixel=sw * 4, target=y, target_start=y.inner, target_line=y.row,
        target_pixel=PIXEL, height=y.h, width=y.w, weights=weights, out_block=conv.inputs * conv.cells * PIXEL,
        out_blocks=conv.out_blocks, groups=1, loops=loops, bias=bias, relu=relu, add=-1, unroll=1,
    )  # fmt: skip
    return together(_line_rows(lines, label))


def data_gradient(dy: Blocked, weights: Ref, dx: Blocked, conv: Conv, label: str = "") -> list[Row]:
    """dx from dy; the weights are packed the other way round: [group][in block][out block][kh][kw][16 out][16 in]."""
    (kh, kw), (sh, sw) = conv.kernel, conv.stride
    rows = []
    for down in _phases(conv, 0, dx.h):
        for across in _phases(conv, 1, dx.w):
            loops = (
                conv.out_blocks, dy.plane, conv.cells * BLOCK,
                down.taps, -down.back * dy.row, down.skip * kw * BLOCK,
                across.taps, -across.back * PIXEL, across.skip * BLOCK,
            )  # fmt: skip
            lines = _Lines(
                source=dy.pixel(down.first, across.first), source_image=dy.image,
                source_group=conv.out_blocks * dy.plane, source_line=dy.row, source_pixel=PIXEL,
                target=dx, target_start=dx.pixel(down.start, across.start), target_line=sh * dx.row,
                target_pixel=sw * PIXEL, height=down.count, width=across.count,
                weights=weights + (down.cell * kw + across.cell) * BLOCK if down.taps and across.taps else weights,
                out_block=conv.out_blocks * conv.cells * BLOCK, out_blocks=conv.in_blocks, groups=conv.groups,
                loops=loops, bias=NOTHING, relu=False, add=-1, unroll=LANES,
            )  # fmt: skip
            rows += _line_rows(lines, label)
    return together(rows)


def weight_gradient(x: Blocked, dy: Blocked, dw: Ref, conv: Conv, label: str = "") -> list[Row]:
    """The gradient of packed weights. Each block of it is one sum, over images and then lines, in one thread."""
    (kh, kw), (sh, sw), (dh, dwid) = conv.kernel, conv.stride, conv.dilation
    budget = tile_budget()
    lanes = 8 if budget >= 8 else 4 if budget >= 4 else 2
    rows = []
    for first, count, vectors in _vector_groups(conv.out_blocks, max(1, budget // lanes if budget < 28 else 2)):
        arguments = (
            x.pixel(-conv.pad[0], -conv.pad[1]), dy.inner + first * dy.plane,
            dw + first * conv.in_blocks * conv.cells * BLOCK,
            x.n, conv.groups, count, conv.in_blocks, kh, kw, dy.h, dy.w,
            x.image, conv.in_blocks * x.plane, x.plane, sh * x.row, sw * PIXEL, dh * x.row, dwid * PIXEL,
            dy.image, conv.out_blocks * dy.plane, dy.plane, dy.row,
            conv.out_blocks * conv.in_blocks * conv.cells * BLOCK, conv.in_blocks * conv.cells * BLOCK,
            conv.cells * BLOCK, max(1, min(dy.h, TARGET_PIXELS // dy.w)),
        )  # fmt: skip
        rows.append(Row(_weights(lanes, vectors), arguments, label))
    return together(rows)


def weight_gradient_first(x: Plain, dy: Blocked, dw: Ref, conv: Conv, label: str = "") -> list[Row]:
    """The gradient of a first layer's packed weights: the tile's rows are the columns of the kernel."""
    (kh, kw), (sh, sw), (dh, dwid) = conv.kernel, conv.stride, conv.dilation
    rows = []
    for first, count, vectors in _vector_groups(conv.out_blocks, max(1, min(4, tile_budget() // kw))):
        out_block = conv.inputs * conv.cells * PIXEL
        arguments = (
            x.pixel(-conv.pad[0], -conv.pad[1]), dy.inner + first * dy.plane, dw + first * out_block,
            x.n, count, conv.inputs, kh, dy.h, dy.w,
            x.image, x.plane, sh * x.row, sw * 4, dh * x.row, dy.image, dy.plane, dy.row, out_block,
            conv.cells * PIXEL, kw * PIXEL, max(1, min(dy.h, TARGET_PIXELS // dy.w)),
        )  # fmt: skip
        rows.append(Row(_weights_first(kw, vectors, dwid * 4), arguments, label))
    return together(rows)


def bias_gradient(dy: Blocked, db: Ref, label: str = "") -> list[Row]:
    """Write the sum of dy over images and pixels, 16 floats a block."""
    arguments = (dy.inner, db, dy.n, dy.blocks, dy.h, dy.w, dy.image, dy.plane, dy.row, FLOAT_ONE)
    return [Row(_bias, arguments, label)]


@dataclass(frozen=True, slots=True)
class _Lines:
    """What `_line_rows` needs to know; distances in bytes."""

    source: Ref
    source_image: int
    source_group: int
    source_line: int
    source_pixel: int
    target: Blocked
    target_start: Ref
    target_line: int
    target_pixel: int
    height: int
    width: int
    weights: Ref
    out_block: int
    out_blocks: int
    groups: int
    loops: tuple[int, ...]
    bias: Ref | int
    relu: bool
    add: int
    unroll: int


def _line_rows(s: _Lines, label: str) -> list[Row]:
    cut = cut_line(s.width, s.out_blocks)
    rows = []
    for first, count, vectors in _vector_groups(s.out_blocks, cut.vectors):
        part = cut if vectors == cut.vectors else cut_line_with(s.width, vectors)
        moved = replace(
            s, target_start=s.target_start + first * s.target.plane, weights=s.weights + first * s.out_block,
            bias=s.bias + first * PIXEL if isinstance(s.bias, Ref) else s.bias,
        )  # fmt: skip
        rows.append(_line_row(moved, part, count, label))
    return rows


def _line_row(s: _Lines, cut: Cut, count: int, label: str) -> Row:
    target, vectors = s.target, cut.vectors
    large = s.out_blocks * s.groups * s.out_block > LARGE_WEIGHTS
    arguments = (
        s.source, s.weights, s.target_start, s.bias, s.add, int(s.relu),
        target.n, s.groups, count, s.height, cut.full,
        s.source_image, s.source_group, target.image, s.out_blocks * target.plane,
        s.out_blocks * s.out_block, s.out_blocks * PIXEL if isinstance(s.bias, Ref) else 0,
        s.source_line, s.target_line, s.out_block, target.plane, *s.loops,
        max(1, min(s.height, TARGET_PIXELS // s.width)), int(large), PIXEL if isinstance(s.bias, Ref) else 0,
    )  # fmt: skip
    return Row(_lines(cut.rows, cut.rest, vectors, s.unroll, s.source_pixel, s.target_pixel), arguments, label)


def _vector_groups(total: int, vectors: int) -> list[tuple[int, int, int]]:
    """`total` blocks as groups of `vectors`, then one group of what is left: (first block, groups, blocks a group)."""
    found = [(0, total // vectors, vectors)] if total >= vectors else []
    if total % vectors:
        found.append((total - total % vectors, 1, total % vectors))
    return found


def _distance(other: Blocked, y: Blocked) -> int:
    """Bytes from y to a blob of the same strides in the same array."""
    assert (other.row, other.plane, other.image) == (y.row, y.plane, y.image)
    assert other.inner.array == y.inner.array
    return other.inner.offset - y.inner.offset


# ---------------------------------------------------------------- kernels


@functools.cache
def _lines(rows: int, rest: int, vectors: int, unroll: int, a_row: int, c_row: int) -> Entry:
    """Lines of pixels, cut into tiles of `rows` pixels and one of `rest`."""
    last = rest or rows

    @entry
    def body(row: int, tid: int, nth: int) -> None:
        source, weights, target = arg(row, 0), arg(row, 1), arg(row, 2)
        bias, add, relu = arg(row, 3), arg(row, 4), arg(row, 5)
        images, groups, outs, height, full = arg(row, 6), arg(row, 7), arg(row, 8), arg(row, 9), arg(row, 10)
        a_image, a_group, c_image, c_group = arg(row, 11), arg(row, 12), arg(row, 13), arg(row, 14)
        b_group, bias_group, a_line, c_line = arg(row, 15), arg(row, 16), arg(row, 17), arg(row, 18)
        b_vector, c_vector = arg(row, 19), arg(row, 20)
        n0, a0, b0, n1, a1, b1 = arg(row, 21), arg(row, 22), arg(row, 23), arg(row, 24), arg(row, 25), arg(row, 26)
        n2, a2, b2, lines, large, bias_vector = (
            arg(row, 27), arg(row, 28), arg(row, 29), arg(row, 30), arg(row, 31), arg(row, 32),
        )  # fmt: skip
        bands = (height + lines - 1) // lines
        spots = images * bands
        outs *= groups
        for item in range(spots * outs * tid // nth, spots * outs * (tid + 1) // nth):
            if large:
                out, spot = item // spots, item % spots
            else:
                spot, out = item // outs, item % outs
            n, top = spot // bands, spot % bands * lines
            group, out = out * groups // outs, out % (outs // groups)
            a_start = source + n * a_image + group * a_group
            c_start = target + n * c_image + group * c_group + out * vectors * c_vector
            b = weights + group * b_group + out * vectors * b_vector
            bias_at = bias + group * bias_group + out * vectors * bias_vector
            for y in range(top, min(top + lines, height)):
                a, c = a_start + y * a_line, c_start + y * c_line
                for _ in range(full):
                    tile(
                        rows, vectors, unroll, a_row, c_row, a, b, c, bias_at, add, relu, b_vector, c_vector,
                        n0, a0, b0, n1, a1, b1, n2, a2, b2,
                    )  # fmt: skip
                    a += rows * a_row
                    c += rows * c_row
                if rest > 0:
                    tile(
                        last, vectors, unroll, a_row, c_row, a, b, c, bias_at, add, relu, b_vector, c_vector,
                        n0, a0, b0, n1, a1, b1, n2, a2, b2,
                    )  # fmt: skip

    return body


@functools.cache
def _weights(lanes: int, vectors: int) -> Entry:
    """Tiles of `lanes` input channels by `vectors` output blocks, summed over the pixels of a band of lines."""
    parts = LANES // lanes

    @entry
    def body(row: int, tid: int, nth: int) -> None:
        x, dy, dw = arg(row, 0), arg(row, 1), arg(row, 2)
        images, groups, outs, ins, kh, kw = arg(row, 3), arg(row, 4), arg(row, 5), arg(row, 6), arg(row, 7), arg(row, 8)
        height, width = arg(row, 9), arg(row, 10)
        a_image, a_group, a_plane, a_line, a_pixel = arg(row, 11), arg(row, 12), arg(row, 13), arg(row, 14), arg(row, 15)
        cell_line, cell_pixel = arg(row, 16), arg(row, 17)
        b_image, b_group, b_plane, b_line = arg(row, 18), arg(row, 19), arg(row, 20), arg(row, 21)
        c_group, c_out, c_in, lines = arg(row, 22), arg(row, 23), arg(row, 24), arg(row, 25)
        items = groups * outs * ins * kh
        for item in range(items * tid // nth, items * (tid + 1) // nth):
            ky, rest = item % kh, item // kh
            i, rest = rest % ins, rest // ins
            out, group = rest % outs, rest // outs
            a_start = x + group * a_group + i * a_plane + ky * cell_line
            b_start = dy + group * b_group + out * vectors * b_plane
            c_start = dw + group * c_group + out * vectors * c_out + i * c_in + ky * kw * 1024
            add = -1
            for n in range(images):
                for top in range(0, height, lines):
                    here = min(lines, height - top)
                    a = a_start + n * a_image + top * a_line
                    b = b_start + n * b_image + top * b_line
                    for kx in range(kw):
                        for part in range(parts):
                            tile(
                                lanes, vectors, 1, 4, 64, a + kx * cell_pixel + part * lanes * 4, b,
                                c_start + kx * 1024 + part * lanes * 64, 0, add, 0, b_plane, c_out,
                                1, 0, 0, here, a_line, b_line, width, a_pixel, 64,
                            )  # fmt: skip
                    add = 0

    return body


@functools.cache
def _weights_first(columns: int, vectors: int, a_row: int) -> Entry:
    @entry
    def body(row: int, tid: int, nth: int) -> None:
        x, dy, dw = arg(row, 0), arg(row, 1), arg(row, 2)
        images, outs, ins, kh, height, width = arg(row, 3), arg(row, 4), arg(row, 5), arg(row, 6), arg(row, 7), arg(row, 8)
        a_image, a_plane, a_line, a_pixel, cell_line = arg(row, 9), arg(row, 10), arg(row, 11), arg(row, 12), arg(row, 13)
        b_image, b_plane, b_line = arg(row, 14), arg(row, 15), arg(row, 16)
        c_out, c_in, c_line, lines = arg(row, 17), arg(row, 18), arg(row, 19), arg(row, 20)
        items = outs * ins * kh
        for item in range(items * tid // nth, items * (tid + 1) // nth):
            ky, rest = item % kh, item // kh
            i, out = rest % ins, rest // ins
            a_start = x + i * a_plane + ky * cell_line
            b_start = dy + out * vectors * b_plane
            c = dw + out * vectors * c_out + i * c_in + ky * c_line
            add = -1
            for n in range(images):
                for top in range(0, height, lines):
                    tile(
                        columns, vectors, 1, a_row, 64, a_start + n * a_image + top * a_line,
                        b_start + n * b_image + top * b_line, c, 0, add, 0, b_plane, c_out,
                        1, 0, 0, min(lines, height - top), a_line, b_line, width, a_pixel, 64,
                    )  # fmt: skip
                    add = 0

    return body


@entry
def _bias(row: int, tid: int, nth: int) -> None:
    dy, db, images, planes = arg(row, 0), arg(row, 1), arg(row, 2), arg(row, 3)
    height, width, image, plane, line = arg(row, 4), arg(row, 5), arg(row, 6), arg(row, 7), arg(row, 8)
    one = row + 9 * 8  # the sum is a product with the float 1 in the row itself
    for block in range(planes * tid // nth, planes * (tid + 1) // nth):
        for n in range(images):
            tile(
                1, 1, 1, 0, 64, one, dy + n * image + block * plane, db + block * 64, 0, -1 if n == 0 else 0, 0, 0, 0,
                1, 0, 0, height, 0, line, width, 0, 64,
            )  # fmt: skip
