"""How long a training step takes on several ranks: measured passes, and a model of what ranks exchange.

A message of n bytes takes latency + n / bandwidth (the alpha-beta model; Hockney 1994). With R ranks, a bucket of G
bytes of gradients is exchanged as R - 1 messages of G / R bytes that each rank sends, and its parameters in as many
after the update (`solve/parts.py`):

    exchange(R, G) = 2 (R - 1) (latency + G / R / bandwidth)

Where a core is left beside the threads that compute, a bucket is exchanged when backward has done with it and the
bucket before has been exchanged, and the step ends when backward and the last exchange have; else all of that comes
after backward. Messages are copied, parts added up, and 1 / R of them updated by the thread that exchanges. Every rank
has a machine to itself, and the network carries all at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from statistics import median
from time import perf_counter

import numpy as np

from netc.solve.parts import least_bucket

MOST_IMAGES = 1 << 30  # of a batch that is looked for


@dataclass(frozen=True, slots=True)
class Network:
    """What is between ranks. bandwidth: bytes a second in each direction; latency: seconds for a message."""

    bandwidth: float
    latency: float


@dataclass(frozen=True, slots=True)
class Measured:
    """A step on one rank. images: of a batch; forward, backward, update: seconds of each; step: of all that on one rank
    alone, which makes updates in backward where it can.

    done: when backward has done with each parameter, in seconds from its begin, and the bytes of its gradient, from the
    last parameter to the first. clear: seconds to clear all gradients. memory: to add as many floats, and to copy them.
    overlaps: a core is left beside the threads that compute.
    """

    images: int
    forward: float
    backward: float
    update: float
    step: float
    done: tuple[tuple[float, int], ...]
    clear: float
    memory: float
    overlaps: bool

    @property
    def gradients(self) -> int:
        """Bytes of all of them."""
        return sum(count for _, count in self.done)

    def of(self, images: int) -> Measured:
        """With batches of another size: passes take longer by as much, the rest does not."""
        factor = images / self.images
        forward, backward = self.forward * factor, self.backward * factor
        step = self.step + forward + backward - self.forward - self.backward
        done = tuple((at * factor, count) for at, count in self.done)
        return replace(self, images=images, forward=forward, backward=backward, step=step, done=done)

    def buckets(self, ranks: int) -> Iterator[tuple[float, int]]:
        """When each bucket is ready, in seconds from the begin of backward, and its bytes."""
        least, ready, size = 4 * least_bucket(ranks), 0.0, 0
        for at, count in self.done:
            ready, size = max(ready, at), size + count
            if size >= least:
                yield ready, size
                size = 0
        if size:
            yield ready, size


@dataclass(frozen=True, slots=True)
class Predicted:
    """A step on so many ranks, in seconds. exchange: how long messages are under way; hidden: which share of that costs
    nothing, beside backward.

    efficiency: images a second of each rank, to those of one rank alone. batch: the images of a rank's batch from which
    on that is at least what was asked for.
    """

    ranks: int
    step: float
    exchange: float
    hidden: float
    images_per_second: float
    efficiency: float
    batch: int


def predicted(measured: Measured, network: Network, ranks: int, wanted: float = 0.9) -> Predicted:
    """A step of `ranks` ranks, each with a batch as measured. wanted: the efficiency that `batch` is for."""
    step, exchange = _step(measured, network, ranks)
    without, _ = _step(measured, Network(math.inf, 0.0), ranks)
    hidden = max(0.0, 1 - (step - without) / exchange) if exchange else 1.0
    return Predicted(
        ranks=ranks,
        step=step,
        exchange=exchange,
        hidden=hidden,
        images_per_second=ranks * measured.images / step,
        efficiency=_efficiency(measured, network, ranks),
        batch=_least(lambda images: _efficiency(measured.of(images), network, ranks) >= wanted),
    )


def _efficiency(measured: Measured, network: Network, ranks: int) -> float:
    return _step(measured, network, 1)[0] / _step(measured, network, ranks)[0]


def _step(measured: Measured, network: Network, ranks: int) -> tuple[float, float]:
    """Seconds of a step, and those in which messages are under way meanwhile."""
    if ranks == 1:
        return measured.step, 0.0
    beside = measured.memory + measured.update / ranks
    end = exchange = 0.0
    for ready, size in measured.buckets(ranks):
        takes = 2 * (ranks - 1) * (network.latency + size / ranks / network.bandwidth)
        end = max(end, ready) + takes + beside * size / measured.gradients
        exchange += takes
    passes = measured.clear + measured.forward
    if not measured.overlaps:
        return passes + measured.backward + exchange + beside, exchange
    return passes + max(measured.backward, end), exchange


def _least(enough: Callable[[int], bool]) -> int:
    """The number from which on it is for all."""
    high = MOST_IMAGES
    while high > 1 and enough(high // 2):
        high //= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def doubling(first: int, last: int) -> Iterator[int]:
    """`first`, twice that, ... and `last`."""
    while first < last:
        yield first
        first *= 2
    yield last


def memory_seconds(count: int) -> float:
    """Seconds to add `count` floats to others, and to copy them; the median of five."""
    total, part = np.zeros(count, np.float32), np.ones(count, np.float32)

    def run() -> None:
        np.add(total, part, out=total)
        np.copyto(part, total)

    return median(_timed(run) for _ in range(5))


def _timed(run: Callable[[], object]) -> float:
    begin = perf_counter()
    run()
    return perf_counter() - begin
