"""What OpenCV calls the layers of a net, and how it counts them."""

from __future__ import annotations

from collections import Counter

from netc.graph import Graph, Node


def named(graph: Graph) -> dict[str, Node]:
    """The layers by OpenCV's names, in order: those that fill inputs are none; the second `relu` is `relu_1`."""
    seen: Counter[str] = Counter()
    found: dict[str, Node] = {}
    for node in graph.nodes:
        if not is_input(node):
            times = seen[node.name]
            seen[node.name] += 1
            found[f"{node.name}_{times}" if times else node.name] = node
    return found


def is_input(node: Node) -> bool:
    """Whether a layer's tops are what the caller gives."""
    return node.type.source and node.type.forward is None


def unconnected(graph: Graph) -> list[str]:
    """The names of layers of which no other layer reads a top."""
    read = {graph.values[v].producer for node in graph.nodes for v in node.bottoms}
    return [name for name, node in named(graph).items() if node.index not in read]


def input_names(graph: Graph) -> list[str]:
    """The blobs that the caller gives, in order."""
    return [graph.values[v].name for node in graph.nodes if is_input(node) for v in node.tops]
