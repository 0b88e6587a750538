"""Which layers are done by the rows of another: ReLU by the convolution or inner product that it follows."""

from __future__ import annotations

from netc.run.lowering.builder import Builder


def fuse(b: Builder) -> None:
    """Fill in `Builder.fused`."""
    for node in b.plan.graph.nodes:
        if node.type.name not in ("Convolution", "InnerProduct") or node.index not in b.accepted:
            continue
        relu = _only_reader(b, node.index)
        if relu is None or b.plan.graph.nodes[relu].type.name != "ReLU" or relu not in b.accepted:
            continue
        if b.plan.graph.nodes[relu].record.relu_param.negative_slope == 0:
            b.fused[relu] = node.index


def _only_reader(b: Builder, layer: int) -> int | None:
    """The one layer that reads a layer's top, if nothing else ever does (backward and the user included)."""
    value = b.plan.graph.values[b.plan.graph.nodes[layer].tops[0]]
    slot = b.plan.slots[b.plan.data[value.index]]
    weights = b.plan.graph.nodes[layer].loss_weights
    if len(value.consumers) != 1 or any(weights):
        return None
    reader = value.consumers[0][0]
    return reader if slot.last <= reader else None
