"""Slice along channels, of a blocked bottom."""

from __future__ import annotations

from itertools import accumulate

from netc.fast.machine.channels import copied
from netc.fast.program.builder import Builder
from netc.fast.program.family import Family
from netc.fast.program.lowered import Layout
from netc.kernels.geometry import Along
from netc.plan.model import Step


def accepts(b: Builder, layer: int) -> Layout | None:
    node = b.plan.graph.nodes[layer]
    blocked = b.native.get(node.bottoms[0]) == "blocked" and b.planned(layer).setup.known(Along).axis == 1
    return "blocked" if blocked and len(b.plan.shapes[node.bottoms[0]]) == 4 else None


def _parts(b: Builder, layer: int) -> list[tuple[int, int]]:
    """The first channel of each top, and how many it has."""
    sizes = [b.plan.shapes[v][1] for v in b.plan.graph.nodes[layer].tops]
    return [*zip([0, *accumulate(sizes)], sizes, strict=False)]


def forward(b: Builder, layer: int) -> None:
    x = b.read(b.bottom(layer))
    for i, (first, count) in enumerate(_parts(b, layer)):
        b.emit(copied(x, first, b.write(b.top(layer, i)), 0, count), "slice")


def backward(b: Builder, step: Step) -> None:
    if (target := step.bottom_diffs[0]) is not None:
        given = [b.read(slot) for slot in step.top_diffs]
        dx = b.write(target)
        for dy, (first, count) in zip(given, _parts(b, step.layer), strict=True):
            b.emit(copied(dy, 0, dx, first, count), "slice gradient")


FAMILY = Family(("Slice",), accepts, forward, backward)
