"""Winograd convolution for kernels of stride 1: F(4x4, 3x3), F(4x4, 5x5), and sums of F(4x4, 4x4) for others.

A dilated one is one of each phase of its pixels.

4 x 4 tops take 36 multiply-adds instead of 144 for a 3 x 3 kernel, 64 instead of 400 for a 5 x 5 kernel, 169 instead of
784 for a 7 x 7 kernel in four pieces (`points.Pieces`). Forward is
A^T [(G g G^T) * (B^T d B)] A over tiles of tops and their squares of bottoms; the data gradient is the same with the
kernel turned round, the weight gradient is the adjoint G^T [sum (B^T d B) * (A dy A^T)] G. (A. Lavin, S. Gray, Fast
Algorithms for Convolutional Neural Networks, 2015.)

Each product sums over input channels in ascending order, a weight gradient over tiles in ascending order, in
one thread: how tiles are cut into chunks, and who does them, changes no bit. Rounding errors are about 4 times those
of direct convolution, so `exact` never comes here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

from netc.fast.convolution.geometry import BLOCK, Conv
from netc.fast.convolution.lines import block_runs
from netc.fast.machine.activation import IDENTITY, Activation
from netc.fast.machine.emit import LANES
from netc.fast.machine.launch import NOTHING, Launch, Region, together
from netc.fast.machine.layout import NO_BLOB, Blocked
from netc.fast.winograd.cut import Cut, cut, gradient_chunk, grid, phases, pieces_of, tiles, vectors
from netc.fast.winograd.kernels import products, read_squares, weight_products, write_squares
from netc.fast.winograd.points import Points, Tiles, cut_points, points_bytes
from netc.fast.winograd.weights import points_to_weights, weights_to_points
from netc.jit import features

LANES_OF_SUMS = {"avx512": 8, "avx2": 4, "plain": 2}

# ---------------------------------------------------------------- memory


def weight_bytes(conv: Conv) -> int:
    """The size of transformed weights, either way round."""
    return conv.groups * points_bytes(pieces_of(conv).size, _panels(conv), LANES)


def _panels(conv: Conv) -> int:
    """Blocks of 16 x 16 transformed weights a point."""
    return conv.out_blocks * pieces_of(conv).parts ** 2 * conv.in_blocks


def scratch_bytes(conv: Conv, threads: int) -> int:
    """What transforming weights, or their gradient back, needs: a block of them, and the same transposed."""
    return threads * 2 * conv.cells * BLOCK


def workspace_bytes(conv: Conv, n: int, threads: int) -> int:
    """What forward needs as workspace; for the data gradient, give the convolution that `turned` makes."""
    plan, size = cut(conv, n), pieces_of(conv).size
    rooms = (conv.in_blocks, _bottom_room(conv, plan)), (conv.out_blocks, plan.chunk)
    return sum(points_bytes(size, blocks, room) for blocks, room in rooms) * (threads if plan.own else 1)


def _bottom_room(conv: Conv, plan: Cut) -> int:
    """Room for the tiles of a chunk, and for those that pieces of the kernel see beyond."""
    return plan.chunk + (pieces_of(conv).parts - 1) * (grid(conv)[1] + 1)


def gradient_workspace_bytes(conv: Conv, n: int, threads: int) -> int:
    """What the weight gradient needs as workspace."""
    size, ins, outs, chunk = conv.kernel[0], conv.in_blocks, conv.out_blocks, gradient_chunk(conv, n)
    space = points_bytes(size, ins, chunk) + points_bytes(size, outs, chunk) + points_bytes(size, ins * outs, LANES)
    return space + scratch_bytes(conv, threads)


def turned(conv: Conv) -> Conv:
    """The convolution of a top's diff that gives the bottom's."""
    reach = conv.dilation[0] * (conv.kernel[0] - 1)
    pad = (reach - conv.pad[0], reach - conv.pad[1])
    return replace(conv.adjoint, size=conv.out, out=conv.size, pad=pad)


def _of_group(memory: Region, conv: Conv, group: int) -> Region:
    """A group's part of an array that has as much for each."""
    size = memory.nbytes // conv.groups
    return memory.part(group * size, size) if memory else NOTHING


def _weight_points(memory: Region, conv: Conv, group: int) -> Points:
    """A group's transformed weights."""
    return cut_points(_of_group(memory, conv, group), pieces_of(conv).size, _panels(conv), LANES)[0]


def _bottom(x: Blocked, conv: Conv, group: int) -> Blocked:
    """A group's channels of the bottom, so that the first pixel is the first window's first (it may be in the halo)."""
    channels = conv.inputs // conv.groups
    part = x.part(group * channels, channels)
    return replace(part, base=part.base + (x.pixel(-conv.pad[0], -conv.pad[1]) - x.inner))


def _top(y: Blocked, conv: Conv, group: int) -> Blocked:
    """A group's channels of the top."""
    channels = conv.outputs // conv.groups
    return y.part(group * channels, channels)


# ---------------------------------------------------------------- forward and data gradient


