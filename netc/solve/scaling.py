"""How long a training step takes on several ranks: measured passes, and a model of what ranks exchange.

A message of n bytes takes latency + n / bandwidth (the alpha-beta model; Hockney 1994). With R ranks and G bytes of
gradients, a rank sends R - 1 messages of G / R bytes after backward, and as many after the update (`solve/parts.py`):

    exchange(R) = 2 (R - 1) latency + 2 (R - 1) / R * G / bandwidth

Then come adding the parts up, copying parameters, and the update of 1 / R of them. Nothing of it overlaps backward.
Every rank has a machine to itself, and the network carries all of them at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil
from statistics import median
from time import perf_counter

import numpy as np


@dataclass(frozen=True, slots=True)
class Network:
    """What is between ranks. bandwidth: bytes a second in each direction; latency: seconds for a message."""

    bandwidth: float
    latency: float


@dataclass(frozen=True, slots=True)
class Measured:
    """A step on one rank. images: of a batch; passes, update: seconds of forward and backward, and of the update.

    gradients: bytes of all of them. memory: seconds to add that many bytes of floats to others, and to copy them.
    """

    images: int
    passes: float
    update: float
    gradients: int
    memory: float


@dataclass(frozen=True, slots=True)
class Predicted:
    """A step on so many ranks, in seconds. exchange: the part of it in which messages are under way.

    efficiency: images a second of each rank, to those of one rank alone. batch: the images of a rank's batch from which
    on that is at least what was asked for.
    """

    ranks: int
    step: float
    exchange: float
    images_per_second: float
    efficiency: float
    batch: int


def predicted(measured: Measured, network: Network, ranks: int, wanted: float = 0.9) -> Predicted:
    """A step of `ranks` ranks, each with a batch as measured. wanted: the efficiency that `batch` is for."""
    alone = measured.passes + measured.update
    exchange = 2 * (ranks - 1) * (network.latency + measured.gradients / ranks / network.bandwidth)
    besides = exchange + measured.update / ranks + (measured.memory if ranks > 1 else 0.0)
    step, image = measured.passes + besides, measured.passes / measured.images
    # (n image + update) / (n image + besides) >= wanted
    least = (wanted * besides - measured.update) / ((1 - wanted) * image)
    return Predicted(ranks, step, exchange, ranks * measured.images / step, alone / step, max(1, ceil(least)))


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
