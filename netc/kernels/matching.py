"""Which boxes SSD's loss looks at: matches between priors and true boxes, and mining of the hard ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from netc.kernels.boxes import by_score, overlaps

Array = NDArray[Any]
LEAST = 1e-6  # smaller overlaps count as none


def match(boxes: Array, truths: Array, threshold: float | None, ignored: Array | None) -> tuple[Array, Array]:
    """For each box the true box it belongs to (-1 for none, -2 for an ignored box), and its largest overlap.

    First each true box takes the box that overlaps it most, the best pair first. Then, if there is a threshold, each
    box that is left takes the true box it overlaps most, by the threshold at least.
    """
    matched = np.full(len(boxes), -1)
    table = np.empty((len(boxes), len(truths)))
    overlaps(np.ascontiguousarray(boxes, float), np.ascontiguousarray(truths, float), table)
    table[table <= LEAST] = -1
    if ignored is not None:
        matched[ignored] = -2
        table[ignored] = -1
    best = np.maximum(table.max(axis=1, initial=0), 0)
    left = table.copy()
    while left.size:
        box, truth = np.unravel_index(np.argmax(left), left.shape)
        if left[box, truth] <= 0:
            break
        matched[box], best[box] = truth, left[box, truth]
        left[box], left[:, truth] = -1, -1
    if threshold is not None and table.size:
        nearest = table.argmax(axis=1)
        size = table[np.arange(len(boxes)), nearest]
        more = (matched == -1) & (size >= threshold) & (size > 0)
        matched[more] = nearest[more]
    return matched, best


def mine_negatives(matched: Array, best: Array, loss: Array, ratio: float, overlap: float) -> Array:
    """Unmatched boxes that overlap by less than `overlap`: those of the largest loss, `ratio` for each matched one."""
    candidates = np.flatnonzero((matched == -1) & (best < overlap))
    wanted = min(int(np.count_nonzero(matched > -1) * ratio), len(candidates))
    return np.sort(candidates[by_score(loss[candidates], wanted)])


def mine_hard(matched: Array, loss: Array, size: int) -> tuple[Array, Array]:
    """The matches and the unmatched boxes among the `size` boxes of the largest loss; other matches become -1."""
    chosen = np.zeros(len(matched), bool)
    chosen[by_score(loss, size)] = True
    negatives = np.flatnonzero(chosen & (matched == -1))
    return np.where((matched > -1) & ~chosen, -1, matched), negatives
