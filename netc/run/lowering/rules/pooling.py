"""Pooling on blocked blobs: MAX (and its mask) and AVE."""

from __future__ import annotations

from typing import Any

from netc.kernels.fast import pool, unpool
from netc.plan.model import Step
from netc.run.lowering.builder import Builder
from netc.run.lowering.model import Layout
from netc.run.lowering.rule import Rule


def _fields(b: Builder, layer: int) -> Any:
    return b.plan.graph.nodes[layer].record.pooling_param


def accepts(b: Builder, layer: int) -> Layout | None:
    planes = b.planned(layer).setup.geometry
    method = _fields(b, layer).pool
    known = method in ("MAX", "AVE") and pool.supported(planes.height, planes.width, method == "MAX")
    return "blocked" if known else None


def forward(b: Builder, layer: int) -> None:
    planes = b.planned(layer).setup.geometry
    x, y = b.read(b.bottom(layer)), b.write(b.top(layer))
    if _fields(b, layer).pool == "AVE":
        count_pad = _fields(b, layer).padding == "EXPLICIT"
        b.emit(pool.average_forward(x, y, planes.height, planes.width, count_pad, "average"))
        return
    index = None
    masked = len(b.plan.graph.nodes[layer].tops) > 1
    if b.planned(layer).needs_backward or masked:
        index = b.kept[layer, "index"] = b.new("pool index", pool.index_bytes(y))
    b.emit(pool.max_forward(x, y, index, planes.height, planes.width, "maximum"))
    if masked and index is not None:
        b.emit(unpool.mask(index, b.write(b.top(layer, 1)), planes.height, planes.width, "mask"))


def backward(b: Builder, step: Step) -> None:
    layer, target = step.layer, step.bottom_diffs[0]
    if target is None:
        return
    planes = b.planned(layer).setup.geometry
    dy, dx = b.read(step.top_diffs[0]), b.write(target)
    if _fields(b, layer).pool == "AVE":
        count_pad = _fields(b, layer).padding == "EXPLICIT"
        b.emit(pool.average_backward(dx, dy, planes.height, planes.width, count_pad, "average gradient"))
    else:
        b.emit(pool.max_backward(dx, dy, b.kept[layer, "index"], planes.height, planes.width, "maximum gradient"))


RULE = Rule(("Pooling",), accepts, forward, backward)
