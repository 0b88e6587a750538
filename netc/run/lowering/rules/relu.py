"""ReLU on blocked blobs; where it follows a convolution, `fuse` lets that do the forward."""

from __future__ import annotations

from netc.kernels.fast import pointwise
from netc.plan.model import Step
from netc.run.lowering.builder import Builder
from netc.run.lowering.rule import Rule


def _slope(b: Builder, layer: int) -> float:
    return float(b.plan.graph.nodes[layer].record.relu_param.negative_slope)


def accepts(b: Builder, layer: int) -> bool:
    return b.native.get(b.plan.graph.nodes[layer].bottoms[0]) == "blocked"


def forward(b: Builder, layer: int) -> None:
    x = b.read(b.bottom(layer))
    b.emit(pointwise.relu(x, b.write(b.top(layer)), _slope(b, layer), "relu"))


def backward(b: Builder, step: Step) -> None:
    target = step.bottom_diffs[0]
    if target is None:
        return
    kept = "y" in b.planned(step.layer).setup.reads
    sign = b.read(b.top(step.layer) if kept else b.bottom(step.layer))
    dy = b.read(step.top_diffs[0])
    b.emit(pointwise.relu_gradient(sign, dy, b.write(target), _slope(b, step.layer), "relu gradient"))


RULE = Rule(("ReLU",), accepts, forward, backward)
