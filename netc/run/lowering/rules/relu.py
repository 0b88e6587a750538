"""ReLU; where it follows a convolution or an inner product, `fuse` lets that do the forward."""

from __future__ import annotations

from netc.kernels.fast import pointwise
from netc.plan.model import Step
from netc.run.lowering.builder import Builder
from netc.run.lowering.model import Layout
from netc.run.lowering.rule import Rule


def _slope(b: Builder, layer: int) -> float:
    node = b.plan.graph.nodes[layer]
    fields = node.record.relu_param if node.type.name == "ReLU" else node.record.leaky_relu_param
    return float(fields.negative_slope)


def accepts(b: Builder, layer: int) -> Layout | None:
    layout = b.native.get(b.plan.graph.nodes[layer].bottoms[0], "plain")
    return layout if layout == "blocked" or b.is_flat(b.bottom(layer)) else None


def forward(b: Builder, layer: int) -> None:
    slope = _slope(b, layer)
    if b.native[b.plan.graph.nodes[layer].tops[0]] == "blocked":
        x = b.read(b.bottom(layer))
        b.emit(pointwise.relu(x, b.write(b.top(layer)), slope, "relu"))
    else:
        x = b.read_flat(b.bottom(layer))
        b.emit(pointwise.relu(x, b.write_flat(b.top(layer)), slope, "relu"))


def backward(b: Builder, step: Step) -> None:
    target = step.bottom_diffs[0]
    if target is None:
        return
    blocked = b.native[b.plan.graph.nodes[step.layer].tops[0]] == "blocked"
    read, write = (b.read, b.write) if blocked else (b.read_flat, b.write_flat)
    kept = "y" in b.planned(step.layer).setup.reads
    sign = read(b.top(step.layer) if kept else b.bottom(step.layer))
    dy = read(step.top_diffs[0])
    b.emit(pointwise.relu_gradient(sign, dy, write(target), _slope(b, step.layer), "relu gradient"))


RULE = Rule(("ReLU", "LeakyReLU"), accepts, forward, backward)
