"""BLEU: how much of the n-grams of texts stands in what they should be (Papineni et al. 2002).

For n = 1 .. 4, p_n is the share of the n-grams of all texts that their references have, too, each at most as often as
the reference that has it most often. BLEU = b exp(mean of log p_n), where b = min(1, exp(1 - r / c)) makes short texts
dear: c is the length of all texts, r that of the references, of each text the one whose length is closest (of two, the
shorter). A length n that no text has is left out of the mean; BLEU is 0 where some p_n is 0.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field

from netc.kernels.tally import Tally

LONGEST = 4
Text = Sequence[Hashable]


@dataclass(frozen=True, slots=True)
class Bleu(Tally):
    """What counts of some texts. found, total: n-grams that references have, and all, for n = 1 .. 4."""

    found: tuple[int, ...] = (0,) * LONGEST
    total: tuple[int, ...] = (0,) * LONGEST
    length: int = 0
    wanted: int = 0
    texts: int = field(default=0)

    def plus(self, other: Bleu) -> Bleu:
        return Bleu(
            tuple(a + b for a, b in zip(self.found, other.found, strict=True)),
            tuple(a + b for a, b in zip(self.total, other.total, strict=True)),
            self.length + other.length,
            self.wanted + other.wanted,
            self.texts + other.texts,
        )

    @property
    def precisions(self) -> tuple[float, ...]:
        """p_1, p_2 ... as far as texts have n-grams."""
        return tuple(found / total for found, total in zip(self.found, self.total, strict=True) if total)

    @property
    def brevity(self) -> float:
        """The factor for texts that are too short."""
        if self.length >= self.wanted:
            return 1.0
        return math.exp(1 - self.wanted / self.length) if self.length else 0.0

    @property
    def bleu(self) -> float:
        """From 0 to 1; NaN of no texts."""
        if not self.texts:
            return math.nan
        p = self.precisions
        if not p or min(p) == 0:
            return 0.0
        return self.brevity * math.exp(sum(map(math.log, p)) / len(p))

    def figures(self) -> tuple[float]:
        return (self.bleu,)


def bleu_of(text: Text, *references: Text) -> Bleu:
    """What counts of one text; at least one reference."""
    found, total = [], []
    for n in range(1, LONGEST + 1):
        own = Counter(_grams(text, n))
        most: Counter[tuple[Hashable, ...]] = Counter()
        for reference in references:
            most |= Counter(_grams(reference, n))
        found.append((own & most).total())
        total.append(own.total())
    wanted = min((len(reference) for reference in references), key=lambda length: (abs(length - len(text)), length))
    return Bleu(tuple(found), tuple(total), len(text), wanted, 1)


def _grams(text: Text, n: int) -> Iterator[tuple[Hashable, ...]]:
    return zip(*(text[start:] for start in range(n)), strict=False)
