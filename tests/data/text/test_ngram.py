"""n-grams: probabilities that sum to one, and those of a small text worked out by hand."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from netc.data.text.ngram import NGrams


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_probabilities_sum_to_one(order: int) -> None:
    rng = np.random.default_rng(order)
    text = rng.choice(6, 300, p=[0.4, 0.2, 0.2, 0.1, 0.05, 0.05]).tolist()
    model = NGrams(text, order, 8)
    for at in (0, 1, 5, 100, 299):
        history = text[:at]
        assert sum(model.probability(history, token) for token in range(8)) == pytest.approx(1)
    assert sum(model.probability([7, 7, 7], token) for token in range(8)) == pytest.approx(1)


def test_by_hand() -> None:
    """The text 0 1 0 2 0 1: bigrams 01 twice, 10, 02 and 20 once; D = 3 / (3 + 2 * 1).

    Of unigrams counts what stands before: 0 has 1 and 2 (and begins the text, which is known already), 1 has 0, and
    2 has 0; two of them once and one twice: D = 2 / (2 + 2).
    """
    model = NGrams([0, 1, 0, 2, 0, 1], 2, 4)
    low, high = Fraction(1, 2), Fraction(3, 5)
    unigram = {0: (2 - low) / 4, 1: (1 - low) / 4, 2: (1 - low) / 4, 3: Fraction(0)}
    unigram = {token: p + low * 3 / 4 * Fraction(1, 4) for token, p in unigram.items()}
    after_0 = {token: max(count - high, Fraction(0)) / 3 for token, count in ((0, 0), (1, 2), (2, 1), (3, 0))}
    for token in range(4):
        assert model.probability([], token) == pytest.approx(float(unigram[token]))
        wanted = after_0[token] + high * 2 / 3 * unigram[token]
        assert model.probability([2, 0], token) == pytest.approx(float(wanted))
        assert model.probability([3], token) == pytest.approx(float(unigram[token]))
    surprise = -math.log(float(after_0[1] + high * 2 / 3 * unigram[1])) - math.log(model.probability([1], 0))
    assert model.perplexity([0, 1, 0]) == pytest.approx(math.exp(surprise / 2))


def test_text_without_a_pattern() -> None:
    text = np.random.default_rng(0).integers(0, 4, 20_000).tolist()
    assert NGrams(text[:10_000], 3, 4).perplexity(text[10_000:]) == pytest.approx(4, rel=0.02)


def test_text_that_repeats() -> None:
    assert NGrams([0, 1, 2] * 400, 3, 3).perplexity([0, 1, 2] * 50) < 1.01


def test_shorter_texts_than_n_grams() -> None:
    assert NGrams([1], 5, 4).perplexity([1, 1]) > 1