def transform_weights(
    source: Region, target: Region, scratch: Region, conv: Conv, backward: bool = False, factor: Region = NOTHING
) -> Iterator[Launch]:
    """Caffe's weights to points, once a step; backward: for the data gradient. factor: as `pack_weights` takes it."""
    taken = pieces_of(conv)
    for group in range(conv.groups):
        yield weights_to_points(taken.size)(
            source=_of_group(source, conv, group), factor=_of_group(factor, conv, group),
            target=_weight_points(target, conv, group), scratch=scratch, outs=conv.outputs // conv.groups,
            ins=conv.inputs // conv.groups, pieces=taken, turned=backward,
        )  # fmt: skip


def forward(
    x: Blocked, weights: Region, bias: Region, y: Blocked, conv: Conv, workspace: Region,
    activation: Activation = IDENTITY, add: Blocked = NO_BLOB,
) -> Iterator[Launch]:  # fmt: skip
    """y = x * weights + bias (+ add, whose lines, planes and images are as far apart as y's), then the activation."""
    assert not add.inner or (add.line, add.plane, add.image) == (y.line, y.plane, y.image)
    plan, taken = cut(conv, y.n), pieces_of(conv)
    size, per = taken.size, plan.chunk // plan.rows if plan.own else 0
    bottoms, rest = cut_points(workspace, size, conv.in_blocks, _bottom_room(conv, plan))
    results, _ = cut_points(rest, size, conv.out_blocks, plan.chunk)
    multiply = products(size, plan.rows, vectors(conv), conv.out_blocks % vectors(conv) != 0)
    for group, some in product(range(conv.groups), _chunks(conv, y.n, plan)):
        bottom, top, added = _bottom(x, conv, group), _top(y, conv, group), _top(add, conv, group)
        shift, points = _of_group(bias, conv, group), _weight_points(weights, conv, group)
        change = replace(activation, slopes=_of_group(activation.slopes, conv, group))
        if not plan.own:
            seen = replace(some, count=some.count + some.more * some.across)
            yield read_squares(size, 0)(x=bottom, points=bottoms, tiles=seen, beyond=taken.kernel - 1)
        yield multiply(
            x=bottom, weights=points, y=top, add=added, bias=shift, bottoms=bottoms, results=results,
            workspace=workspace, tiles=some, pieces=taken, per=per, activation=change,
        )  # fmt: skip
        if not plan.own:
            yield write_squares(size)(points=results, y=top, add=added, bias=shift, tiles=some, activation=change)


def _chunks(conv: Conv, n: int, plan: Cut) -> Iterator[Tiles]:
    """The tiles of n images, as many as the workspace has room for at a time; all at once if threads have their own."""
    (h, w), apart, more, (down, across) = conv.out, conv.dilation[0], pieces_of(conv).parts - 1, grid(conv)
    if plan.lines:
        for phase, line in product(range(phases(conv, n)), range(0, down, plan.lines)):
            first, lines = (phase * (down + more) + line) * across, min(plan.lines, down - line)
            yield Tiles(h, w, apart, more, first, lines * across)
        return
    count = tiles(conv, n)
    step = count if plan.own else plan.chunk
    for first in range(0, count, step):
        yield Tiles(h, w, apart, more, first, min(step, count - first))


def data_gradient(
    dy: Blocked, weights: Region, dx: Blocked, conv: Conv, workspace: Region, add: bool = False
) -> Iterator[Launch]:
    """dx (+)= what dy gives it, with weights transformed `backward`."""
    return forward(dy, weights, NOTHING, dx, turned(conv), workspace, add=dx if add else NO_BLOB)


# ---------------------------------------------------------------- weight gradient


def weight_gradient(x: Blocked, dy: Blocked, dw: Region, conv: Conv, workspace: Region) -> Iterator[Launch]:
    """dw (Caffe's order) += the gradient of the weights."""
    size, ins, outs = conv.kernel[0], conv.in_blocks, conv.out_blocks
    count, room, lanes = tiles(conv, dy.n), gradient_chunk(conv, dy.n), LANES_OF_SUMS[features()]
    bottoms, rest = cut_points(workspace, size, ins, room)
    tops, rest = cut_points(rest, size, outs, room)
    sums, scratch = cut_points(rest, size, outs * ins, LANES)
    for group in range(conv.groups):
        bottom, top = _bottom(x, conv, group), _top(dy, conv, group)
        for start in range(0, count, room):
            some = Tiles(dy.h, dy.w, 1, 0, start, min(room, count - start))
            yield from together([
                read_squares(size, 0)(x=bottom, points=bottoms, tiles=some, beyond=size - 1),
                read_squares(size, 1)(x=top, points=tops, tiles=some, beyond=0),
            ])  # fmt: skip
            yield from together([
                weight_products(lanes, each)(
                    bottoms=bottoms, tops=tops.part(first, runs * each), channels=bottom.c, tiles=some.count,
                    sums=sums.part(first * ins, runs * each * ins), add=start > 0,
                )
                for first, runs, each in block_runs(outs, vectors(conv))
            ])  # fmt: skip
        target = _of_group(dw, conv, group)
        yield points_to_weights(size)(source=sums, target=target, scratch=scratch, outs=top.c, ins=bottom.c)
