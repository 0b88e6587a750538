"""ROC, AUC and the equal error rate, against scikit-learn and against loops over all thresholds."""

from __future__ import annotations

import math

import numpy as np
import pytest

from netc.kernels.ranking import Ranked, area, curve, equal_error


def drawn(seed: int, count: int, values: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores of few different values, so that many are equal, and pairs of both kinds."""
    rng = np.random.default_rng(seed)
    same = rng.random(count) < 0.4
    same[:2] = True, False
    return np.round(rng.normal(0, 1, count) + same, 2 if values > 50 else 0), same


@pytest.mark.parametrize("values", [4, 1000])
@pytest.mark.parametrize("seed", range(8))
def test_area(seed: int, values: int) -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    scores, same = drawn(seed, 60, values)
    couples = [(a > b) + 0.5 * (a == b) for a in scores[same] for b in scores[~same]]
    assert area(scores, same) == pytest.approx(np.mean(couples))
    assert area(scores, same) == pytest.approx(metrics.roc_auc_score(same, scores))


@pytest.mark.parametrize("seed", range(8))
def test_curve(seed: int) -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    scores, same = drawn(seed, 60, 4)
    accepted, found, thresholds = metrics.roc_curve(same, scores, drop_intermediate=False)
    ours = curve(scores, same)
    np.testing.assert_allclose(ours[0], thresholds[1:])
    np.testing.assert_allclose(ours[1], accepted[1:])
    np.testing.assert_allclose(ours[2], found[1:])


@pytest.mark.parametrize("values", [4, 1000])
@pytest.mark.parametrize("seed", range(8))
def test_equal_error(seed: int, values: int) -> None:
    """On the line between the two neighbouring points of the curve at which the order of the two rates changes."""
    scores, same = drawn(seed, 60, values)
    points = [(0.0, 1.0)]
    for threshold in sorted(set(scores.tolist()), reverse=True):
        points.append((float((scores[~same] >= threshold).mean()), float((scores[same] < threshold).mean())))
    at = next(i for i, (accepted, missed) in enumerate(points) if accepted >= missed)
    (a0, m0), (a1, m1) = points[at - 1], points[at]
    part = (m0 - a0) / ((m0 - a0) + (a1 - m1))
    rate, threshold = equal_error(scores, same)
    assert rate == pytest.approx(a0 + part * (a1 - a0))
    assert rate == pytest.approx(m0 + part * (m1 - m0))
    assert min(scores) <= threshold <= max(scores)


def test_by_hand() -> None:
    """Right pairs 4 3 3 1 and wrong ones 3 2: couples 2 + 1.5 + 1.5 + 0 of 8; accepted 0, 1/2, 1 at 4, 3, 2."""
    scores, same = np.array([4, 3, 3, 1, 3, 2.0]), np.array([1, 1, 1, 1, 0, 0], bool)
    assert area(scores, same) == pytest.approx(5 / 8)
    # at 4: accepted 0, missed 3/4; at 3: accepted 1/2, missed 1/4: they meet at 3/4 of the way
    assert equal_error(scores, same) == (pytest.approx(0.375), pytest.approx(4 - 0.75))


def test_perfect_and_useless() -> None:
    same = np.array([1, 1, 0, 0], bool)
    assert Ranked((np.array([3.0, 4, 1, 2]),), (same,)).figures() == (1, 0, pytest.approx(3))
    assert area(np.zeros(4), same) == 0.5
    assert equal_error(np.zeros(4), same)[0] == pytest.approx(0.5)


@pytest.mark.parametrize("same", [[True, True], [False, False], []])
def test_pairs_of_one_kind_tell_nothing(same: list[bool]) -> None:
    scores, kinds = np.arange(len(same), dtype=float), np.array(same, bool)
    assert math.isnan(area(scores, kinds))
    assert all(map(math.isnan, equal_error(scores, kinds)))


def test_scores_that_are_none() -> None:
    scores, same = np.array([1, np.nan, 0.5]), np.array([True, False, False])
    assert all(map(math.isnan, Ranked((scores,), (same,)).figures()))
