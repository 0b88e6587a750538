"""What is drawn from, and that draws follow it."""

from __future__ import annotations

import numpy as np
import pytest

from netc.api.generation.choosing import Sampling, log_probabilities

P = np.array([0.1, 0.4, 0.05, 0.3, 0.15])
LOG_P = np.log(P)


@pytest.mark.parametrize(
    ("how", "wanted"),
    [
        (Sampling(), P),
        (Sampling(temperature=0.5), P**2 / (P**2).sum()),
        (Sampling(temperature=0), [0, 1, 0, 0, 0]),
        (Sampling(top_k=2), [0, 0.4 / 0.7, 0, 0.3 / 0.7, 0]),
        (Sampling(top_k=9), P),
        (Sampling(top_p=0.5), [0, 0.4 / 0.7, 0, 0.3 / 0.7, 0]),
        (Sampling(top_p=0.39), [0, 1, 0, 0, 0]),
        (Sampling(top_p=1e-9), [0, 1, 0, 0, 0]),
        (Sampling(top_k=3, top_p=0.8), [0, 0.4 / 0.7, 0, 0.3 / 0.7, 0]),  # 0.4 + 0.3 of 0.85 are more than 0.8
    ],
)
def test_what_is_drawn_from(how: Sampling, wanted: list[float]) -> None:
    np.testing.assert_allclose(how.probabilities(LOG_P), wanted, atol=1e-12)


@pytest.mark.parametrize("how", [Sampling(), Sampling(temperature=2, top_k=3), Sampling(top_p=0.6)])
def test_draws_follow_it(how: Sampling) -> None:
    numbers = (np.arange(10_000) + 0.5) / 10_000
    drawn = np.bincount([how.draw(LOG_P, number) for number in numbers], minlength=5) / 10_000
    np.testing.assert_allclose(drawn, how.probabilities(LOG_P), atol=2e-4)


def test_the_ends_of_the_range() -> None:
    for how in (Sampling(), Sampling(top_k=2)):
        possible = np.flatnonzero(how.probabilities(LOG_P))
        assert how.draw(LOG_P, 0.0) == possible[0]
        assert how.draw(LOG_P, 1 - 2.0**-53) == possible[-1]


def test_equal_tokens_the_first_first() -> None:
    assert Sampling(temperature=0).draw(np.log([0.25, 0.25, 0.5, 0.5]), 0.9) == 2
    np.testing.assert_allclose(Sampling(top_k=1).probabilities(np.zeros(3)), [1, 0, 0])


def test_log_probabilities() -> None:
    scores = np.array([[1, 2, 3], [-50, 0, 800]], np.float32)
    p = np.array([[0, 0.25, 0.75]], np.float32)
    expected = scores - np.log(np.exp(scores.astype(np.float64) - scores.max(1, keepdims=True)).sum(1, keepdims=True))
    np.testing.assert_allclose(log_probabilities(scores, False), expected - scores.max(1, keepdims=True))
    np.testing.assert_allclose(log_probabilities(p, True), [[-np.inf, np.log(0.25), np.log(0.75)]])
