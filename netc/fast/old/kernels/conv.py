"""Convolution on blocked blobs by the tile: forward, data gradient, weight gradient, bias gradient.

Forward and data gradient are one kernel: a line of pixels times 16 x 16 blocks of weights, summed over input blocks and
kernel cells. A strided data gradient is one such convolution for each phase of the input pixels, over the cells that
meet that phase. Packed weights lie as [group][out block][in block][kh][kw][16 in][16 out] (see `weights`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import gcd

from netc.fast.machine.emit import LANES, tile_budget
from netc.fast.machine.launch import Launch, Ref, together
from netc.fast.machine.layout import PIXEL, Blocked, Halo, Plain, blocks
from netc.fast.machine.tiles import Cut, cut_line, cut_line_with
from netc.fast.old.kernels.conv_kernels import bias_sums, line_tiles, weight_tiles, weight_tiles_first
from netc.fast.old.nothing import NOTHING
from netc.kernels.windows import Axis

BLOCK = LANES * LANES * 4  # bytes of a 16 x 16 block of weights
TARGET_PIXELS = 200  # a block of lines that stays in the first-level cache with its weights
LARGE_WEIGHTS = 1 << 20  # more than this many bytes: one pass over the images for each group of output channels
FLOAT_ONE = 0x3F800000


@dataclass(frozen=True, slots=True)
class Conv:
    """A convolution's geometry; pairs are (height, width). `inputs` and `outputs` are channels over all groups.

    size: of the bottom; out: of the top; pad: cells before the first (what comes after follows from the sizes).
    """

    inputs: int
    outputs: int
    size: tuple[int, int]
    out: tuple[int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    pad: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    @staticmethod
    def of(inputs: int, outputs: int, groups: int, axes: tuple[Axis, Axis]) -> Conv:
        """The convolution whose windows are these."""
        h, w = axes
        return Conv(
            inputs, outputs, (h.size, w.size), (h.out, w.out), (h.kernel, w.kernel), (h.stride, w.stride),
            (h.before, w.before), (h.dilation, w.dilation), groups,
        )  # fmt: skip

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

    @property
    def halo(self) -> Halo:
        """The halo that forward and weight gradient need around the bottom."""
        ends = []
        for axis, size in enumerate(self.size):
            last = (self.out[axis] - 1) * self.stride[axis] + self.dilation[axis] * (self.kernel[axis] - 1)
            ends.append(max(0, last - self.pad[axis] - size + 1))
        return Halo(self.pad[0], self.pad[1], ends[0], ends[1])

    @property
    def gradient_halo(self) -> Halo:
        """The halo that the data gradient needs around the top's diff."""
        before, after = [0, 0], [0, 0]
        for axis in (0, 1):
            for phase in phases(self, axis):
                if not phase.taps:
                    continue
                before[axis] = max(before[axis], (phase.taps - 1) * phase.back - phase.first)
                after[axis] = max(after[axis], phase.first + phase.count - self.out[axis])
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


