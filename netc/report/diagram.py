"""A net as boxes and what joins them, in a style: what drawings and pages show, before anything is laid out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from netc.errors import Span
from netc.graph import Node
from netc.plan.model import Plan
from netc.report.fold import folded, runs

Style = Literal["plain", "compact", "full"]


@dataclass(frozen=True, slots=True)
class Box:
    """Layers that are drawn as one: a layer with what works in place on its top, or the layers of a composite.

    layers: their indices. composite, repeats: what made them, and how many runs of it these are. clusters: the runs of
    composites that it lies in, the outermost first, as indices of `Boxes.clusters`.
    """

    layers: tuple[int, ...]
    composite: str = ""
    repeats: int = 1
    clusters: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Edge:
    """A value that a box reads from another: boxes by index. first: of those that leave with this value."""

    source: int
    target: int
    value: int
    first: bool


@dataclass(frozen=True)
class Boxes:
    """A net in boxes.

    clusters: the names of composites, one for each run. outputs: values that leave the net, and the box of each.
    """

    boxes: tuple[Box, ...]
    edges: tuple[Edge, ...]
    clusters: tuple[str, ...]
    outputs: tuple[tuple[int, int], ...]


def boxes(plan: Plan, style: Style = "plain") -> Boxes:
    """The boxes of a plan.

    plain: a box a layer; layers in place are in the box of the layer above; composites are clusters. full: each layer
    has a box of its own. compact: a composite is a box, and equal ones that follow each other are one.
    """
    nodes, found, clusters = plan.graph.nodes, list[Box](), dict[Span, int]()
    groups = [(g.layers, g.composite, g.repeats) for g in folded(plan)] if style == "compact" else _alone(nodes)
    for layers, composite, repeats in groups:
        if style == "compact" and found and not composite and _in_place(plan, nodes[layers[0]], found[-1]):
            found[-1] = Box(found[-1].layers + layers, found[-1].composite, found[-1].repeats)
            continue
        lies_in = runs(nodes[layers[0]]) if style != "compact" else []
        around = tuple(clusters.setdefault(run, len(clusters)) for run in lies_in)
        found.append(Box(layers, composite, repeats, around))
    if style == "plain":
        found = _chained(plan, found)
    found, names = _framed(found, [run.callee or "block" for run in clusters])
    whose = {layer: at for at, box in enumerate(found) for layer in box.layers}
    outputs = tuple((v, whose[plan.graph.values[v].producer]) for v in plan.graph.outputs)
    return Boxes(tuple(found), tuple(_edges(plan, whose)), names, outputs)


def _framed(found: list[Box], names: Sequence[str]) -> tuple[list[Box], tuple[str, ...]]:
    """The boxes without clusters that hold one box only, which need no frame, and the names of those that are left."""
    sizes = Counter(cluster for box in found for cluster in box.clusters)
    kept = {old: new for new, old in enumerate(cluster for cluster in range(len(names)) if sizes[cluster] > 1)}
    inside = [tuple(kept[cluster] for cluster in box.clusters if cluster in kept) for box in found]
    framed = [replace(box, clusters=clusters) for box, clusters in zip(found, inside, strict=True)]
    return framed, tuple(names[cluster] for cluster in kept)


def _alone(nodes: Sequence[Node]) -> list[tuple[tuple[int, ...], str, int]]:
    return [((node.index,), "", 1) for node in nodes]


def _chained(plan: Plan, found: list[Box]) -> list[Box]:
    """Layers in place put into the box whose last top they write over."""
    out, last = list[Box](), dict[int, int]()
    for box in found:
        node = plan.graph.nodes[box.layers[0]]
        at = last.get(plan.graph.values[node.bottoms[0]].producer, -1) if node.bottoms else -1
        if at >= 0 and _in_place(plan, node, out[at]):
            out[at] = Box(out[at].layers + box.layers, clusters=out[at].clusters)
            del last[plan.graph.values[node.bottoms[0]].producer]
        else:
            at = len(out)
            out.append(box)
        last[node.index] = at
    return out


def _in_place(plan: Plan, node: Node, above: Box) -> bool:
    """Whether a layer works in place on what the last layer of a box gives, which nobody else reads."""
    if len(node.bottoms) != 1 or len(node.tops) != 1 or node.record.bottom[0] != node.record.top[0]:
        return False
    value = plan.graph.values[node.bottoms[0]]
    source = plan.graph.nodes[value.producer]
    return value.producer == above.layers[-1] and len(value.consumers) == 1 and not source.type.source


def _edges(plan: Plan, whose: dict[int, int]) -> Iterator[Edge]:
    seen: set[tuple[int, int, int]] = set()
    left: set[int] = set()
    for node in plan.graph.nodes:
        for value in node.bottoms:
            edge = whose[plan.graph.values[value].producer], whose[node.index], value
            if edge[0] != edge[1] and edge not in seen:
                seen.add(edge)
                yield Edge(*edge, first=value not in left)
                left.add(value)
