"""Beam search: the likely texts, found by following a few beginnings at a time (Graves 2012; Sutskever et al. 2014)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Stepping(Protocol):
    """A model that goes on with several texts side by side."""

    def step(self, tokens: Sequence[int], parents: Sequence[int]) -> Array:
        """After row `parents[i]` of the last step comes `tokens[i]`: log-probabilities of what follows, a row each."""


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A text, the log of its probability, and whether it ends with the token that ends texts (which is in `tokens`)."""

    tokens: tuple[int, ...]
    log_p: float
    ended: bool = False

    def score(self, penalty: float) -> float:
        """Its log-probability divided by its length to the power of `penalty`."""
        return scored(self.log_p, len(self.tokens), penalty)


def scored(log_p: float, length: int, penalty: float) -> float:
    """A log-probability divided by a length to a power; the length of nothing counts as 1."""
    return float(log_p / max(1, length) ** penalty)


@dataclass(frozen=True, slots=True)
class Beam:
    """The search. width: beginnings that are followed. stop: the token that ends a text, or None. most: tokens at most.

    In each step all beginnings are continued by all tokens, and the `width` most likely ones are kept. Those that end
    are put aside; the others are followed, until none of them can get a better score than `width` that have ended: its
    probability only falls. A text that reaches `most` tokens counts, too, though it has not ended. With as many
    beginnings as there are texts this finds the best of all.
    """

    width: int
    most: int
    stop: int | None = None
    penalty: float = 0.0

    def search(self, model: Stepping, first: Array) -> list[Hypothesis]:
        """The best texts, at most `width`, the best score first.

        first: log-probabilities of the first token. Of equal scores those found first come first.
        """
        live, done, log_p = [Hypothesis((), 0.0)], list[Hypothesis](), first[None, :]
        for length in range(1, self.most + 1):
            grown = self._grown(live, log_p)
            kept = [(h, parent) for h, parent in grown if not h.ended]
            done += [h for h, _ in grown if h.ended]
            live = [h for h, _ in kept]
            if length == self.most:
                done += live
            if not live or length == self.most or self._settled(live, done):
                break
            log_p = model.step([h.tokens[-1] for h in live], [parent for _, parent in kept])
        return sorted(done, key=lambda h: -h.score(self.penalty))[: self.width]

    def _grown(self, live: list[Hypothesis], log_p: Array) -> list[tuple[Hypothesis, int]]:
        """The most likely continuations, and which text each continues."""
        sums = np.array([h.log_p for h in live])[:, None] + log_p[: len(live)]
        flat = sums.ravel()
        possible = int(np.count_nonzero(flat > -np.inf))
        best = np.argsort(-flat, kind="stable")[: min(self.width, possible)]
        found = []
        for place in best.tolist():
            parent, token = divmod(place, sums.shape[1])
            tokens = (*live[parent].tokens, token)
            found.append((Hypothesis(tokens, float(flat[place]), token == self.stop), parent))
        return found

    def _settled(self, live: list[Hypothesis], done: list[Hypothesis]) -> bool:
        """Whether no text that is followed can still be among the best."""
        if len(done) < self.width:
            return False
        worst = sorted((h.score(self.penalty) for h in done), reverse=True)[self.width - 1]
        return max(scored(h.log_p, self.most, self.penalty) for h in live) <= worst
