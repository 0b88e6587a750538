"""Permute: channels last, of a blocked bottom (the heads of detectors), or any axes of a plain one."""

from __future__ import annotations

from itertools import accumulate
from typing import NamedTuple

from netc.fast.machine.addresses import floats
from netc.fast.machine.emit import copy_lanes
from netc.fast.machine.launch import Launch, Region
from netc.fast.machine.layout import Blocked
from netc.fast.machine.lines import line_at, share
from netc.fast.machine.operands import Read, Write, entry
from netc.fast.program.builder import Builder
from netc.fast.program.family import Family
from netc.fast.program.lowered import Layout
from netc.kernels.geometry import PermuteGeometry
from netc.layer import Shape
from netc.plan.model import Step

CHANNELS_LAST = (0, 2, 3, 1)
AXES = 4  # that a kernel goes over


class Axes(NamedTuple):
    """A number for each axis of the result: how long it is, or how many values apart its places are in the source."""

    a: int
    b: int
    c: int
    d: int


# ---------------------------------------------------------------- any axes


def permuted(x: Region, y: Region, shape: Shape, order: tuple[int, ...]) -> Launch:
    """y = x, which has this shape, with its axes in this order."""
    sizes, steps = _axes(shape, order)
    return _permuted(x=x, y=y, sizes=Axes(*sizes), steps=Axes(*steps))


def _axes(shape: Shape, order: tuple[int, ...]) -> tuple[list[int], list[int]]:
    """Sizes and steps of the result's axes; those that stay side by side are one. `AXES` of them, or more."""
    apart = [*accumulate(reversed(shape[1:]), lambda a, b: a * b, initial=1)][::-1]
    sizes: list[int] = []
    steps: list[int] = []
    for axis in order:
        if steps and steps[-1] == shape[axis] * apart[axis]:
            sizes[-1], steps[-1] = sizes[-1] * shape[axis], apart[axis]
        else:
            sizes.append(shape[axis])
            steps.append(apart[axis])
    missing = AXES - len(sizes)
    return [1] * missing + sizes, [0] * missing + steps


@entry
def _permuted(tid: int, nth: int, x: Read[Region], y: Write[Region], sizes: Axes, steps: Axes) -> None:
    lines = sizes.a * sizes.b * sizes.c
    source, target = floats(x, lines * sizes.d), floats(y, lines * sizes.d)
    for line in share(lines, tid, nth):
        a, b, c = line // sizes.c // sizes.b, line // sizes.c % sizes.b, line % sizes.c
        start = a * steps.a + b * steps.b + c * steps.c
        for i in range(sizes.d):
            target[line * sizes.d + i] = source[start + i * steps.d]


# ---------------------------------------------------------------- blocks to channels last, and back


@entry
def _channels_last(tid: int, nth: int, x: Read[Blocked], y: Write[Region]) -> None:
    for item in share(x.n * x.h, tid, nth):
        n, row = item // x.h, item % x.h
        for block in range(x.blocks):
            here = min(16, x.c - block * 16)
            source, target = line_at(x, (n, block, row)), y + (item * x.w * x.c + block * 16) * 4
            for pixel in range(x.w):
                copy_lanes(source + pixel * 64, target + pixel * x.c * 4, here, here)


@entry
def _channels_first(tid: int, nth: int, y: Read[Region], x: Write[Blocked]) -> None:
    for item in share(x.n * x.h, tid, nth):
        n, row = item // x.h, item % x.h
        for block in range(x.blocks):
            here = min(16, x.c - block * 16)
            target, source = line_at(x, (n, block, row)), y + (item * x.w * x.c + block * 16) * 4
            for pixel in range(x.w):
                copy_lanes(source + pixel * x.c * 4, target + pixel * 64, here, 16)


# ---------------------------------------------------------------- the layer


def _order(b: Builder, layer: int) -> tuple[int, ...]:
    return b.planned(layer).setup.known(PermuteGeometry).order


def _is_blocked(b: Builder, layer: int) -> bool:
    bottom = b.plan.graph.nodes[layer].bottoms[0]
    return _order(b, layer) == CHANNELS_LAST and b.native.get(bottom) == "blocked"


def accepts(b: Builder, layer: int) -> Layout | None:
    sizes, _ = _axes(b.shape(b.bottom(layer)), _order(b, layer))
    return "plain" if len(sizes) == AXES else None


def forward(b: Builder, layer: int) -> None:
    bottom = b.bottom(layer)
    if _is_blocked(b, layer):
        blob = b.read(bottom)
        b.emit(_channels_last(x=blob, y=b.write_plain(b.top(layer)).flat), "permute")
        return
    x = b.read_plain(bottom).flat
    b.emit(permuted(x, b.write_plain(b.top(layer)).flat, b.shape(bottom), _order(b, layer)), "permute")


def backward(b: Builder, step: Step) -> None:
    target, given = step.bottom_diffs[0], step.top_diffs[0]
    if target is None:
        return
    dy = b.read_plain(given).flat
    if _is_blocked(b, step.layer):
        b.emit(_channels_first(y=dy, x=b.write(target)), "permute gradient")
        return
    order = _order(b, step.layer)
    back = tuple(order.index(axis) for axis in range(len(order)))
    b.emit(permuted(dy, b.write_plain(target).flat, b.shape(given), back), "permute gradient")


FAMILY = Family(("Permute",), accepts, forward, backward)
