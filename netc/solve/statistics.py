"""Statistics that forward writes (BatchNorm's), where an iteration has several batches: each alone, then in order.

A layer keeps a part of what it has, and adds what it sees: S = f S + m. With S zero, forward leaves m; so batches can
be seen by several ranks at once, and S has the same bits as where one process sees them one after the other.
"""

from __future__ import annotations

import numpy as np

from netc.layer import Array
from netc.run import Net, Parameter
from netc.solve.ranks import Ranks


class Statistics:
    """The running statistics of a net's layers, between batches that are seen apart."""

    def __init__(self, net: Net) -> None:
        kept: dict[int, float] = {}
        blobs: dict[int, Parameter] = {}
        for node in net.graph.nodes:
            for position, part in _kept(net, node.index).items():
                blob = net.parameters.of_layer(node.index)[position]
                kept[blob.param.index] = kept.get(blob.param.index, 1.0) * part  # a shared blob is written twice a pass
                blobs[blob.param.index] = net.parameters.all[blob.param.index]
        self._blobs = [blobs[index] for index in sorted(blobs)]
        self._kept = [kept[index] for index in sorted(blobs)]
        self._before: list[Array] = []

    def begin(self) -> None:
        """Before a batch: remember what the statistics are, and let forward write those of the batch alone."""
        self._before = [blob.array.copy() for blob in self._blobs]
        for blob in self._blobs:
            blob.array[...] = 0
            blob.values.touch()

    def merge(self, ranks: Ranks, count: int) -> None:
        """After a batch on each rank: take those of the first `count` ranks in, in order. For all ranks at once."""
        if not self._blobs:
            return
        for seen in ranks.gather([blob.array.copy() for blob in self._blobs])[:count]:
            self._before = [
                before.dtype.type(part) * before + new
                for before, part, new in zip(self._before, self._kept, seen, strict=True)
            ]
        self.restore()

    def restore(self) -> None:
        """Put them back to what they were, before a batch that is not to count or with those that have been merged."""
        for blob, before in zip(self._blobs, self._before, strict=False):
            np.copyto(blob.array, before)
            blob.values.touch()


def _kept(net: Net, layer: int) -> dict[int, float]:
    """Of a layer's blobs that forward keeps a part of: which part, by position."""
    node, setup = net.graph.nodes[layer], net.plan.layers[layer].setup
    if node.type.role.running is None:
        return {}
    return dict(
        node.type.role.running(getattr(node.record, node.type.param) if node.type.param else node.record, setup)
    )
