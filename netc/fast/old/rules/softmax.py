"""Softmax across the channels of a blocked bottom, or along the last axis of a plain one."""

from __future__ import annotations

from math import prod

from netc.fast.old.kernels import softmax as kernels
from netc.fast.program.builder import Builder
from netc.fast.program.family import Family
from netc.fast.program.model import Layout
from netc.plan.model import Step


def accepts(b: Builder, layer: int) -> Layout | None:
    bottom, axis = b.plan.graph.nodes[layer].bottoms[0], b.planned(layer).setup.geometry
    shape = b.plan.shapes[bottom]
    if 0 in shape:
        return None
    if b.native.get(bottom) == "blocked" and axis == 1 and len(shape) == 4:
        return "blocked"
    return "plain" if prod(shape[axis + 1 :]) == 1 else None


def _is_blocked(b: Builder, layer: int) -> bool:
    return b.native[b.plan.graph.nodes[layer].tops[0]] == "blocked"


def _sizes(b: Builder, layer: int) -> tuple[int, int]:
    """Lines and classes of the plain matrix."""
    shape, axis = b.shape(b.bottom(layer)), b.planned(layer).setup.geometry
    return prod(shape[:axis]), shape[axis]


def forward(b: Builder, layer: int) -> None:
    source, target = b.bottom(layer), b.top(layer)
    if _is_blocked(b, layer):
        x = b.read(source)
        b.emit(kernels.forward(x, b.write(target), "softmax"))
    else:
        flat = b.read_plain(source).base
        b.emit(kernels.forward_lines(flat, b.write_plain(target).base, *_sizes(b, layer), "softmax"))


def backward(b: Builder, step: Step) -> None:
    layer, target = step.layer, step.bottom_diffs[0]
    if target is None:
        return
    if _is_blocked(b, layer):
        y, dy = b.read(b.top(layer)), b.read(step.top_diffs[0])
        b.emit(kernels.gradient(y, dy, b.write(target), "softmax gradient"))
    else:
        lines, given = b.read_plain(b.top(layer)).base, b.read_plain(step.top_diffs[0]).base
        sizes = _sizes(b, layer)
        b.emit(kernels.gradient_lines(lines, given, b.write_plain(target).base, *sizes, "softmax gradient"))


FAMILY = Family(("Softmax",), accepts, forward, backward)
