"""Dropout: in training with the reference kernel's random bits; where it changes nothing, a copy at most."""

from __future__ import annotations

from typing import Any

from netc.fast.machine.launch import Ref
from netc.fast.machine.layout import Blocked
from netc.fast.machine.moves import scaled
from netc.fast.old.kernels import dropout as kernels
from netc.fast.program.builder import Builder
from netc.fast.program.family import Family
from netc.fast.program.model import Layout
from netc.kernels.philox import stream
from netc.plan.model import Step


def _geometry(b: Builder, layer: int) -> Any:
    return b.planned(layer).setup.geometry


def is_identity(b: Builder, layer: int) -> bool:
    """Whether the layer's top is its bottom."""
    g = _geometry(b, layer)
    return bool(g.threshold == 0 and g.factor == 1)


def accepts(b: Builder, layer: int) -> Layout | None:
    layout = b.native.get(b.plan.graph.nodes[layer].bottoms[0], "plain")
    return layout if layout == "blocked" or b.is_flat(b.bottom(layer)) else None


def _is_blocked(b: Builder, layer: int) -> bool:
    return b.native[b.plan.graph.nodes[layer].tops[0]] == "blocked"


def _pair(b: Builder, layer: int, source: int, target: int) -> tuple[Blocked, Blocked]:
    if _is_blocked(b, layer):
        return b.read(source), b.write(target)
    return b.read_flat(source), b.write_flat(target)


def _run(b: Builder, layer: int, source: int, target: int, clock: Ref | None, keep: Ref | None) -> None:
    g, (x, y) = _geometry(b, layer), _pair(b, layer, source, target)
    if clock is not None:
        numbers, flat = stream(b.plan.graph.nodes[layer].key, -1), not _is_blocked(b, layer)
        b.emit(kernels.masked(x, y, clock, keep, numbers, g.factor, g.threshold, flat, "dropout"))
    elif g.factor != 1 or not b.same_place(source, target):
        b.emit(scaled(x, y, g.factor), "copy")


def forward(b: Builder, layer: int) -> None:
    clock = keep = None
    if _geometry(b, layer).threshold:
        clock = b.clock()
        if b.planned(layer).needs_backward:
            keep = b.kept[layer, "clock"] = b.new("dropout's iteration", kernels.CLOCK_BYTES)
    _run(b, layer, b.bottom(layer), b.top(layer), clock, keep)


def backward(b: Builder, step: Step) -> None:
    if (target := step.bottom_diffs[0]) is not None:
        _run(b, step.layer, step.top_diffs[0], target, b.kept.get((step.layer, "clock")), None)


FAMILY = Family(("Dropout",), accepts, forward, backward)
