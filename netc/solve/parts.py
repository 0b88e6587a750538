"""What several ranks make of their gradients: sums in the order of the batches, each part by the rank that updates it.

The memory of all gradients is one array. It is cut into buckets, which are exchanged one after the other, as backward
ends with them; of each bucket every rank has a part, made of whole chunks (pieces of parameters), and with it that
part's update and the memory of the update rule. So a sum is a reduce-scatter, and the update ends in a gather of
parameters. Sums are made in the order of the batches, whoever had them, and so have the bits of one process that had
them all: floating-point sums depend on their order.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from netc.layer import Array
from netc.solve import sparsity
from netc.solve.prepare import PREPARED, prepare
from netc.solve.ranks import Ranks
from netc.solve.rule import Rule

CHUNK = 1 << 18
"""Values updated at a time: small enough to share between threads and to stay in the cache, large enough to be worth a
call."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of one parameter, its gradient, its memory and its mask, as flat arrays, and the parameter's numbers.

    index, start: of which parameter, and which of its values is the first. at: where that stands among all gradients.
    """

    index: int
    start: int
    at: int
    data: Array
    diff: Array
    history: tuple[Array, ...]
    numbers: Array
    mask: Array | None = None

    def keep(self) -> None:
        """Put 0 into the gradient where weights are out."""
        if self.mask is not None:
            sparsity.keep(self.diff, self.mask)

    def update(self, rule: Rule) -> None:
        """One update; the gradient becomes it."""
        prepare(self.data, self.diff, self.numbers)
        rule.update(self.data, self.diff, *self.history, self.numbers[PREPARED:])
        if self.mask is not None:
            sparsity.keep(self.data, self.mask)


def divided(chunks: Sequence[Chunk], begin: int, end: int, parts: int) -> tuple[int, ...]:
    """Where each part of some gradients begins, and where the last ends: about as long as each other, of whole chunks.

    begin, end: of these gradients. Chunks stand in the order of their places. With few of them some parts are empty.
    """
    starts, bounds = [chunk.at for chunk in chunks], [begin]
    for part in range(1, parts):
        wanted = begin + (end - begin) * part // parts
        nearest = min((s for s in starts if s >= bounds[-1]), key=lambda s: abs(s - wanted), default=end)
        bounds.append(nearest)
    return (*bounds, end)


LEAST_BUCKET = 1 << 20
"""Gradients (4 MB) of which a bucket has so many at least: large enough that a message's latency does not count."""
SHARES = 2  # chunks of a bucket for each rank, so that their parts of it are about as long as each other's


@dataclass(frozen=True, slots=True)
class Bucket:
    """Gradients that stand next to each other, which ranks exchange at once. bounds: where each rank's part of them
    begins, and where the last ends."""

    bounds: tuple[int, ...]
    chunks: tuple[Chunk, ...]

    def parts(self, array: Array) -> list[Array]:
        """Each rank's part of an array like all gradients."""
        return [array[a:b] for a, b in pairwise(self.bounds)]

    def owner(self, chunk: Chunk) -> int:
        """The rank that updates a chunk of it."""
        return bisect_right(self.bounds, chunk.at, hi=len(self.bounds) - 1) - 1


def least_bucket(ranks: int) -> int:
    """Of how many gradients a bucket is at least."""
    return max(LEAST_BUCKET, SHARES * CHUNK * ranks)


def buckets_of(chunks: Sequence[Chunk], length: int, ranks: int) -> list[Bucket]:
    """All gradients in buckets, from the last ones on, which backward has done with first; one of one rank.

    length: of all gradients. Chunks stand in the order of their places.
    """
    least = least_bucket(ranks) if ranks > 1 else length
    found: list[Bucket] = []
    end, last = length, len(chunks)
    for first in range(len(chunks) - 1, -1, -1):
        at = chunks[first].at if first else 0
        if end - at >= least or not first:
            found.append(Bucket(divided(chunks[first:last], at, end, ranks), tuple(chunks[first:last])))
            end, last = at, first
    return found


class Sum:
    """The sum over all batches of one rank's part of a bucket. own: its gradient."""

    def __init__(self, own: Array, ranks: Ranks) -> None:
        self.own = own
        self.total = np.empty_like(own)  # takes no memory where a round is all there is
        self.received = [own if rank == ranks.rank else np.empty_like(own) for rank in range(ranks.size)]

    def add(self, first: bool, last: bool) -> None:
        """Add what was received of every rank, in their order. first: begin a new sum. last: make it the gradient."""
        terms = [*([] if first else [self.total]), *self.received]
        if len(terms) == 1:
            (self.own if last else self.total)[...] = terms[0]
        for number, term in enumerate(terms[1:], 1):
            so_far = terms[0] if number == 1 else self.total
            np.add(so_far, term, out=self.own if last and number == len(terms) - 1 else self.total)


