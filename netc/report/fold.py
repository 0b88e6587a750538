"""A net's layers as people wrote them: what a composite made is one group; equal ones that follow are one, too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from netc.errors import Span
from netc.graph import Node
from netc.plan.model import Plan


@dataclass(frozen=True, slots=True)
class Group:
    """Layers that are shown as one.

    layers: their indices, in order. composite: what made them; empty for a layer by itself. repeats: how many runs of
    the composite these are.
    """

    layers: tuple[int, ...]
    composite: str = ""
    repeats: int = 1

    @property
    def last_run(self) -> tuple[int, ...]:
        return self.layers[-(len(self.layers) // self.repeats) :]


def folded(plan: Plan) -> list[Group]:
    """The net in groups: a group for each run of a composite, where that leaves something to see.

    A composite that made half of the net or more is opened, so that what it is made of is seen; others are closed,
    whatever they call themselves. Runs of one composite that follow each other, of the same types and of blobs of one
    size (whatever their channels), are one group.
    """
    nodes = plan.graph.nodes
    return _merged(plan, list(_groups(nodes, range(len(nodes)), 0, len(nodes))))


def runs(node: Node) -> list[Span]:
    """The runs of composites that a layer comes from, the outermost first."""
    found, span = list[Span](), node.record.span
    while span is not None and span.call is not None:
        span = span.call
        found.append(span)
    return found[::-1]


def _groups(nodes: Sequence[Node], layers: Sequence[int], depth: int, total: int) -> Iterator[Group]:
    """Groups of layers that come from the same runs up to a depth."""
    start = 0
    while start < len(layers):
        run = _run(nodes[layers[start]], depth)
        end = start + 1
        while run is not None and end < len(layers) and _run(nodes[layers[end]], depth) is run:
            end += 1
        inside = layers[start:end]
        if run is None or len(inside) == 1:
            yield Group((layers[start],))
        elif 2 * len(inside) >= total:
            yield from _groups(nodes, inside, depth + 1, total)
        else:
            yield Group(tuple(inside), run.callee)
        start = end


def _run(node: Node, depth: int) -> Span | None:
    calls = runs(node)
    return calls[depth] if depth < len(calls) else None


def _merged(plan: Plan, groups: Sequence[Group]) -> list[Group]:
    found = list[Group]()
    for group in groups:
        last = found[-1] if found else None
        if last is not None and group.composite and _made(plan, last) == _made(plan, group):
            found[-1] = Group(last.layers + group.layers, group.composite, last.repeats + 1)
        else:
            found.append(group)
    return found


def _made(plan: Plan, group: Group) -> tuple[object, ...]:
    """What the last run of a group is: its composite, the types of its layers and the size of what they give."""
    nodes = [plan.graph.nodes[i] for i in group.last_run]
    return group.composite, [(n.type.name, [plan.shapes[v][2:] for v in n.tops]) for n in nodes]
