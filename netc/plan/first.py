"""Parts of a net: its first layers only, or with other outputs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from netc.graph import AUTOMATIC, Graph


def first_layers(graph: Graph, count: int) -> Graph:
    """The net of the first layers: what they make for later ones is its output.

    Where the later layers hold losses, gradients are wanted of everything that can give some.
    """
    if count >= len(graph.nodes):
        return graph
    nodes = graph.nodes[:count]
    values = tuple(
        replace(v, consumers=tuple(c for c in v.consumers if c[0] < count)) for v in graph.values if v.producer < count
    )
    has_loss = any(any(node.loss_weights) for node in graph.nodes[count:])
    return replace(
        graph,
        nodes=nodes,
        values=values,
        inputs=tuple(v for v in graph.inputs if v < len(values)),
        outputs=tuple(v.index for v in values if not v.consumers and v.name != AUTOMATIC),
        force_backward=graph.force_backward or has_loss,
    )


def with_outputs(graph: Graph, names: Iterable[str]) -> Graph:
    """The same net where the last values of these blobs are outputs, too."""
    last = {value.name: value.index for value in graph.values}
    more = sorted(last[name] for name in names if name in last)
    return replace(graph, outputs=tuple(dict.fromkeys((*graph.outputs, *more))))
