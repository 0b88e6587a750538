"""What layers of a sequence carry from one batch to the next, where ranks take turns in the batches.

The states that a batch leaves are the next one's first, unless its sequences begin anew (`cont` is 0 at their first
step). Only then can another rank have the next batch. So each batch of a source that gives `cont` is looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from netc.errors import Diagnostic, NetError
from netc.graph import Node
from netc.layer import Array
from netc.run import Feed, Net
from netc.solve.ranks import Ranks
from netc.solve.ranks.codes import NOT_DIVIDED

CONT = 1  # the bottom that says at which steps a sequence goes on


class Looking:
    """A feed whose batches are looked at. Raises NetError(SOL043) for one that goes on with sequences of another.

    top: of the feed's, the one that is `cont` for the layer.
    """

    def __init__(self, feed: Feed, top: int, layer: Node) -> None:
        self.feed, self.top, self.layer = feed, top, layer

    def next(self, out: Sequence[Array]) -> None:
        self.feed.next(out)
        if out[self.top][0].any():
            raise refused(self.layer, "goes on with the sequences of the batch before, which another rank has")

    def __getattr__(self, name: str) -> Any:  # state, restore and whatever else the feed has
        return getattr(self.feed, name)


def watch(net: Net) -> None:
    """From now on refuse batches that go on with sequences; raises NetError(SOL043) if nobody can tell."""
    for node in net.graph.nodes:
        if not node.type.role.sequence or not any(b.kind == "state" for b in net.plan.layers[node.index].setup.buffers):
            continue
        cont = net.graph.values[node.bottoms[CONT]]
        source = net.graph.nodes[cont.producer]
        if source.key not in net.feeds:
            raise refused(node, f'may go on with the sequences of the batch before: "{cont.name}" is not from a source')
        net.feeds[source.key] = Looking(net.feeds[source.key], cont.top, node)


def refused(node: Node, why: str) -> NetError:
    """That a layer cannot be trained by several ranks."""
    return NetError(Diagnostic.of_layer(node.record, NOT_DIVIDED, why, help=NOT_DIVIDED.fix))


def settle(net: Net, ranks: Ranks) -> None:
    """After an iteration, on all ranks at once: layers keep what the last batch has left, which the last rank had."""
    state = net.state
    if state and ranks.size > 1:
        last = ranks.broadcast([array.copy() for array in state.values()], ranks.size - 1)
        for array, values in zip(state.values(), last, strict=True):
            array[...] = values
