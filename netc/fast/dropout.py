"""Dropout: in training with the reference kernel's random bits; where it changes nothing, a copy at most.

Value i of the blob takes word i of Philox. Values are counted in the order of the plain array, so a blocked blob gets
the same zeros.
"""

from __future__ import annotations

import numpy as np

from netc.fast.machine.addresses import integers
from netc.fast.machine.launch import NOTHING, Launch, Region
from netc.fast.machine.layout import Blocked, as_lines
from netc.fast.machine.lines import line_of, lines_of, share, spot
from netc.fast.machine.moves import scaled
from netc.fast.machine.operands import Read, Write, entry
from netc.fast.program.builder import Builder
from netc.fast.program.family import Family
from netc.fast.program.lowered import Layout
from netc.jit import kernel
from netc.kernels.geometry import DropoutGeometry
from netc.kernels.philox import block, stream
from netc.plan.model import Step


def masked(
    x: Blocked, y: Blocked, clock: Region, keep: Region, numbers: int, factor: float, threshold: int, flat: bool
) -> Launch:
    """y = factor * x, or 0 where the value's word is below the threshold.

    clock: the seed and the iteration, int64s; keep: where to put them for the backward pass, if anywhere; numbers: the
    random stream. flat: the blobs are lines of a plain array.
    """
    x, y = as_lines(x, y)
    kernel = _masked_flat if flat else _masked
    return kernel(x=x, y=y, clock=clock, keep=keep, numbers=numbers, factor=factor, threshold=threshold)


@kernel(inline="always")
def _drawn_at(tid: int, clock: Region, keep: Region) -> tuple[int, int]:
    """The seed and the iteration, which are kept for backward if there is a place for them."""
    seed, iteration = integers(clock, 2)
    if tid == 0 and keep:
        integers(keep, 2)[:] = seed, iteration
    return seed, iteration


@entry
def _masked_flat(
    tid: int, nth: int, x: Read[Blocked], y: Write[Blocked], clock: Read[Region], keep: Write[Region], numbers: int,
    factor: float, threshold: int,
) -> None:  # fmt: skip
    seed, iteration = _drawn_at(tid, clock, keep)
    for item in share(lines_of(y), tid, nth):
        at = spot(y, item)
        source, target = line_of(x, at), line_of(y, at)
        start = item * target.size
        for number in range(start // 4, (start + target.size) // 4):
            words = block(seed, numbers, iteration, number)
            for lane in range(4):
                i = number * 4 + lane - start
                target[i] = source[i] * factor if np.int64(words[lane]) >= threshold else 0


@entry
def _masked(
    tid: int, nth: int, x: Read[Blocked], y: Write[Blocked], clock: Read[Region], keep: Write[Region], numbers: int,
    factor: float, threshold: int,
) -> None:  # fmt: skip
    seed, iteration = _drawn_at(tid, clock, keep)
    for item in share(lines_of(y), tid, nth):
        at = spot(y, item)
        n, plane, line = at
        source, target = line_of(x, at), line_of(y, at)
        for lane in range(16):
            channel = plane * 16 + lane
            start = ((n * y.c + channel) * y.h + line) * y.w
            if channel >= y.c:
                for pixel in range(y.w):
                    target[pixel * 16 + lane] = 0
            else:
                for number in range(start // 4, (start + y.w + 3) // 4):
                    words = block(seed, numbers, iteration, number)
                    for word in range(4):
                        pixel = number * 4 + word - start
                        if 0 <= pixel < y.w:
                            i = pixel * 16 + lane
                            target[i] = source[i] * factor if np.int64(words[word]) >= threshold else 0


# ---------------------------------------------------------------- the layer


def _geometry(b: Builder, layer: int) -> DropoutGeometry:
    return b.planned(layer).setup.known(DropoutGeometry)


def is_identity(b: Builder, layer: int) -> bool:
    """Whether the layer's top is its bottom."""
    g = _geometry(b, layer)
    return g.threshold == 0 and g.factor == 1


def folds(b: Builder, layer: int) -> bool:
    """Whether it is a Dropout that does nothing, so that another layer's launches may do its work."""
    return b.plan.graph.nodes[layer].type.name in FAMILY.types and is_identity(b, layer)


def accepts(b: Builder, layer: int) -> Layout | None:
    layout = b.any_layout(layer)
    return "plain" if layout is None and _is_bare(b, layer) else layout


def _is_bare(b: Builder, layer: int) -> bool:
    """Whether it does nothing, and in its bottom's place: so it takes no launches, whatever the size."""
    return is_identity(b, layer) and b.same_place(b.bottom(layer), b.top(layer)) and not b.planned(layer).needs_backward


def _run(b: Builder, layer: int, source: int, target: int, clock: Region, keep: Region) -> None:
    g = _geometry(b, layer)
    if b.any_layout(layer) is None:
        b.shares(target, source)
        return
    read, write = b.by_value(layer)
    x, y = read(source), write(target)
    if clock:
        node = b.plan.graph.nodes[layer]
        flat = b.native[node.tops[0]] != "blocked"
        b.emit(masked(x, y, clock, keep, stream(node.key, -1), g.factor, g.threshold, flat), "dropout")
    elif g.factor != 1 or not b.same_place(source, target):
        b.emit(scaled(x, y, g.factor), "copy")


def forward(b: Builder, layer: int) -> None:
    clock = keep = NOTHING
    if _geometry(b, layer).threshold:
        clock = b.clock()
        if b.planned(layer).needs_backward:
            keep = b.kept[layer, "clock"] = b.new("dropout's iteration", clock.nbytes)
    _run(b, layer, b.bottom(layer), b.top(layer), clock, keep)


def backward(b: Builder, step: Step) -> None:
    if (target := step.bottom_diffs[0]) is not None:
        _run(b, step.layer, step.top_diffs[0], target, b.kept.get((step.layer, "clock"), NOTHING), NOTHING)


FAMILY = Family(("Dropout",), accepts, forward, backward)
