"""The units of a layer that rectifies: channels of images, or what a product gives at each step of a sequence."""

from __future__ import annotations

from netc.graph import Graph, Node
from netc.layer import Array

FEW = 8
"""With fewer samples, an output that is always zero says nothing."""


def units_of(graph: Graph, node: Node, top: Array) -> tuple[int, int]:
    """How many units a ReLU has, and how many of them are zero for every sample; (0, 0) for other layers."""
    if not node.type.role.rectifies or top.ndim < 2:
        return 0, 0
    axis = _axis(graph, node, top.ndim)
    samples = top.size // top.shape[axis] if axis > 1 else len(top)
    if samples < FEW:
        return 0, 0
    alive = (top != 0).any(axis=tuple(other for other in range(top.ndim) if other != axis))
    return len(alive), int((~alive).sum())


def _axis(graph: Graph, node: Node, axes: int) -> int:
    """The axis of a top that counts units: the second one, but the last one of sequences (steps x samples x values)."""
    while node.bottoms and node.type.role.family in ("activation", "normalization"):
        node = graph.nodes[graph.values[node.bottoms[0]].producer]
    return 2 if axes == 3 and node.type.role.family != "convolution" else 1
