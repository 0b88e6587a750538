"""Turns: passes in which only some losses count, and only some parameters learn.

A GAN's discriminator and generator learn in turns; a front that was trained before stays as it is for a while. A turn
has a plan of its own: a loss that does not count has the weight 0, a parameter that does not learn takes no gradient,
so backward goes no further than it must.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from netc.errors import Span
from netc.graph import Graph, Node
from netc.plan.model import Param, Plan


@dataclass(frozen=True, slots=True)
class Pattern:
    """A name, in which `*` stands for any characters and `?` for one; where it was written."""

    text: str
    span: Span | None = field(default=None, compare=False)

    def names(self, names: Collection[str]) -> bool:
        """Whether it is one of these."""
        return any(fnmatchcase(name, self.text) for name in names)


def named(patterns: Iterable[Pattern], names: Collection[str]) -> bool:
    """Whether one of the patterns is one of the names."""
    return any(pattern.names(names) for pattern in patterns)


@dataclass(frozen=True, slots=True)
class Turn:
    """What learns (layers, or parameters shared by name), and which losses count (blobs, or layers that make them).

    Without patterns all of them. span: where the turn was written.
    """

    learn: tuple[Pattern, ...] = ()
    loss: tuple[Pattern, ...] = ()
    span: Span | None = field(default=None, compare=False)

    @property
    def is_whole(self) -> bool:
        """Whether everything learns from every loss, as without turns."""
        return not (self.learn or self.loss)


def losses(graph: Graph, node: Node) -> set[str]:
    """The names by which a layer's losses are known: the layer's own, and those of its tops that have a weight."""
    tops = {graph.values[v].name for v, weight in zip(node.tops, node.loss_weights, strict=True) if weight}
    return {node.name, node.key, *tops} if tops else set()


def counted(graph: Graph, turn: Turn) -> Graph:
    """The net with the weight 0 for losses that do not count in a turn."""
    if not turn.loss:
        return graph
    return replace(graph, nodes=tuple(_weighed(graph, node, turn) for node in graph.nodes))


def _weighed(graph: Graph, node: Node, turn: Turn) -> Node:
    if named(turn.loss, {node.name, node.key}):
        return node
    weights = (
        weight if named(turn.loss, {graph.values[v].name}) else 0.0
        for v, weight in zip(node.tops, node.loss_weights, strict=True)
    )
    return replace(node, loss_weights=tuple(weights))


def users(graph: Graph, params: Iterable[Param], layer_params: Iterable[tuple[int, ...]]) -> dict[int, set[str]]:
    """The names by which each parameter is known: its own, and those of the layers that use it."""
    found = {p.index: {p.name} for p in params}
    for node, own in zip(graph.nodes, layer_params, strict=True):
        for index in own:
            found[index] |= {node.name, node.key}
    return found


def learned(plan: Plan, turn: Turn | None) -> frozenset[int]:
    """The parameters that learn in a turn, of those that learn in the plan of the whole net."""
    learning = {p.index for p in plan.params if p.learned and plan.backward_planned}
    if turn is None or not turn.learn:
        return frozenset(learning)
    names = users(plan.graph, plan.params, (layer.params for layer in plan.layers))
    return frozenset(index for index in learning if named(turn.learn, names[index]))
