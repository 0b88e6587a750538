"""Eltwise: sums, products and maxima, on blocks if any bottom is in blocks. A ReLU that follows is done here."""

from __future__ import annotations

from typing import Any

from netc.fast.machine.access import Access, of
from netc.fast.machine.addresses import bytes_at
from netc.fast.machine.launch import NOTHING, Launch, Region
from netc.fast.machine.layout import Blocked, as_lines
from netc.fast.machine.lines import line_of, lines_of, share, spot
from netc.fast.machine.moves import combined, scaled
from netc.fast.machine.operands import Read, Write, entry
from netc.fast.program.builder import Builder
from netc.fast.program.family import Family
from netc.fast.program.fuse import absorb_relu
from netc.fast.program.lowered import Layout
from netc.fast.relu import relu
from netc.kernels.geometry import EltwiseGeometry
from netc.plan.model import Step

MOST = 256  # bottoms that a byte tells apart


def product(a: Blocked, b: Blocked, y: Blocked) -> Launch:
    """y = a * b; y may be a."""
    a, b, y = as_lines(a, b, y)
    return _product(a=a, b=b, y=y)


@entry
def _product(tid: int, nth: int, a: Read[Blocked], b: Read[Blocked], y: Write[Blocked]) -> None:
    for item in share(lines_of(y), tid, nth):
        at = spot(y, item)
        first, second, target = line_of(a, at), line_of(b, at), line_of(y, at)
        for i in range(target.size):
            target[i] = first[i] * second[i]


def larger(a: Blocked, b: Blocked, y: Blocked, index: Region, number: int) -> Launch:
    """y = the larger of a and b, and where that is b, `number` goes to index (a byte a value), if there is one.

    With number 1 equal values count as b's and index starts as 0; later ones as a's, as in Caffe. y may be a.
    """
    a, b, y = as_lines(a, b, y)
    return _larger(a=a, b=b, y=y, index=index, number=number)


@entry
def _larger(tid: int, nth: int, a: Blocked, b: Blocked, y: Blocked, index: Region, number: int) -> None:
    for item in share(lines_of(y), tid, nth):
        at = spot(y, item)
        first, other, target = line_of(a, at), line_of(b, at), line_of(y, at)
        count = target.size
        if index:
            names = bytes_at(index + item * count, count)
            for i in range(count):
                if number == 1:
                    names[i] = 0 if first[i] > other[i] else 1
                elif other[i] > first[i]:
                    names[i] = number
        for i in range(count):
            second = other[i] > first[i] if number > 1 else not first[i] > other[i]
            target[i] = other[i] if second else first[i]


@_larger.touches
def _(o: Any) -> list[Access]:
    return [of("read", o.a), of("read", o.b), of("write", o.y), of("write" if o.number == 1 else "update", o.index)]


def chosen(dy: Blocked, dx: Blocked, index: Region, number: int) -> Launch:
    """dx = dy where index is `number`, else 0; dx may be dy."""
    dy, dx = as_lines(dy, dx)
    return _chosen(dy=dy, dx=dx, index=index, number=number)


@entry
def _chosen(tid: int, nth: int, dy: Read[Blocked], dx: Write[Blocked], index: Read[Region], number: int) -> None:
    for item in share(lines_of(dx), tid, nth):
        at = spot(dx, item)
        source, target = line_of(dy, at), line_of(dx, at)
        names = bytes_at(index + item * target.size, target.size)
        for i in range(target.size):
            target[i] = source[i] if names[i] == number else source[i] * 0


# ---------------------------------------------------------------- the layer


def _fields(b: Builder, layer: int) -> Any:
    return b.plan.graph.nodes[layer].record.eltwise_param


def accepts(b: Builder, layer: int) -> Layout | None:
    p, bottoms = _fields(b, layer), b.plan.graph.nodes[layer].bottoms
    if (p.operation == "PROD" and not p.stable_prod_grad) or len(bottoms) > MOST or repeats(b, layer):
        return None
    if any(b.native.get(v) == "blocked" for v in bottoms):
        return "blocked"
    return "plain" if b.is_flat(b.bottom(layer)) else None


def repeats(b: Builder, layer: int) -> bool:
    """Whether a bottom is repeated along an axis."""
    node = b.plan.graph.nodes[layer]
    return any(b.plan.shapes[v] != b.plan.shapes[node.tops[0]] for v in node.bottoms)


def factors(b: Builder, layer: int) -> tuple[float, ...]:
    """What each bottom is multiplied by in a sum."""
    return b.planned(layer).setup.known(EltwiseGeometry).factors


def forward(b: Builder, layer: int) -> None:
    read, write = b.by_value(layer)
    bottoms = [read(b.bottom(layer, i)) for i in range(len(b.plan.graph.nodes[layer].bottoms))]
    last = b.last_of(layer)  # a ReLU that follows
    y = write(b.top(last))
    operation = _fields(b, layer).operation
    if operation == "SUM":
        _sum(b, layer, bottoms, y, last != layer)
        return
    index, total = NOTHING, bottoms[0]
    if operation == "MAX" and b.planned(layer).needs_backward:
        index = b.kept[layer, "index"] = b.new("maximum's bottom", y.values)
    for number, x in enumerate(bottoms[1:], 1):
        if operation == "PROD":
            b.emit(product(total, x, y), "product")
        else:
            b.emit(larger(total, x, y, index, number), "maximum")
        total = y
    if last != layer:
        b.emit(relu(y, y), "relu")


def _sum(b: Builder, layer: int, bottoms: list[Blocked], y: Blocked, clip: bool) -> None:
    weights = factors(b, layer)
    total, weight = bottoms[0], weights[0]
    for i, (x, factor) in enumerate(zip(bottoms[1:], weights[1:], strict=True), 2):
        b.emit(combined(total, x, y, weight, factor, clip and i == len(bottoms)), "sum")
        total, weight = y, 1.0


def backward(b: Builder, step: Step) -> None:
    read, write = b.by_value(step.layer)
    operation = _fields(b, step.layer).operation
    dy = read(step.top_diffs[0])
    # The first bottom comes last: its diff may be in the place of the top's diff.
    for number, target in reversed([*enumerate(step.bottom_diffs)]):
        if target is None:
            continue
        if operation == "PROD":
            others = [read(b.bottom(step.layer, i)) for i in range(len(step.bottom_diffs)) if i != number]
            dx, given = write(target), dy
            for other in others:
                b.emit(product(given, other, dx), "product gradient")
                given = dx
            continue
        dx = write(target)
        if operation == "MAX":
            b.emit(chosen(dy, dx, b.kept[step.layer, "index"], number), "maximum gradient")
            continue
        factor = factors(b, step.layer)[number]
        if factor != 1 or not b.same_place(target, step.top_diffs[0]):
            b.emit(scaled(dy, dx, factor), "sum gradient")


FAMILY = Family(("Eltwise",), accepts, forward, backward, absorb_relu)
