"""Compiled steps of detectors against what they say in plain numpy, ties and odd boxes included."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from netc.kernels.boxes import best_first, by_score, decode, encode, kept_boxes, overlaps

Array = NDArray[Any]


def some_boxes(random: np.random.Generator, count: int) -> Array:
    """Among them boxes without area, whose end is before their start, and equal ones."""
    corners = random.integers(0, 12, (count, 4)) / 8
    return corners.astype(np.float32)


def overlap(a: Array, b: Array, cell: float) -> np.float32:
    """Intersection over union, each step rounded to float32."""
    one = np.float32
    width = min(a[2], b[2]) - max(a[0], b[0]) + one(cell)
    height = min(a[3], b[3]) - max(a[1], b[1]) + one(cell)
    if width <= 0 or height <= 0:
        return one(0)
    areas = [
        (x[2] - x[0] + one(cell)) * (x[3] - x[1] + one(cell)) if x[2] >= x[0] and x[3] >= x[1] else one(0)
        for x in (a, b)
    ]
    return one(width * height / (areas[0] + areas[1] - width * height))


def suppressed(boxes: Array, order: Array, threshold: float, eta: float, most: int, cell: float) -> list[int]:
    limit, kept = np.float32(threshold), list[int]()
    for index in order.tolist():
        if len(kept) == most:
            break
        if all(not overlap(boxes[index], boxes[other], cell) > limit for other in kept):
            kept.append(index)
            if eta < 1 and limit > 0.5:
                limit *= np.float32(eta)
    return kept


@pytest.mark.parametrize("cell", [0, 1])
@pytest.mark.parametrize("eta", [1.0, 0.75])
@pytest.mark.parametrize("count", [0, 1, 17, 150])
def test_suppression_keeps_what_loops_keep(count: int, eta: float, cell: int) -> None:
    random = np.random.default_rng(count)
    for threshold, most in ((0.45, -1), (0.7, 5), (0.0, -1), (1.0, 100)):
        boxes = some_boxes(random, count)
        order = random.permutation(count)
        kept = kept_boxes(boxes, order, threshold, eta, most, cell)
        assert kept.tolist() == suppressed(boxes, order, threshold, eta, most, cell)


@pytest.mark.parametrize("most", [0, 1, 7, 64, 1000])
def test_the_best_come_first_and_equal_ones_in_their_order(most: int) -> None:
    random = np.random.default_rng(most)
    for count in (0, 1, 2, 30, 500):
        scores = (random.integers(0, 9, 3 * count + 1) / 8).astype(np.float32)
        scores[::11] = np.nan
        own, order = scores[1::3][:count], np.empty(most, np.int64)
        found = best_first(scores, 1, 3, count, np.float32(0.25), most, order)
        chosen = np.flatnonzero(own > np.float32(0.25))
        assert order[:found].tolist() == chosen[by_score(own[chosen], most)].tolist()


@pytest.mark.parametrize("varied", [False, True])
@pytest.mark.parametrize("code", ["CORNER", "CORNER_SIZE", "CENTER_SIZE"])
def test_offsets_come_back(code: str, varied: bool) -> None:
    random = np.random.default_rng(3)
    starts, sizes = random.uniform(0, 1, (2, 20, 2)), random.uniform(0.1, 1, (2, 20, 2))
    priors, boxes = (np.concatenate([s, s + size], axis=1) for s, size in zip(starts, sizes, strict=True))
    variances = random.uniform(0.1, 0.3, (20, 4)) if varied else None
    np.testing.assert_allclose(decode(code, priors, variances, encode(code, priors, variances, boxes)), boxes)


def test_overlaps_of_all_pairs() -> None:
    random = np.random.default_rng(5)
    a, b = some_boxes(random, 30), some_boxes(random, 20)
    out = np.empty((30, 20), np.float32)
    overlaps(a, b, out)
    assert out.tolist() == [[overlap(x, y, 0) for y in b] for x in a]
