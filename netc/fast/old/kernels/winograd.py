"""Winograd convolution for kernels of stride 1: F(4x4, 3x3) and F(4x4, 5x5).

4 x 4 tops take 36 multiply-adds instead of 144 for a 3 x 3 kernel, 64 instead of 400 for a 5 x 5 kernel. Forward is
A^T [(G g G^T) * (B^T d B)] A over tiles of tops and their squares of bottoms; the data gradient is the same with the
kernel turned round, the weight gradient is the adjoint G^T [sum (B^T d B) * (A dy A^T)] G. (A. Lavin, S. Gray, Fast
Algorithms for Convolutional Neural Networks, 2015.)

Each product sums over input channels in ascending order, a weight gradient over tiles in ascending order, in
one thread: how tiles are cut into chunks, and who does them, changes no bit. Rounding errors are about 4 times those
of direct convolution, so `exact` never comes here.
"""

from __future__ import annotations

from dataclasses import dataclass

from netc.fast.convolution.geometry import Conv
from netc.fast.machine.emit import VECTOR_BYTES
from netc.fast.machine.launch import Argument, Launch, Ref, together
from netc.fast.machine.layout import PIXEL, Blocked
from netc.fast.old.kernels.winograd_emit import SIDE, points
from netc.fast.old.kernels.winograd_kernels import (
    points_to_weights,
    products,
    read_squares,
    weight_products,
    weights_to_points,
    write_squares,
)
from netc.fast.old.nothing import NOTHING
from netc.jit import Entry, features

BLOCK = 16 * VECTOR_BYTES
OWN_BYTES = 1 << 20  # points and results of a thread's share that stay in its cache
OWN_TILES = 28  # fewer, and weights are read too often
CHUNK_BYTES = 1 << 21, 1 << 24  # the same of a chunk that all threads share, least and most
ROWS = {"avx512": (14, 13, 11, 8, 4), "avx2": (6, 5, 4), "plain": (3, 2)}  # tiles at a time: few values, few kernels
VECTORS = {"avx512": 2, "avx2": 1, "plain": 1}
SQUARE_COST = 8  # of transforming a pixel of one channel, in multiply-adds
LANES_OF_SUMS = {"avx512": 8, "avx2": 4, "plain": 2}


@dataclass(frozen=True, slots=True)
class Cut:
    """How tiles are worked on: `rows` at a time by `vectors` output blocks, `chunk` in the workspace.

    own: each thread takes chunks of its own through all three phases; else threads share the phases of a chunk.
    """

    rows: int
    vectors: int
    chunk: int
    own: bool


# ---------------------------------------------------------------- when, and how


