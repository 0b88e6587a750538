"""Eltwise: sums, products and maxima, on blocks if any bottom is in blocks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from netc.kernels.fast import eltwise as kernels
from netc.kernels.fast import pointwise
from netc.kernels.fast.layout import Blocked
from netc.plan.model import Step
from netc.run.lowering.builder import Builder
from netc.run.lowering.model import Layout
from netc.run.lowering.rule import Rule


def _fields(b: Builder, layer: int) -> Any:
    return b.plan.graph.nodes[layer].record.eltwise_param


def accepts(b: Builder, layer: int) -> Layout | None:
    p, bottoms = _fields(b, layer), b.plan.graph.nodes[layer].bottoms
    if (p.operation == "PROD" and not p.stable_prod_grad) or len(bottoms) > kernels.MOST:
        return None
    if any(b.native.get(v) == "blocked" for v in bottoms):
        return "blocked"
    return "plain" if b.is_flat(b.bottom(layer)) else None


def _access(b: Builder, layer: int) -> tuple[Callable[[int], Blocked], Callable[[int], Blocked]]:
    blocked = b.native[b.plan.graph.nodes[layer].tops[0]] == "blocked"
    return (b.read, b.write) if blocked else (b.read_flat, b.write_flat)


def _factors(b: Builder, layer: int) -> tuple[float, ...]:
    factors: tuple[float, ...] = b.planned(layer).setup.geometry
    return factors


def forward(b: Builder, layer: int) -> None:
    read, write = _access(b, layer)
    bottoms = [read(b.bottom(layer, i)) for i in range(len(b.plan.graph.nodes[layer].bottoms))]
    last = b.last_of(layer)  # a ReLU that follows
    y = write(b.top(last))
    operation = _fields(b, layer).operation
    if operation == "SUM":
        _sum(b, layer, bottoms, y, last != layer)
        return
    index, total = None, bottoms[0]
    if operation == "MAX" and b.planned(layer).needs_backward:
        index = b.kept[layer, "index"] = b.new("maximum's bottom", kernels.index_bytes(y))
    for number, x in enumerate(bottoms[1:], 1):
        if operation == "PROD":
            b.emit(kernels.product(total, x, y, "product"))
        else:
            b.emit(kernels.larger(total, x, y, index, number, "maximum"))
        total = y
    if last != layer:
        b.emit(pointwise.relu(y, y, 0, "relu"))


def _sum(b: Builder, layer: int, bottoms: list[Blocked], y: Blocked, clip: bool) -> None:
    factors = _factors(b, layer)
    total, weight = bottoms[0], factors[0]
    for i, (x, factor) in enumerate(zip(bottoms[1:], factors[1:], strict=True), 2):
        b.emit(pointwise.combine(total, x, y, weight, factor, clip and i == len(bottoms), "sum"))
        total, weight = y, 1.0


def backward(b: Builder, step: Step) -> None:
    read, write = _access(b, step.layer)
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
                b.emit(kernels.product(given, other, dx, "product gradient"))
                given = dx
            continue
        dx = write(target)
        if operation == "MAX":
            b.emit(kernels.chosen(dy, dx, b.kept[step.layer, "index"], number, "maximum gradient"))
            continue
        factor = _factors(b, step.layer)[number]
        if factor != 1 or not b.same_place(target, step.top_diffs[0]):
            b.emit(pointwise.scaled(dy, dx, factor, "sum gradient"))


RULE = Rule(("Eltwise",), accepts, forward, backward)
