"""Which batches of a net's data a rank takes: all sources move on by a batch of each rank, whoever reads it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, runtime_checkable

import numpy as np

from netc.graph import Node
from netc.layer import Array
from netc.run import Feed, Net
from netc.solve.ranks import Ranks
from netc.solve.snapshots import restore_sources, source_states


@runtime_checkable
class Walk(Protocol):
    """The order of a source that can pass over batches (`netc.data.order.Order`)."""

    dealt: tuple[int, int]
    even: bool


class Reader:
    """A feed that reads the batches of all ranks, and keeps its own: for sources that cannot pass over any."""

    def __init__(self, feed: Feed, dealt: tuple[int, int]) -> None:
        self.feed = feed
        self.dealt = dealt
        self.reader = self  # also where another feed stands around this one and hands on what it is asked

    def next(self, out: Sequence[Array]) -> None:
        turn, turns = self.dealt
        others = [np.empty_like(array) for array in out]
        for batch in range(turns):
            self.feed.next(out if batch == turn else others)

    def __getattr__(self, name: str) -> Any:  # state, restore and whatever else the feed has
        return getattr(self.feed, name)


def deal(net: Net, turn: int, turns: int) -> None:
    """From the next batch on, of every `turns` batches of the net's data take the one at `turn`, counted from 0."""
    for name, feed in net.feeds.items():
        walk, reader = getattr(feed, "order", None), getattr(feed, "reader", None)
        if isinstance(walk, Walk) and walk.even:
            walk.dealt = (turn, turns)
        elif isinstance(reader, Reader):
            reader.dealt = (turn, turns)
        else:
            net.feeds[name] = Reader(feed, (turn, turns))
    restore_sources(net, source_states(net))  # what was read ahead was dealt otherwise


@contextmanager
def dealt(net: Net, turn: int, turns: int, then: tuple[int, int]) -> Iterator[None]:
    """Within `with`, deal so; afterwards as `then` says."""
    if then == (0, 1):
        yield
        return
    deal(net, turn, turns)
    try:
        yield
    finally:
        deal(net, *then)


@contextmanager
def dealt_round(net: Net, ranks: Ranks, count: int) -> Iterator[None]:
    """Within `with`, deal a round of a batch for each rank below `count`; it may be the last, of fewer than all."""
    if count == ranks.size:
        yield
        return
    deal(net, min(ranks.rank, count - 1), count)
    try:
        yield
    finally:
        deal(net, ranks.rank, ranks.size)


def keeps(net: Net) -> Node | None:
    """A layer that may carry something from one batch to the next, or that writes files; None if there is none.

    Layers of a sequence carry their state only where it goes on: `net.solve.carried` looks at that.
    """
    stateful = {
        layer for layer, planned in enumerate(net.plan.layers) for b in planned.setup.buffers if b.kind == "state"
    }
    for node in net.graph.nodes:
        role = node.type.role
        if role.foreign or role.writes or (node.index in stateful and not role.sequence):
            return node
    return None
