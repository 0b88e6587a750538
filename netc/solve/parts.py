"""What several ranks make of their gradients: sums in the order of the batches, each part by the rank that updates it.

The memory of all gradients is one array; each rank has a part of it, made of whole chunks (pieces of parameters), and
with it that part's update and the memory of the update rule. So a sum is a reduce-scatter, and the update ends in a
gather of parameters. Sums are made in the order of the batches, whoever had them, and so have the bits of one process
that had them all: floating-point sums depend on their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from netc.layer import Array
from netc.solve import sparsity
from netc.solve.prepare import PREPARED, prepare
from netc.solve.ranks import Ranks
from netc.solve.rule import Rule


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


def divided(chunks: Sequence[Chunk], length: int, parts: int) -> tuple[int, ...]:
    """Where each part of the gradients begins, and where the last ends: about as long as each other, of whole chunks.

    length: of all gradients. Chunks stand in the order of their places. With few of them some parts are empty.
    """
    starts, bounds = [chunk.at for chunk in chunks], [0]
    for part in range(1, parts):
        wanted = length * part // parts
        nearest = min((s for s in starts if s >= bounds[-1]), key=lambda s: abs(s - wanted), default=length)
        bounds.append(nearest)
    return (*bounds, length)


class Parts:
    """The gradients of a net, and what all ranks do with them together. gradient: all of them, one flat array.

    Every method is for all ranks at once.
    """

    def __init__(self, chunks: Sequence[Chunk], gradient: Array, ranks: Ranks) -> None:
        self.ranks = ranks
        self.gradient = gradient
        self.bounds = divided(chunks, gradient.size, ranks.size)
        self._every = [gradient[a:b] for a, b in zip(self.bounds, self.bounds[1:], strict=False)]
        self._own = self._every[ranks.rank]
        self._total = np.empty(0, gradient.dtype)
        self._received: list[Array] = []
        self._outgoing = np.empty(0, gradient.dtype)

    def is_own(self, chunk: Chunk) -> bool:
        """Whether this rank updates the chunk."""
        return self.bounds[self.ranks.rank] <= chunk.at < self.bounds[self.ranks.rank + 1]

    # ------------------------------------------------------------ sums

    def add(self, first: bool) -> None:
        """Add the gradients of every rank, in the order of the ranks, to the sum of this rank's part.

        first: begin a new sum.
        """
        ranks = self.ranks
        if not self._received:
            self._total = np.empty_like(self._own)
            self._received = [np.empty_like(self._own) for _ in range(ranks.size)]
            self._received[ranks.rank] = self._own
        ranks.exchange(self._every, self._received)
        for rank, part in enumerate(self._received):
            if first and rank == 0:
                self._total[...] = part
            else:
                self._total += part

    def finish(self) -> None:
        """Make the sum the gradient of this rank's part."""
        self._own[...] = self._total

    def spread(self) -> None:
        """Give every rank all gradients (after the update: updates), each part from the rank that has it."""
        self.ranks.exchange([self._own] * self.ranks.size, self._every)

    # ------------------------------------------------------------ parameters and memory

    def spread_data(self, chunks: Sequence[Chunk]) -> None:
        """Give every rank the parameters of these chunks, each from the rank that has updated it.

        They arrive in the memory of the gradients of other parts, which have served.
        """
        if self.ranks.size == 1:
            return
        outgoing = self._pack([(chunk, chunk.data) for chunk in chunks])
        received = list(self._every)
        received[self.ranks.rank] = outgoing
        self.ranks.exchange([outgoing] * self.ranks.size, received)
        for chunk in chunks:
            if not self.is_own(chunk):
                chunk.data[...] = chunk.diff

    def collect(self, chunks: Sequence[Chunk]) -> None:
        """Give rank 0 the update rule's memory of all chunks."""
        if self.ranks.size == 1:
            return
        nothing = np.empty(0, self.gradient.dtype)
        first = self.ranks.rank == 0
        for kind in range(len(chunks[0].history) if chunks else 0):
            outgoing = self._pack([(chunk, chunk.history[kind]) for chunk in chunks])
            every = np.empty_like(self.gradient) if first else nothing
            received = [every[a:b] for a, b in zip(self.bounds, self.bounds[1:], strict=False)]
            sent = [outgoing if rank == 0 else nothing for rank in range(self.ranks.size)]
            received[self.ranks.rank] = sent[self.ranks.rank]
            self.ranks.exchange(sent, received)
            for chunk in chunks if first else ():
                if not self.is_own(chunk):
                    chunk.history[kind][...] = every[chunk.at : chunk.at + chunk.data.size]

    def _pack(self, values: Sequence[tuple[Chunk, Array]]) -> Array:
        """Values of this rank's chunks where their gradients stand in its part."""
        if not self._outgoing.size:
            self._outgoing = np.zeros_like(self._own)
        begin = self.bounds[self.ranks.rank]
        for chunk, array in values:
            if self.is_own(chunk):
                self._outgoing[chunk.at - begin : chunk.at - begin + array.size] = array
        return self._outgoing
