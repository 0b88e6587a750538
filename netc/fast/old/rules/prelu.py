"""PReLU of a blocked bottom."""

from __future__ import annotations

from netc.fast.old.kernels import per_channel as kernels
from netc.fast.program.builder import Builder
from netc.fast.program.family import Family
from netc.fast.program.model import Layout
from netc.plan.model import Step


def accepts(b: Builder, layer: int) -> Layout | None:
    bottom = b.plan.graph.nodes[layer].bottoms[0]
    return "blocked" if b.native.get(bottom) == "blocked" and len(b.plan.shapes[bottom]) == 4 else None


def _shared(b: Builder, layer: int) -> bool:
    return bool(b.plan.graph.nodes[layer].record.prelu_param.channel_shared)


def forward(b: Builder, layer: int) -> None:
    x = b.read(b.bottom(layer))
    b.emit(kernels.prelu(x, b.param(layer, 0), _shared(b, layer), b.write(b.top(layer)), "prelu"))


def backward(b: Builder, step: Step) -> None:
    layer, target = step.layer, step.bottom_diffs[0]
    x, dy, shared = b.read(b.bottom(layer)), b.read(step.top_diffs[0]), _shared(b, layer)
    if (slopes := b.param_gradient(layer, 0)) is not None:
        work = b.new("workspace", kernels.work_bytes(x, b.threads))
        b.emit(kernels.slope_gradient(x, dy, slopes, shared, work, b.threads, "slope gradient"))
    if target is not None:
        b.emit(kernels.prelu_gradient(x, b.param(layer, 0), shared, dy, b.write(target), "prelu gradient"))


FAMILY = Family(("PReLU",), accepts, forward, backward)
