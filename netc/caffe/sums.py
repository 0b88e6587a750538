"""Gradients of blobs with several readers, when a script runs backward in parts.

Caffe's Split layers keep each reader's part of the gradient, and add them up when the layer that made the blob runs.
So a script may run backward from reader to reader; a part that is there already is replaced. What differs from Caffe:
the sum so far can be seen, and parts that have been used are forgotten, where Caffe adds those of earlier passes again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from netc.graph import Graph
from netc.layer import Array


class Sums:
    """The parts that wait for the other readers' parts, by value and reader."""

    def __init__(self, graph: Graph, writers: Mapping[int, Sequence[int]], gradient: Callable[[int], Array]) -> None:
        self.graph, self.gradient = graph, gradient
        self.shared = {v: tuple(dict.fromkeys(w)) for v, w in writers.items() if len(set(w)) > 1}
        self.parts: dict[int, dict[int, Array]] = {}
        self._partial: dict[int, list[int]] = {}  # by layer: values of which it must keep its part

    def begin(self, low: int, high: int) -> frozenset[int]:
        """For backward of these layers; returns those that must run alone."""
        self._partial = {}
        for value, readers in self.shared.items():
            inside = [layer for layer in readers if low <= layer <= high]
            if len(inside) == len(readers):
                self.parts.pop(value, None)
            if len(inside) < len(readers) or self.graph.values[value].producer < low:
                for layer in inside:
                    self._partial.setdefault(layer, []).append(value)
        return frozenset(self._partial)

    def before(self, layer: int) -> None:
        """The layer, which runs alone now, adds to nothing."""
        for value in self._partial.get(layer, ()):
            self.gradient(value)[...] = 0

    def after(self, layer: int) -> None:
        """The layer's part is known: the gradient is the sum of the parts so far."""
        for value in self._partial.get(layer, ()):
            parts = self.parts.setdefault(value, {})
            parts[layer] = self.gradient(value).copy()
            self.gradient(value)[...] = sum(parts.values())

    def end(self, low: int, high: int) -> None:
        """What the layers that ran have read is done with."""
        for value in list(self.parts):
            if low <= self.graph.values[value].producer <= high:
                del self.parts[value]
