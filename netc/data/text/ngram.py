"""n-grams with interpolated Kneser-Ney smoothing: what a language model should be better than.

Kneser & Ney 1995; Chen & Goodman 1999. With c the counts of the highest order, and of each lower one the number of
different tokens that stand before an n-gram, D = n1 / (n1 + 2 n2) (n1, n2: n-grams counted once, twice):
    p(w | h) = max(c(h w) - D, 0) / c(h .) + D N(h .) / c(h .) p(w | h without its first token)
where N(h .) counts the different tokens after h. Below the unigrams all tokens of the vocabulary are equal.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

Gram = tuple[int, ...]


@dataclass
class _Order:
    """Counts of one order: of each n-gram; of each history, their sum and how many n-grams there are."""

    counts: Counter[Gram]
    sums: dict[Gram, int] = field(default_factory=lambda: defaultdict(int))
    kinds: dict[Gram, int] = field(default_factory=lambda: defaultdict(int))
    discount: float = 0.5

    def __post_init__(self) -> None:
        of_counts = Counter(self.counts.values())
        once, twice = of_counts[1], of_counts[2]
        if once and twice:
            self.discount = once / (once + 2 * twice)
        for gram, count in self.counts.items():
            self.sums[gram[:-1]] += count
            self.kinds[gram[:-1]] += 1


class NGrams:
    """The n-grams of a text. tokens: numbers below `size`, at least one; order: the longest n-grams."""

    def __init__(self, tokens: Sequence[int], order: int, size: int) -> None:
        self.size = size
        self._orders: list[_Order] = []
        counts = Counter(zip(*(tokens[start:] for start in range(order)), strict=False))
        for length in range(order, 0, -1):
            self._orders.insert(0, _Order(counts))
            counts = Counter(gram[1:] for gram in counts)
            counts.setdefault(tuple(tokens[: length - 1]), 1)  # the text's first: nothing stands before it

    def probability(self, history: Sequence[int], token: int) -> float:
        """Of a token after a history, of which the last order - 1 tokens count."""
        p = 1.0 / self.size
        for length, order in enumerate(self._orders):
            if length > len(history):
                break
            before = tuple(history[len(history) - length :])
            total = order.sums.get(before, 0)
            if not total:
                break  # a longer history is not known either
            own = max(order.counts.get((*before, token), 0) - order.discount, 0)
            p = (own + order.discount * order.kinds[before] * p) / total
        return p

    def perplexity(self, tokens: Sequence[int]) -> float:
        """exp of the mean of -log p over a text's tokens but the first."""
        longest = len(self._orders) - 1
        known: dict[Gram, float] = {}
        total = 0.0
        for at in range(1, len(tokens)):
            gram = tuple(tokens[max(0, at - longest) : at + 1])
            if gram not in known:
                known[gram] = -math.log(self.probability(gram[:-1], gram[-1]))
            total += known[gram]
        return math.exp(total / max(1, len(tokens) - 1))
