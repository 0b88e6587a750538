"""Which boxes SSD's loss looks at: matches between priors and true boxes, and mining of the hard ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netc.kernels.boxes import by_score, kept_boxes, overlaps

Array = NDArray[Any]
LEAST = 1e-6  # smaller overlaps count as none
LEAST_SIZE = 1e-5  # smaller boxes are left out of suppression


def match(boxes: Array, truths: Array, threshold: float | None, ignored: Array | None) -> tuple[Array, Array]:
    """For each box the true box it belongs to (-1 for none, -2 for an ignored box), and its largest overlap.

    First each true box takes the box that overlaps it most, the best pair first. Then, if there is a threshold, each
    box that is left takes the true box it overlaps most, by the threshold at least.
    """
    matched = np.full(len(boxes), -1)
    table = np.empty((len(boxes), len(truths)), boxes.dtype)
    overlaps(np.ascontiguousarray(boxes), np.ascontiguousarray(truths, boxes.dtype), table)
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


def mine(loss: Array, eligible: Array, wanted: int, suppression: Suppression | None) -> Array:
    """A mask of the `wanted` boxes of the largest loss among the eligible ones, without those that are suppressed."""
    candidates = np.flatnonzero(eligible)
    order = by_score(loss[candidates])
    if suppression is not None:
        order = suppression.kept(candidates, order)
    chosen = np.zeros(len(loss), bool)
    chosen[candidates[order[:wanted]]] = True
    return chosen


@dataclass(frozen=True, slots=True)
class Suppression:
    """Before mining, boxes that overlap one of a larger loss by more than `threshold` are dropped.

    Looked at are the best `top_k` (all if it is negative), without those that are smaller than 1e-5 of the image.
    """

    boxes: Array
    threshold: float
    top_k: int

    def kept(self, candidates: Array, order: Array) -> Array:
        """What is left of `order`, indices into `candidates`, which are indices of boxes."""
        looked_at = order if self.top_k < 0 else order[: self.top_k]
        boxes = np.ascontiguousarray(self.boxes[candidates])
        sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
        large = sides.prod(axis=1) >= LEAST_SIZE
        return kept_boxes(boxes, looked_at[large[looked_at]], self.threshold)
