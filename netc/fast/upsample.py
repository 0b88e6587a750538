"""Upsample on blocked blobs: by a mask that comes from a Pooling layer of the net, or by repeating cells.

A thread's share is whole planes.
"""

from __future__ import annotations

from netc.fast import pooling
from netc.fast.machine.addresses import floats, zero
from netc.fast.machine.layout import Blocked
from netc.fast.machine.lines import line_at, line_of, share
from netc.fast.machine.operands import Read, Write, entry
from netc.fast.program.builder import Builder
from netc.fast.program.family import Family
from netc.fast.program.lowered import Layout
from netc.jit import kernel
from netc.kernels.geometry import UpsampleGeometry
from netc.plan.model import Step


@kernel(inline="always")
def _cell(y: Blocked, plane: int, place: int, lane: int) -> int:
    """The address of a channel's cell number `place`, in the plane at an address."""
    return plane + place // y.w * y.line + place % y.w * 64 + lane * 4


@entry
def _scatter(tid: int, nth: int, x: Read[Blocked], places: Read[Blocked], y: Write[Blocked]) -> None:
    """y = 0 but for cell places[i], which gets x[i]."""
    for item in share(x.n * x.blocks, tid, nth):
        n, block = item // x.blocks, item % x.blocks
        plane = line_at(y, (n, block, 0))
        for line in range(y.h):
            zero(plane + line * y.line, y.w * 64)
        for line in range(x.h):
            source, cells = line_of(x, (n, block, line)), line_of(places, (n, block, line))
            for i in range(source.size):
                place = int(cells[i])
                if place >= 0:
                    floats(_cell(y, plane, place, i % 16), 1)[0] = source[i]


@entry
def _gather(tid: int, nth: int, dx: Write[Blocked], places: Read[Blocked], dy: Read[Blocked]) -> None:
    """dx[i] = dy[places[i]], 0 where there is no place."""
    for item in share(dx.n * dx.blocks, tid, nth):
        n, block = item // dx.blocks, item % dx.blocks
        plane = line_at(dy, (n, block, 0))
        for line in range(dx.h):
            target, cells = line_of(dx, (n, block, line)), line_of(places, (n, block, line))
            for i in range(target.size):
                place = int(cells[i])
                if place >= 0:
                    target[i] = floats(_cell(dy, plane, place, i % 16), 1)[0]
                else:
                    target[i] = 0


@entry
def _repeat(tid: int, nth: int, x: Read[Blocked], y: Write[Blocked], down: int, across: int) -> None:
    """Each cell of x becomes down x across cells of y."""
    for item in share(x.n * x.blocks, tid, nth):
        n, block = item // x.blocks, item % x.blocks
        for line in range(y.h):
            source, target = line_of(x, (n, block, line // down)), line_of(y, (n, block, line))
            for cell in range(x.w):
                for copy in range(across):
                    for lane in range(16):
                        target[(cell * across + copy) * 16 + lane] = source[cell * 16 + lane]


@entry
def _add_repeated(tid: int, nth: int, dx: Write[Blocked], dy: Read[Blocked], down: int, across: int) -> None:
    """Each cell of dx is the sum of down x across cells of dy."""
    for item in share(dx.n * dx.blocks, tid, nth):
        n, block = item // dx.blocks, item % dx.blocks
        for line in range(dx.h):
            zero(line_at(dx, (n, block, line)), dx.w * 64)
            target = line_of(dx, (n, block, line))
            for top_line in range(line * down, line * down + down):
                source = line_of(dy, (n, block, top_line))
                for cell in range(dx.w):
                    for copy in range(across):
                        for lane in range(16):
                            target[cell * 16 + lane] += source[(cell * across + copy) * 16 + lane]


# ---------------------------------------------------------------- the layer


def accepts(b: Builder, layer: int) -> Layout | None:
    node = b.plan.graph.nodes[layer]
    if any(b.native.get(v) != "blocked" for v in node.bottoms):
        return None
    return "blocked" if len(node.bottoms) == 1 or _fits(b, node.bottoms[1], node.tops[0]) else None


def _fits(b: Builder, mask: int, top: int) -> bool:
    """Whether the mask can name no cell outside the top: it is a pooling's second top, of a plane that is no larger."""
    producer = b.plan.graph.nodes[b.plan.graph.values[mask].producer]
    if producer.type.name not in pooling.FAMILY.types or len(producer.tops) < 2 or producer.tops[1] != mask:
        return False
    (*_, height, width), (*_, top_height, top_width) = b.plan.shapes[producer.bottoms[0]], b.plan.shapes[top]
    return height * width <= top_height * top_width


def _scale(b: Builder, layer: int) -> tuple[int, int]:
    """How often each cell is repeated, down and across."""
    return b.planned(layer).setup.known(UpsampleGeometry).scale


def forward(b: Builder, layer: int) -> None:
    x = b.read(b.bottom(layer))
    if len(b.plan.graph.nodes[layer].bottoms) > 1:
        places = b.read(b.bottom(layer, 1))
        b.emit(_scatter(x=x, places=places, y=b.write(b.top(layer))), "upsample")
    else:
        down, across = _scale(b, layer)
        b.emit(_repeat(x=x, y=b.write(b.top(layer)), down=down, across=across), "upsample")


def backward(b: Builder, step: Step) -> None:
    layer, target = step.layer, step.bottom_diffs[0]
    if target is None:
        return
    dy = b.read(step.top_diffs[0])
    if len(b.plan.graph.nodes[layer].bottoms) > 1:
        places = b.read(b.bottom(layer, 1))
        b.emit(_gather(dx=b.write(target), places=places, dy=dy), "upsample gradient")
    else:
        down, across = _scale(b, layer)
        b.emit(_add_repeated(dx=b.write(target), dy=dy, down=down, across=across), "upsample gradient")


FAMILY = Family(("Upsample",), accepts, forward, backward)
