"""What a measure counts over all batches of a test: added up batch by batch, made into figures once.

A mean of perplexities, of shares of unions or of areas under curves is none: such a measure leaves, after each pass, a
`Tally` of the batch in `Call.memory["tally"]`, and its tops hold the figures of that batch alone. Whoever tests a net
adds the tallies up, and takes the figures of the sum.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

TALLY = "tally"
"""The key in `Call.memory`."""


@dataclass(frozen=True, slots=True)
class Asked:
    """How whoever tests wants the figures: which average precision, and whether that of each class, too."""

    ap_version: str = "Integral"
    per_class: bool = False


class Tally(ABC):
    """What a measure has counted, in one batch or in several."""

    @abstractmethod
    def plus(self, other: Self) -> Self:
        """Both together."""

    @abstractmethod
    def figures(self) -> Sequence[ArrayLike]:
        """The values of the measure's tops."""

    def named(self, asked: Asked) -> Mapping[str, ArrayLike]:
        """What a test reports instead of the first top's values (""), and beside them, by what follows its name."""
        return {}


def counting(count: Callable[[Any], Tally]) -> Callable[[Any], None]:
    """The forward of a measure, from what it counts in a batch (of the layer's `Call`)."""

    def forward(call: Any) -> None:
        tally = call.memory[TALLY] = count(call)
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            for top, values in zip(call.tops, tally.figures(), strict=False):
                top[...] = values

    return forward


def share(part: Any, whole: Any) -> Any:
    """part / whole, NaN where there is nothing."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(np.asarray(whole) > 0, np.divide(part, whole), np.nan)