Wait = Callable[[], None]
"""Returns when something has ended."""


class Parts:
    """The gradients of a net, and what all ranks do with them together. gradient: all of them, one flat array.

    Every method that exchanges something is for all ranks at once.
    """

    def __init__(self, chunks: Sequence[Chunk], gradient: Array, ranks: Ranks) -> None:
        self.ranks = ranks
        self.gradient = gradient
        self.buckets = buckets_of(chunks, gradient.size, ranks.size)
        self.params = tuple(frozenset(chunk.index for chunk in bucket.chunks) for bucket in self.buckets)
        self._own = [[c for c in bucket.chunks if bucket.owner(c) == ranks.rank] for bucket in self.buckets]
        self._places = {chunk.at for chunks in self._own for chunk in chunks}
        self._others = [rank for rank in range(ranks.size) if rank != ranks.rank]
        self._sums: list[Sum] = []

    def is_own(self, chunk: Chunk) -> bool:
        """Whether this rank updates the chunk."""
        return chunk.at in self._places

    def own(self, bucket: int) -> list[Chunk]:
        """The chunks of a bucket that this rank updates."""
        return self._own[bucket]

    # ------------------------------------------------------------ sums

    def add(
        self,
        first: bool,
        last: bool,
        ready: Callable[[int], int] | None = None,
        then: Callable[[int], Wait] | None = None,
    ) -> None:
        """Add the gradients of every rank, in the order of the ranks, to the sums of this rank's parts.

        first: begin new sums. last: make them the gradients of these parts. ready: waits for the first n buckets, and
        says how many there are by then; by default all are. then: called with each bucket when its sum is there; what
        it begins is waited for at the end.
        """
        rank, begun, rest = self.ranks.rank, list[Wait](), list[Wait]()
        self._sums = self._sums or [Sum(b.parts(self.gradient)[rank], self.ranks) for b in self.buckets]
        for number, summed in enumerate(self._sums):
            count = len(self.buckets) if ready is None else ready(number + 1)
            begun += [self._begin(each) for each in range(len(begun), count)]
            begun[number]()
            summed.add(first, last)
            if then is not None:
                rest.append(then(number))
        for wait in rest:
            wait()

    def _begin(self, bucket: int) -> Wait:
        """Begin to give every rank its part of a bucket."""
        parts, received = self.buckets[bucket].parts(self.gradient), self._sums[bucket].received
        sent = [(rank, parts[rank]) for rank in self._others]
        return self.ranks.begin(sent, [(rank, received[rank]) for rank in self._others], 2 * bucket)

    def spread(self) -> None:
        """Give every rank all gradients (after the update: updates), each part from the rank that has it."""
        for bucket in self.buckets:
            parts = bucket.parts(self.gradient)
            sent = [(rank, parts[self.ranks.rank]) for rank in self._others]
            self.ranks.begin(sent, [(rank, parts[rank]) for rank in self._others])()

    # ------------------------------------------------------------ parameters and memory

    def begin_data(self, bucket: int, learned: Collection[int]) -> Wait:
        """Begin to give every rank the parameters of a bucket, each chunk from the rank that has updated it.

        learned: the places of the chunks that have been updated.
        """
        whose = [(self.buckets[bucket].owner(c), c.data) for c in self.buckets[bucket].chunks if c.at in learned]
        sent = [(rank, data) for owner, data in whose if owner == self.ranks.rank for rank in self._others]
        received = [(owner, data) for owner, data in whose if owner != self.ranks.rank]
        return self.ranks.begin(sent, received, 2 * bucket + 1)

    def spread_data(self, learned: Collection[int]) -> None:
        """Give every rank the parameters of the chunks at these places."""
        for wait in [self.begin_data(bucket, learned) for bucket in range(len(self.buckets))]:
            wait()

    def collect(self) -> None:
        """Give rank 0 the update rule's memory of all chunks."""
        rank, waits = self.ranks.rank, list[Wait]()
        for bucket in self.buckets:
            whose = [(bucket.owner(c), array) for c in bucket.chunks for array in c.history]
            sent = [(0, array) for owner, array in whose if owner == rank != 0]
            received = [(owner, array) for owner, array in whose if owner != rank == 0]
            waits.append(self.ranks.begin(sent, received))
        for wait in waits:
            wait()
