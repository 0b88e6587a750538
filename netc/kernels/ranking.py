"""How well scores tell pairs that belong together from others: the ROC curve and what is read from it.

A pair is accepted where its score is at least the threshold. AUC, the area under the curve, is the share of all couples
of a right and a wrong pair in which the right one has the larger score, equal ones counting half (Mann & Whitney 1947).
The equal error rate is where as large a share of the wrong pairs is accepted as of the right ones is rejected, between
two thresholds on the straight line between their points of the curve.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netc.kernels.tally import Tally

Array = NDArray[Any]


@dataclass(frozen=True)
class Ranked(Tally):
    """Scores of pairs, the larger the more alike, and whether each belongs together. sign: -1 if they are distances."""

    scores: tuple[Array, ...]
    same: tuple[Array, ...]
    sign: int = 1

    def plus(self, other: Ranked) -> Ranked:
        return Ranked(self.scores + other.scores, self.same + other.same, self.sign)

    def figures(self) -> Sequence[float]:
        """AUC, the equal error rate, and the threshold at which it is reached, in the scores' own sign."""
        scores, same = np.concatenate(self.scores).astype(np.float64), np.concatenate(self.same).astype(bool)
        rate, threshold = equal_error(scores, same)
        return area(scores, same), rate, self.sign * threshold


def area(scores: Array, same: Array) -> float:
    """The area under the ROC curve; NaN without pairs of both kinds, or with a score that is none."""
    right, wrong = int(same.sum()), int((~same).sum())
    if not right or not wrong or not np.isfinite(scores).all():
        return math.nan
    _, of, counts = np.unique(scores, return_inverse=True, return_counts=True)
    below = np.cumsum(counts) - counts
    ranks = (below + (counts + 1) / 2)[of]
    return float((ranks[same].sum() - right * (right + 1) / 2) / (right * wrong))


def curve(scores: Array, same: Array) -> tuple[Array, Array, Array]:
    """Thresholds, the largest first; the share of the wrong pairs and of the right ones that each accepts."""
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    right, wrong = np.cumsum(same[order])[ends], np.cumsum(~same[order])[ends]
    return scores[order][ends], wrong / max(1, int((~same).sum())), right / max(1, int(same.sum()))


def equal_error(scores: Array, same: Array) -> tuple[float, float]:
    """The equal error rate and its threshold; NaN without pairs of both kinds, or with a score that is none."""
    if same.all() or not same.any() or not np.isfinite(scores).all():
        return math.nan, math.nan
    thresholds, accepted, found = curve(scores, same)
    accepted, missed = np.append(0.0, accepted), np.append(1.0, 1 - found)
    at = int(np.argmax(accepted >= missed))  # the first point at or behind the crossing; the last is (1, 0)
    before, after = missed[at - 1] - accepted[at - 1], accepted[at] - missed[at]
    part = float(before / (before + after))
    rate = accepted[at - 1] + part * (accepted[at] - accepted[at - 1])
    last = float(thresholds[at - 1])
    first = float(thresholds[at - 2]) if at > 1 else last
    return float(rate), first + part * (last - first)
