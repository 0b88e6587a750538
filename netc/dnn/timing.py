"""How long each layer of a net takes."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby, pairwise
from time import perf_counter

import numpy as np

from netc.api.sized import SizedNet
from netc.layer import Array
from netc.run.fast import Fast

REPEATS = 3
"""Passes that are timed; the shortest time of a layer counts."""


def shares(net: SizedNet, last: str, layers: Iterable[int]) -> Array:
    """The part that each of the layers has of the time of a pass up to layer `last`; measured by running it again.

    What is joined to another layer takes no time. The net has just run up to there.
    """
    fast = net.executor
    once = _fast if isinstance(fast, Fast) else _observed
    times: Array = np.min([once(net, last) for _ in range(REPEATS)], axis=0)[list(layers)]
    found: Array = times / (times.sum() or 1)
    return found


def _fast(net: SizedNet, last: str) -> Array:
    """Seconds of each layer's forward, on the fast executor."""
    fast, times = net.executor, np.zeros(len(net.graph.nodes))
    assert isinstance(fast, Fast)
    fast.set_up()
    for layer, items in groupby(fast.program.forward, lambda item: item.layer):
        segments = fast.cut(list(items))
        start = perf_counter()
        fast.walk(segments)
        times[layer] += perf_counter() - start
    return times


def _observed(net: SizedNet, last: str) -> Array:
    """Seconds of each layer's forward up to `last`, on the reference executor."""
    times, marks = np.zeros(len(net.graph.nodes)), [(0, perf_counter())]
    with net.observed(lambda kind, layer, call: marks.append((layer, perf_counter()))):
        net.forward(end=last)
    for (_, before), (layer, mark) in pairwise(marks):
        times[layer] = mark - before
    return times