def supported(conv: Conv) -> bool:
    """Whether the kernels here can run it."""
    whole_blocks = conv.groups == 1 or (conv.inputs // conv.groups % 16 == 0 == conv.outputs // conv.groups % 16)
    return whole_blocks and conv.kernel in ((3, 3), (5, 5)) and conv.stride == (1, 1) == conv.dilation


def tiles(conv: Conv, n: int) -> int:
    """How many tiles n images have."""
    return n * -(-conv.out[0] // SIDE) * -(-conv.out[1] // SIDE)


def cut(conv: Conv, n: int) -> Cut:
    """The cut for n images: least waste in the last rows, then most rows."""
    count, ins, outs, size = tiles(conv, n), conv.in_blocks, conv.out_blocks, points(conv.kernel[0])
    rows = min(ROWS[features()], key=lambda r: (-(-count // r) * (r + 1), -r))
    vectors = min(VECTORS[features()], outs)
    tile_bytes = size * (ins + outs) * PIXEL
    whole = -(-count // rows) * rows
    own = OWN_TILES * tile_bytes <= OWN_BYTES and count > 4 * rows
    most = max(1, (OWN_BYTES if own else _chunk_bytes(conv)) // tile_bytes // rows)
    units = whole // rows
    return Cut(rows, vectors, -(-units // -(-units // most)) * rows, own)


def _chunk_bytes(conv: Conv) -> int:
    """As much as the weights, which are read (or their gradient, read and written) once a chunk."""
    least, most = CHUNK_BYTES
    return min(most, max(least, points(conv.kernel[0]) * conv.in_blocks * conv.out_blocks * BLOCK))


def _spread(nbytes: int) -> int:
    """A distance of at least that many bytes between points, such that no two of them fall into one set of a cache."""
    return -(-nbytes // 4096) * 4096 + 5 * 64


def faster(conv: Conv, n: int, prepared: bool = False) -> bool:
    """Whether it takes less time than direct convolution, by multiply-adds and what takes as long, as measured.

    prepared: whether weights are transformed once, not each step. Else that takes as long as 700 multiply-adds for each
    pair of channels (for 3 x 3), packing them for the direct kernels 300. So deep layers on few pixels stay direct.
    """
    ins, outs, size = 16 * conv.in_blocks, 16 * conv.out_blocks, points(conv.kernel[0])
    plan, count = cut(conv, n), tiles(conv, n)
    multiplied = size * -(-count // plan.rows) * (plan.rows + 2)  # small tiles wait for their weights
    weights, packed = (0, 0) if prepared else (16 * size + 14 * conv.cells, 33 * conv.cells)
    winograd = (multiplied + weights) * ins * outs + SQUARE_COST * size * count * (ins + outs)
    direct = (conv.cells * n * conv.out[0] * conv.out[1] + packed) * ins * outs
    return 1.1 * winograd < direct


def weight_bytes(conv: Conv) -> int:
    """The size of transformed weights, either way round."""
    return conv.groups * points(conv.kernel[0]) * _spread(conv.out_blocks * conv.in_blocks * BLOCK)


def scratch_bytes(conv: Conv, threads: int) -> int:
    """What transforming weights, or their gradient back, needs: a block of them, and the same transposed."""
    return threads * 2 * conv.cells * BLOCK


def workspace_bytes(conv: Conv, n: int, threads: int) -> int:
    """What forward needs as workspace; for the data gradient, give the convolution that `turned` makes."""
    plan = cut(conv, n)
    space = sum(_spread(blocks * plan.chunk * PIXEL) for blocks in (conv.in_blocks, conv.out_blocks))
    return points(conv.kernel[0]) * space * (threads if plan.own else 1)


def turned(conv: Conv) -> Conv:
    """The convolution of a top's diff that gives the bottom's."""
    pad = (conv.kernel[0] - 1 - conv.pad[0], conv.kernel[1] - 1 - conv.pad[1])
    return Conv(conv.outputs, conv.inputs, conv.out, conv.size, conv.kernel, pad=pad, groups=conv.groups)


# ---------------------------------------------------------------- rows


def transform_weights(
    source: Ref, target: Ref, scratch: Ref, conv: Conv, backward: bool = False, factor: Ref | int = NOTHING,
    label: str = "",
) -> list[Launch]:  # fmt: skip
    """Caffe's weights to points, once a step; backward: for the data gradient. factor: as `pack_weights` takes it."""
    ins, outs = conv.inputs // conv.groups, conv.outputs // conv.groups
    step = _spread(conv.out_blocks * conv.in_blocks * BLOCK)
    rows = []
    for group in range(conv.groups):
        places = source + group * outs * ins * conv.cells * 4, target + group * points(conv.kernel[0]) * step
        scale = factor + group * conv.out_blocks * PIXEL if isinstance(factor, Ref) else NOTHING
        sizes = conv.kernel[0], outs, ins
        rows.append(Launch(weights_to_points, (*places, step, scratch, *sizes, int(backward), scale), label))
    return rows


def forward(
    x: Blocked, weights: Ref, bias: Ref | int, y: Blocked, conv: Conv, work: Ref, relu: bool = False,
    add: Blocked | None = None, label: str = "",
) -> list[Launch]:  # fmt: skip
    """y = x * weights + bias (+ add, whose rows, planes and images are as far apart as y's), clipped at 0 for ReLU."""
    assert add is None or (add.line, add.plane, add.image) == (y.line, y.plane, y.image)
    step = _spread(conv.out_blocks * conv.in_blocks * BLOCK)
    rows = []
    for group in range(conv.groups):
        shift = bias + group * conv.out_blocks * PIXEL if isinstance(bias, Ref) else NOTHING
        source = x.pixel(-conv.pad[0], -conv.pad[1]) + group * conv.in_blocks * x.plane
        target = y.inner + group * conv.out_blocks * y.plane
        beside = NOTHING if add is None else add.inner + group * conv.out_blocks * y.plane
        common = (y.h, y.w, x.image, x.plane, x.line, y.image, y.plane, y.line, beside, int(relu), conv.kernel[0])
        here = weights + group * points(conv.kernel[0]) * step
        rows += _convolve(common, (source, target, shift, here, work), conv, y.n, label)
    return rows


def _convolve(
    common: tuple[Argument, ...], places: tuple[Ref, Ref, Ref | int, Ref, Ref], conv: Conv, n: int, label: str
) -> list[Launch]:
    source, target, bias, weights, work = places
    ins, outs = conv.in_blocks, conv.out_blocks
    count, plan, size = tiles(conv, n), cut(conv, n), points(conv.kernel[0])
    room = plan.chunk
    steps = [_spread(blocks * room * PIXEL) for blocks in (ins, outs)]
    results = work + size * steps[0]
    own = size * sum(steps)
    whole, rest = divmod(conv.inputs // conv.groups, 16)
    depth = whole, -(-rest // 4)
    kernel = products(plan.rows, plan.vectors, outs % plan.vectors != 0)
    inner = (source, target, bias, weights, work, results, own, ins, outs, _spread(outs * ins * BLOCK), *steps)
    if plan.own:
        return [Launch(kernel, (*common, *inner, count, room, room // plan.rows, *depth), label)]
    rows = []
    for first in range(0, count, room):
        here = min(room, count - first)
        rows += [
            Launch(read_squares, (*common, source, work, ins, steps[0], first, here, room, 0), label),
            Launch(kernel, (*common, *inner, here, room, 0, *depth), label),
            Launch(write_squares, (*common, results, target, outs, steps[1], first, here, room, bias), label),
        ]
    return rows


def data_gradient(
    dy: Blocked, weights: Ref, dx: Blocked, conv: Conv, work: Ref, add: bool = False, label: str = ""
) -> list[Launch]:
    """dx (+)= what dy gives it, with weights transformed `backward`."""
    return forward(dy, weights, NOTHING, dx, turned(conv), work, add=dx if add else None, label=label)


# ---------------------------------------------------------------- weight gradient


def gradient_chunk(conv: Conv, n: int) -> int:
    """How many tiles' points the weight gradient keeps at a time."""
    tile_bytes = points(conv.kernel[0]) * (conv.in_blocks + conv.out_blocks) * PIXEL
    count = tiles(conv, n)
    chunks = -(-count * tile_bytes // _chunk_bytes(conv))
    return -(-count // min(count, chunks))


def gradient_workspace_bytes(conv: Conv, n: int, threads: int) -> int:
    """What the weight gradient needs as workspace."""
    chunk = gradient_chunk(conv, n)
    sizes = conv.in_blocks * chunk * PIXEL, conv.out_blocks * chunk * PIXEL, conv.in_blocks * conv.out_blocks * BLOCK
    return points(conv.kernel[0]) * sum(_spread(size) for size in sizes) + scratch_bytes(conv, threads)


def weight_gradient(x: Blocked, dy: Blocked, dw: Ref, conv: Conv, work: Ref, label: str = "") -> list[Launch]:
    """dw (Caffe's order) += the gradient of the weights."""
    ins, outs = conv.inputs // conv.groups, conv.outputs // conv.groups
    rows = []
    for group in range(conv.groups):
        source = x.pixel(-conv.pad[0], -conv.pad[1]) + group * conv.in_blocks * x.plane
        target = dy.inner + group * conv.out_blocks * dy.plane
        rows += _gradient((x, source), (dy, target), dw + group * outs * ins * conv.cells * 4, conv, work, label)
    return rows


def _gradient(
    bottom: tuple[Blocked, Ref], top: tuple[Blocked, Ref], dw: Ref, conv: Conv, work: Ref, label: str
) -> list[Launch]:
    (x, source), (dy, target) = bottom, top
    ins, outs = conv.in_blocks, conv.out_blocks
    count, room, size = tiles(conv, dy.n), gradient_chunk(conv, dy.n), points(conv.kernel[0])
    steps = [_spread(blocks * room * PIXEL) for blocks in (ins, outs)]
    sum_step = _spread(ins * outs * BLOCK)
    tops = work + size * steps[0]
    sums = tops + size * steps[1]
    scratch = sums + size * sum_step
    rows: list[Launch] = []
    for first in range(0, count, room):
        here = min(room, count - first)
        spot, nothing = (first, here, room), (0, 0, 0, NOTHING, 0, conv.kernel[0])
        read_x = (dy.h, dy.w, x.image, x.plane, x.line, *nothing, source, work, ins, steps[0], *spot, 0)
        read_dy = (dy.h, dy.w, dy.image, dy.plane, dy.line, *nothing, target, tops, outs, steps[1], *spot, 1)
        rows += together([Launch(read_squares, read_x, label), Launch(read_squares, read_dy, label)])
        add = -1 if first == 0 else 0
        rows += together(
            [
                Launch(kernel, (work, tops + start * room * PIXEL, sums + start * ins * BLOCK, *steps, sum_step, ins,
                             groups, here, room, add, size, conv.inputs // conv.groups), label)
                for start, groups, kernel in _sums_of(outs)
            ]
        )  # fmt: skip
    sizes = conv.outputs // conv.groups, conv.inputs // conv.groups
    return [*rows, Launch(points_to_weights, (sums, dw, sum_step, scratch, conv.kernel[0], *sizes), label)]


def _sums_of(outs: int) -> list[tuple[int, int, Entry]]:
    """Output blocks by groups of vectors, then what is left: (first block, groups, kernel)."""
    lanes, vectors = LANES_OF_SUMS[features()], min(VECTORS[features()], outs)
    found = [(0, outs // vectors, weight_products(lanes, vectors))]
    if outs % vectors:
        found.append((outs - outs % vectors, 1, weight_products(lanes, outs % vectors)))
    return found
