"""Upsample on blocked blobs: by a mask that comes from a Pooling layer of the net, or by repeating cells."""

from __future__ import annotations

from typing import Any

from netc.fast.old.kernels import unpool as kernels
from netc.fast.program.builder import Builder
from netc.fast.program.family import Family
from netc.fast.program.model import Layout
from netc.plan.model import Step


def accepts(b: Builder, layer: int) -> Layout | None:
    node = b.plan.graph.nodes[layer]
    if any(b.native.get(v) != "blocked" for v in node.bottoms):
        return None
    return "blocked" if len(node.bottoms) == 1 or _fits(b, layer, node.bottoms[1]) else None


def _fits(b: Builder, layer: int, mask: int) -> bool:
    """Whether the mask can name no cell outside the top: it is a pooling's second top, of a plane that is no larger."""
    producer = b.plan.graph.nodes[b.plan.graph.values[mask].producer]
    if producer.type.name != "Pooling" or len(producer.tops) < 2 or producer.tops[1] != mask:
        return False
    (*_, height, width), g = b.plan.shapes[producer.bottoms[0]], b.planned(layer).setup.geometry
    return bool(height * width <= g.top_height * g.top_width)


def forward(b: Builder, layer: int) -> None:
    g: Any = b.planned(layer).setup.geometry
    x = b.read(b.bottom(layer))
    if len(b.plan.graph.nodes[layer].bottoms) > 1:
        mask = b.read(b.bottom(layer, 1))
        b.emit(kernels.scatter(x, mask, b.write(b.top(layer)), "upsample"))
    else:
        down, across = g.scale
        b.emit(kernels.repeat(x, b.write(b.top(layer)), down, across, "upsample"))


def backward(b: Builder, step: Step) -> None:
    target = step.bottom_diffs[0]
    if target is None:
        return
    g: Any = b.planned(step.layer).setup.geometry
    dy = b.read(step.top_diffs[0])
    if len(b.plan.graph.nodes[step.layer].bottoms) > 1:
        mask = b.read(b.bottom(step.layer, 1))
        b.emit(kernels.gather(b.write(target), mask, dy, "upsample gradient"))
    else:
        down, across = g.scale
        b.emit(kernels.add_repeated(b.write(target), dy, down, across, "upsample gradient"))


FAMILY = Family(("Upsample",), accepts, forward, backward)
