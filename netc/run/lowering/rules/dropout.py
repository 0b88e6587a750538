"""Dropout that changes nothing (at test): another name for its bottom. In training it runs on its own kernel."""

from __future__ import annotations

from typing import Any

from netc.kernels.fast import pointwise
from netc.plan.model import Step
from netc.run.lowering.builder import Builder
from netc.run.lowering.model import Layout
from netc.run.lowering.rule import Rule


def is_identity(b: Builder, layer: int) -> bool:
    """Whether the layer's top is its bottom."""
    g: Any = b.planned(layer).setup.geometry
    return bool(g.threshold == 0 and g.factor == 1)


def accepts(b: Builder, layer: int) -> Layout | None:
    layout = b.native.get(b.plan.graph.nodes[layer].bottoms[0], "plain")
    possible = layout == "blocked" or b.is_flat(b.bottom(layer))
    return layout if possible and is_identity(b, layer) else None


def _copy(b: Builder, layer: int, source: int, target: int) -> None:
    blocked = b.native[b.plan.graph.nodes[layer].tops[0]] == "blocked"
    x, y = (b.read(source), b.write(target)) if blocked else (b.read_flat(source), b.write_flat(target))
    if not b.same_place(source, target):
        b.emit(pointwise.scaled(x, y, 1, "copy"))


def forward(b: Builder, layer: int) -> None:
    _copy(b, layer, b.bottom(layer), b.top(layer))


def backward(b: Builder, step: Step) -> None:
    if (target := step.bottom_diffs[0]) is not None:
        _copy(b, step.layer, step.top_diffs[0], target)


RULE = Rule(("Dropout",), accepts, forward, backward)