def phases(conv: Conv, axis: int) -> list[Phase]:
    size, stride, pad = conv.size[axis], conv.stride[axis], conv.pad[axis]
    kernel, dilation = conv.kernel[axis], conv.dilation[axis]
    step = gcd(stride, dilation)
    found = []
    for start in range(min(stride, size)):
        count = len(range(start, size, stride))
        cells = [k for k in range(kernel) if (start + pad - dilation * k) % stride == 0]
        first = (start + pad - dilation * cells[0]) // stride if cells else 0
        found.append(Phase(start, count, len(cells), cells[0] if cells else 0, stride // step, first, dilation // step))
    return found


# ---------------------------------------------------------------- rows


def forward(
    x: Blocked, weights: Ref, bias: Ref | int, y: Blocked, conv: Conv, relu: bool = False, add: Blocked | None = None,
    label: str = "",
) -> list[Launch]:  # fmt: skip
    """y = x * weights + bias (+ add, whose rows, planes and images are as far apart as y's), clipped at 0 for ReLU."""
    (kh, kw), (sh, sw), (dh, dw) = conv.kernel, conv.stride, conv.dilation
    loops = (
        conv.in_blocks, x.plane, conv.cells * BLOCK,
        kh, dh * x.line, kw * BLOCK,
        kw, dw * PIXEL, BLOCK,
    )  # fmt: skip
    lines = _Lines(
        source=x.pixel(-conv.pad[0], -conv.pad[1]), source_image=x.image, source_group=conv.in_blocks * x.plane,
        source_line=sh * x.line, source_pixel=sw * PIXEL, target=y, target_start=y.inner, target_line=y.line,
        target_pixel=PIXEL, height=y.h, width=y.w, weights=weights, out_block=conv.in_blocks * conv.cells * BLOCK,
        out_blocks=conv.out_blocks, groups=conv.groups, loops=loops, bias=bias, relu=relu,
        add=NOTHING if add is None else _beside(add, y), unroll=LANES, lines=(-conv.pad[0], sh, dh, x.h),
    )  # fmt: skip
    return together(_line_rows(lines, label))


def forward_first(
    x: Plain, weights: Ref, bias: Ref | int, y: Blocked, conv: Conv, relu: bool = False, label: str = ""
) -> list[Launch]:
    """The first layer, few channels, read from a padded NCHW array; weights lie as [out block][in][kh][kw][16]."""
    (kh, kw), (sh, sw), (dh, dw) = conv.kernel, conv.stride, conv.dilation
    loops = (
        conv.inputs, x.plane, conv.cells * PIXEL,
        kh, dh * x.line, kw * PIXEL,
        kw, dw * 4, PIXEL,
    )  # fmt: skip
    lines = _Lines(
        source=x.pixel(-conv.pad[0], -conv.pad[1]), source_image=x.image, source_group=0,
        source_line=sh * x.line, source_pixel=sw * 4, target=y, target_start=y.inner, target_line=y.line,
        target_pixel=PIXEL, height=y.h, width=y.w, weights=weights, out_block=conv.inputs * conv.cells * PIXEL,
        out_blocks=conv.out_blocks, groups=1, loops=loops, bias=bias, relu=relu, add=NOTHING, unroll=1,
        lines=(-conv.pad[0], sh, dh, x.h),
    )  # fmt: skip
    return together(_line_rows(lines, label))


def data_gradient(
    dy: Blocked, weights: Ref, dx: Blocked, conv: Conv, add: bool = False, label: str = "", bias: Ref | int = NOTHING
) -> list[Launch]:
    """dx (+)= what dy gives it. Weights are packed the other way: [group][in block][out block][kh][kw][out][in].

    bias: of a Deconvolution, for which dx is the top.
    """
    kw, (sh, sw) = conv.kernel[1], conv.stride
    rows = []
    for down in phases(conv, 0):
        for across in phases(conv, 1):
            loops = (
                conv.out_blocks, dy.plane, conv.cells * BLOCK,
                down.taps, -down.back * dy.line, down.skip * kw * BLOCK,
                across.taps, -across.back * PIXEL, across.skip * BLOCK,
            )  # fmt: skip
            lines = _Lines(
                source=dy.pixel(down.first, across.first), source_image=dy.image,
                source_group=conv.out_blocks * dy.plane, source_line=dy.line, source_pixel=PIXEL,
                target=dx, target_start=dx.pixel(down.start, across.start), target_line=sh * dx.line,
                target_pixel=sw * PIXEL, height=down.count, width=across.count,
                weights=weights + (down.cell * kw + across.cell) * BLOCK if down.taps and across.taps else weights,
                out_block=conv.out_blocks * conv.cells * BLOCK, out_blocks=conv.in_blocks, groups=conv.groups,
                loops=loops, bias=bias, relu=False,
                add=dx.pixel(down.start, across.start) if add else NOTHING, unroll=LANES,
                lines=(down.first, 1, -down.back, dy.h),
            )  # fmt: skip
            rows += _line_rows(lines, label)
    return together(rows)


def weight_gradient(x: Blocked, dy: Blocked, dw: Ref, conv: Conv, label: str = "") -> list[Launch]:
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
            x.image, conv.in_blocks * x.plane, x.plane, sh * x.line, sw * PIXEL, dh * x.line, dwid * PIXEL,
            dy.image, conv.out_blocks * dy.plane, dy.plane, dy.line,
            conv.out_blocks * conv.in_blocks * conv.cells * BLOCK, conv.in_blocks * conv.cells * BLOCK,
            conv.cells * BLOCK, max(1, min(dy.h, TARGET_PIXELS // dy.w)),
        )  # fmt: skip
        rows.append(Launch(weight_tiles(lanes, vectors), arguments, label))
    return together(rows)


def weight_gradient_first(x: Plain, dy: Blocked, dw: Ref, conv: Conv, label: str = "") -> list[Launch]:
    """The gradient of a first layer's packed weights: the tile's rows are the columns of the kernel."""
    (kh, kw), (sh, sw), (dh, dwid) = conv.kernel, conv.stride, conv.dilation
    rows = []
    for first, count, vectors in _vector_groups(conv.out_blocks, max(1, min(4, tile_budget() // kw))):
        out_block = conv.inputs * conv.cells * PIXEL
        arguments = (
            x.pixel(-conv.pad[0], -conv.pad[1]), dy.inner + first * dy.plane, dw + first * out_block,
            x.n, count, conv.inputs, kh, dy.h, dy.w,
            x.image, x.plane, sh * x.line, sw * 4, dh * x.line, dy.image, dy.plane, dy.line, out_block,
            conv.cells * PIXEL, kw * PIXEL, max(1, min(dy.h, TARGET_PIXELS // dy.w)),
        )  # fmt: skip
        rows.append(Launch(weight_tiles_first(kw, vectors, dwid * 4), arguments, label))
    return together(rows)


def bias_gradient(dy: Blocked, db: Ref, label: str = "") -> list[Launch]:
    """Write the sum of dy over images and pixels, 16 floats a block."""
    arguments = (dy.inner, db, dy.n, dy.blocks, dy.h, dy.w, dy.image, dy.plane, dy.line, FLOAT_ONE)
    return [Launch(bias_sums, arguments, label)]


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
    add: Ref | int
    unroll: int
    lines: tuple[int, int, int, int]  # line read for line 0 and tap 0; more a line, and a tap; lines there are


def _line_rows(s: _Lines, label: str) -> list[Launch]:
    cut = cut_line(s.width, s.out_blocks)
    rows = []
    for first, count, vectors in _vector_groups(s.out_blocks, cut.vectors):
        part = cut if vectors == cut.vectors else cut_line_with(s.width, vectors)
        moved = replace(
            s, target_start=s.target_start + first * s.target.plane, weights=s.weights + first * s.out_block,
            bias=s.bias + first * PIXEL if isinstance(s.bias, Ref) else s.bias,
            add=s.add + first * s.target.plane if isinstance(s.add, Ref) else s.add,
        )  # fmt: skip
        rows.append(_line_row(moved, part, count, label))
    return rows


def _line_row(s: _Lines, cut: Cut, count: int, label: str) -> Launch:
    target, vectors = s.target, cut.vectors
    large = s.out_blocks * s.groups * s.out_block > LARGE_WEIGHTS
    arguments = (
        s.source, s.weights, s.target_start, s.bias, s.add, int(s.relu),
        target.n, s.groups, count, s.height, cut.full,
        s.source_image, s.source_group, target.image, s.out_blocks * target.plane,
        s.out_blocks * s.out_block, s.out_blocks * PIXEL if isinstance(s.bias, Ref) else 0,
        s.source_line, s.target_line, s.out_block, target.plane, *s.loops,
        max(1, min(s.height, TARGET_PIXELS // s.width)), int(large), PIXEL if isinstance(s.bias, Ref) else 0,
        *s.lines, s.target_pixel,
    )  # fmt: skip
    return Launch(line_tiles(cut.rows, cut.rest, vectors, s.unroll, s.source_pixel), arguments, label)


def _vector_groups(total: int, vectors: int) -> list[tuple[int, int, int]]:
    """`total` blocks as groups of `vectors`, then one group of what is left: (first block, groups, blocks a group)."""
    found = [(0, total // vectors, vectors)] if total >= vectors else []
    if total % vectors:
        found.append((total - total % vectors, 1, total % vectors))
    return found


def _beside(other: Blocked, y: Blocked) -> Ref:
    """The first pixel of a blob that is read along with y."""
    assert (other.line, other.plane, other.image) == (y.line, y.plane, y.image)
    return other.inner
