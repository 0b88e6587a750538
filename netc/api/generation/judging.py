"""Generated texts against what they should be: BLEU, and whether the search or the model is to blame.

Where a text is not its reference, either the search has missed the reference though the net finds it better (a search
error: a wider beam may help), or the net itself finds its own text better (a model error: it needs to learn more).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from netc.api.generation.generator import Generated, Generator
from netc.kernels.bleu import Bleu, bleu_of


@dataclass(frozen=True, slots=True)
class Judged:
    """Of some texts: how many there are, are right, are wrong by the search, are wrong by the net; and their BLEU."""

    texts: int = 0
    right: int = 0
    search_errors: int = 0
    model_errors: int = 0
    bleu: Bleu = field(default_factory=Bleu)

    def plus(self, other: Judged) -> Judged:
        return Judged(
            self.texts + other.texts,
            self.right + other.right,
            self.search_errors + other.search_errors,
            self.model_errors + other.model_errors,
            self.bleu.plus(other.bleu),
        )


def judge(generator: Generator, source: str, found: Generated, reference: str) -> Judged:
    """One text against its reference. Raises NetError as `Generator.texts`."""
    assert generator.tokens is not None
    wanted = tuple(generator.tokens.encode(reference))
    counts = bleu_of(found.tokens, wanted)
    if found.tokens == wanted:
        return Judged(1, 1, bleu=counts)
    missed = generator.score(generator.log_p(reference, source)) > found.score
    return Judged(1, 0, int(missed), int(not missed), counts)
