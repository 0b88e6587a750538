"""Statistics that layers have of the data (Whiten's, BatchNorm's), estimated in one pass that changes nothing else.

A layer whose top depends on its statistics is estimated before those that come after it: each such step is a pass.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

import numpy as np

from netc.errors import Diagnostic, NetError
from netc.graph import Node
from netc.layer import Array
from netc.plan import plan as plan_graph
from netc.plan.first import first_layers
from netc.role import Statistics
from netc.run import Net
from netc.solve.codes import HOW_MUCH, TOO_FEW
from netc.solve.events import Fitted
from netc.solve.whole import Position


@runtime_checkable
class Counted(Protocol):
    """A source that goes over a known number of records."""

    order: Any


def missing(net: Net) -> list[Node]:
    """The layers that have no statistics yet, and cannot do without."""
    found = []
    for node in able(net):
        fit, blobs = node.type.role.fit, [blob.array for blob in net.parameters.of_layer(node.index)]
        if fit is not None and fit.missing(blobs):
            found.append(node)
    return found


def able(net: Net) -> list[Node]:
    """The layers that have statistics."""
    return [node for node in net.graph.nodes if node.type.role.fit is not None]


def fit(net: Net, nodes: Collection[Node], batches: int = 0) -> list[Fitted]:
    """Estimate the statistics of these layers; sources, random draws and everything else are then where they were.

    batches: how many, 0 for as many as go over the data once (a bottom's items that come twice do not count).
    Raises NetError(SOL032) if nobody knows how many records there are, SOL033 for fewer than two items.
    """
    found: list[Fitted] = []
    waiting = list(nodes)
    while waiting:
        now = _ready(net, waiting)
        waiting = [node for node in waiting if node not in now]
        found += _fit(net, now, batches)
    return found


def _fit(net: Net, nodes: list[Node], batches: int) -> list[Fitted]:
    """In passes over the data: one for all that see their bottoms, and one for all that leave statistics in blobs."""
    before = Position(net)
    old = {node.index: tuple(blob.array.copy() for blob in net.parameters.of_layer(node.index)) for node in nodes}
    made: list[_Gathering] = []
    try:
        with net.without_writing():
            for kind in (True, False):
                if chosen := [node for node in nodes if _is_chained(net, node) == kind]:
                    made.append(_Gathering(net, chosen, batches))
                    made[-1].run(_Bottoms(net, chosen) if kind else None)
                    before.restore()
    finally:
        before.restore()
    for gathering in made:
        gathering.write()
    return [Fitted(node.name, g.counts[node.index], old[node.index]) for g in made for node in g.nodes]


def _is_chained(net: Net, node: Node) -> bool:
    found = node.type.role.fit
    return found is not None and found.chained(net.plan.layers[node.index].setup)


def _ready(net: Net, nodes: list[Node]) -> list[Node]:
    """The layers that depend on the statistics of none of the others."""
    unsettled: set[int] = set()  # values
    ready, waiting = [], {node.index for node in nodes}
    for node in net.graph.nodes:
        late = not unsettled.isdisjoint(node.bottoms)
        if node.index in waiting and not late:
            ready.append(node)
        if late or (node.index in waiting and _is_chained(net, node)):
            unsettled.update(node.tops)
    return ready


class _Bottoms:
    """The net of what comes before some layers: it uses the net's parameters and sources, and gives their bottoms."""

    def __init__(self, net: Net, nodes: list[Node]) -> None:
        plan, self.values = net.plan, [node.bottoms[0] for node in nodes]
        graph = first_layers(net.graph, max(node.index for node in nodes))
        tops = {n.key: tuple(plan.shapes[v] for v in n.tops) for n in graph.nodes if n.type.source}
        self.net = Net(
            plan_graph(replace(graph, outputs=tuple(dict.fromkeys(self.values))), training=False, given=tops),
            dtype=net.dtype,
            seed=net.seed,
            params=net,
            feeds=net.feeds,
            executor=net.executor_name,
            threads=net.threads,
        )
        self.net.iteration = net.iteration
        for name, array in net.inputs.items():
            if name in self.net.inputs:
                self.net.set_input(name, array)

    def next(self) -> list[Array]:
        """The bottoms of the next batch, in the order of the layers."""
        with self.net.without_writing():
            self.net.forward()
        found = [self.net.executor.value(v) for v in self.values]
        return [array for array in found if array is not None]


class _Gathering:
    """The statistics of some layers, while they are gathered. counts: of how many items each layer's are."""

    def __init__(self, net: Net, nodes: list[Node], batches: int) -> None:
        self.net, self.nodes, self.batches = net, nodes, batches
        self.records = {node.index: _records(net, node) for node in nodes}
        if not batches and (unknown := [node for node in nodes if self.records[node.index] is None]):
            message = f'nobody knows how much data layer "{unknown[0].name}" ({unknown[0].type.name}) sees'
            raise NetError(Diagnostic(HOW_MUCH, message, unknown[0].record.span, help=HOW_MUCH.fix))
        self.statistics = {node.index: _start(net, node) for node in nodes}
        self.counts = dict.fromkeys(self.statistics, 0)

    def run(self, bottoms: _Bottoms | None) -> None:
        """Pass by pass, until all data, or as many batches as wanted, have gone by. Raises NetError(SOL033)."""
        done = 0
        while done < self.batches if self.batches else self._wants_more():
            for node in self.nodes:
                self.statistics[node.index].begin(self._blobs(node))
            if bottoms is None:
                self.net.forward()
            given = [None] * len(self.nodes) if bottoms is None else bottoms.next()
            for node, bottom in zip(self.nodes, given, strict=True):
                self._add(node, bottom)
            done += 1
        for node in self.nodes:
            if self.counts[node.index] < 2:
                message = f'layer "{node.name}": statistics of {self.counts[node.index]} items cannot be'
                raise NetError(Diagnostic(TOO_FEW, message, node.record.span, help=TOO_FEW.fix))

    def _wants_more(self) -> bool:
        return any(self.counts[index] < (self.records[index] or 0) for index in self.counts)

    def _add(self, node: Node, bottom: Array | None) -> None:
        count = self.net.plan.shapes[node.bottoms[0]][0]
        if bottom is not None:
            left = len(bottom) if self.batches else (self.records[node.index] or 0) - self.counts[node.index]
            bottom = bottom[: max(0, left)]
            count = len(bottom)
        self.statistics[node.index].add(self._blobs(node), bottom)
        self.counts[node.index] += count

    def _blobs(self, node: Node) -> list[Array]:
        return [blob.data for blob in self.net.parameters.of_layer(node.index)]

    def write(self) -> None:
        """Put the statistics into the layers' blobs."""
        for node in self.nodes:
            for blob, array in zip(self._blobs(node), self.statistics[node.index].blobs(), strict=False):
                blob[...] = np.asarray(array).reshape(blob.shape)


def _start(net: Net, node: Node) -> Statistics:
    assert node.type.role.fit is not None
    p = getattr(node.record, node.type.param) if node.type.param else node.record
    return node.type.role.fit.start(p, net.plan.layers[node.index].setup)


def _records(net: Net, node: Node) -> int | None:
    """How many items go over the data that a layer sees once: the most records of a source before it."""
    before, values = {node.index}, net.graph.values
    for earlier in reversed(net.graph.nodes[: node.index + 1]):
        if earlier.index in before:
            before |= {values[v].producer for v in earlier.bottoms}
    feeds: list[Any] = [net.feeds.get(net.graph.nodes[index].key) for index in before]
    counts = [int(feed.order.count) for feed in feeds if isinstance(feed, Counted)]
    return max(counts, default=None)


def changes(net: Net, fitted: Fitted) -> Mapping[int, float]:
    """By blob, the largest difference that the estimate has made."""
    node = next(node for node in net.graph.nodes if node.name == fitted.layer)
    pairs = zip(net.parameters.of_layer(node.index), fitted.before, strict=True)
    return {i: float(np.abs(blob.array - old).max(initial=0)) for i, (blob, old) in enumerate(pairs)}
