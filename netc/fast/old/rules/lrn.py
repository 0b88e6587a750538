"""LRN across channels, on blocked blobs."""

from __future__ import annotations

from typing import Any

from netc.fast.machine.emit import LANES
from netc.fast.old.kernels import lrn as kernels
from netc.fast.program.builder import Builder
from netc.fast.program.family import Family
from netc.fast.program.model import Layout
from netc.plan.model import Step


def accepts(b: Builder, layer: int) -> Layout | None:
    g = b.planned(layer).setup.geometry
    fields = b.plan.graph.nodes[layer].record.lrn_param
    positive = g.k > 0 and g.alpha >= 0  # else a power of a negative number
    return "blocked" if g.across and g.reach < LANES and positive and fields.beta > 0 else None


def _constants(b: Builder, layer: int) -> tuple[int, float, float, float]:
    g: Any = b.planned(layer).setup.geometry
    return g.reach, g.alpha, b.plan.graph.nodes[layer].record.lrn_param.beta, g.k


def forward(b: Builder, layer: int) -> None:
    x = b.read(b.bottom(layer))
    b.emit(kernels.forward(x, b.write(b.top(layer)), *_constants(b, layer), "normalization"))


def backward(b: Builder, step: Step) -> None:
    target = step.bottom_diffs[0]
    if target is None:
        return
    x, dy = b.read(b.bottom(step.layer)), b.read(step.top_diffs[0])
    work = b.new("workspace", b.threads * kernels.workspace_bytes(x))
    b.emit(kernels.backward(x, dy, b.write(target), *_constants(b, step.layer), work, "normalization gradient"))


FAMILY = Family(("LRN",), accepts, forward, backward)
