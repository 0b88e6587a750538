"""Eltwise SUM on blocked blobs."""

from __future__ import annotations

from typing import Any

from netc.kernels.fast import pointwise
from netc.plan.model import Step
from netc.run.lowering.builder import Builder
from netc.run.lowering.model import Layout
from netc.run.lowering.rule import Rule


def _fields(b: Builder, layer: int) -> Any:
    return b.plan.graph.nodes[layer].record.eltwise_param


def accepts(b: Builder, layer: int) -> Layout | None:
    blocked = all(b.native.get(v) == "blocked" for v in b.plan.graph.nodes[layer].bottoms)
    return "blocked" if blocked and _fields(b, layer).operation == "SUM" else None


def _factors(b: Builder, layer: int) -> tuple[float, ...]:
    factors: tuple[float, ...] = b.planned(layer).setup.geometry
    return factors


def forward(b: Builder, layer: int) -> None:
    factors = _factors(b, layer)
    bottoms = [b.read(b.bottom(layer, i)) for i in range(len(factors))]
    last = b.last_of(layer)  # a ReLU that follows
    y = b.write(b.top(last))
    total, weight = bottoms[0], factors[0]
    for i, (x, factor) in enumerate(zip(bottoms[1:], factors[1:], strict=True), 2):
        relu = last != layer and i == len(bottoms)
        b.emit(pointwise.combine(total, x, y, weight, factor, relu, "sum"))
        total, weight = y, 1.0


def backward(b: Builder, step: Step) -> None:
    dy = b.read(step.top_diffs[0])
    # The first bottom comes last: its diff may be in the place of the top's diff.
    for target, factor in reversed([*zip(step.bottom_diffs, _factors(b, step.layer), strict=True)]):
        if target is None:
            continue
        dx = b.write(target)
        if factor != 1 or not b.same_place(target, step.top_diffs[0]):
            b.emit(pointwise.scaled(dy, dx, factor, "sum gradient"))


RULE = Rule(("Eltwise",), accepts, forward, backward)
