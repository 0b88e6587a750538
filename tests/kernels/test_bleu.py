"""BLEU: the example of Papineni et al. (2002), fractions worked out by hand, and what a mean would get wrong."""

from __future__ import annotations

import math

import pytest

from netc.kernels.bleu import Bleu, bleu_of

FIRST = [
    "It",
    "is",
    "a",
    "guide",
    "to",
    "action",
    "which",
    "ensures",
    "that",
    "the",
    "military",
    "always",
    "obeys",
    "the",
    "commands",
    "of",
    "the",
    "party",
]
SECOND = [
    "It",
    "is",
    "to",
    "insure",
    "the",
    "troops",
    "forever",
    "hearing",
    "the",
    "activity",
    "guidebook",
    "that",
    "party",
    "direct",
]
REFERENCES = [
    [
        "It",
        "is",
        "a",
        "guide",
        "to",
        "action",
        "that",
        "ensures",
        "that",
        "the",
        "military",
        "will",
        "forever",
        "heed",
        "Party",
        "commands",
    ],
    [
        "It",
        "is",
        "the",
        "guiding",
        "principle",
        "which",
        "guarantees",
        "the",
        "military",
        "forces",
        "always",
        "being",
        "under",
        "the",
        "command",
        "of",
        "the",
        "Party",
    ],
    [
        "It",
        "is",
        "the",
        "practical",
        "guide",
        "for",
        "the",
        "army",
        "always",
        "to",
        "heed",
        "the",
        "directions",
        "of",
        "the",
        "party",
    ],
]


def test_the_precisions_of_the_paper() -> None:
    """Papineni et al., section 2.1: 17 of 18 unigrams and 10 of 17 bigrams of the first, 8 of 14 and 1 of 13."""
    first, second = bleu_of(FIRST, *REFERENCES), bleu_of(SECOND, *REFERENCES)
    assert (first.found[:2], first.total[:2]) == ((17, 10), (18, 17))
    assert (second.found[:2], second.total[:2]) == ((8, 1), (14, 13))


def test_each_n_gram_counts_as_often_as_in_the_reference() -> None:
    found = bleu_of(["the", "the", "the", "the", "the", "the", "the"], "The cat is on the mat".lower().split())
    assert (found.found[0], found.total[0]) == (2, 7)


def test_known_values() -> None:
    """nltk.translate.bleu_score.sentence_bleu and corpus_bleu give these (their documentation's examples)."""
    h1 = [
        "It",
        "is",
        "a",
        "guide",
        "to",
        "action",
        "which",
        "ensures",
        "that",
        "the",
        "military",
        "always",
        "obeys",
        "the",
        "commands",
        "of",
        "the",
        "party",
    ]
    r1 = [
        "It",
        "is",
        "a",
        "guide",
        "to",
        "action",
        "that",
        "ensures",
        "that",
        "the",
        "military",
        "will",
        "forever",
        "heed",
        "Party",
        "commands",
    ]
    r2 = [
        "It",
        "is",
        "the",
        "guiding",
        "principle",
        "which",
        "guarantees",
        "the",
        "military",
        "forces",
        "always",
        "being",
        "under",
        "the",
        "command",
        "of",
        "the",
        "Party",
    ]
    r3 = [
        "It",
        "is",
        "the",
        "practical",
        "guide",
        "for",
        "the",
        "army",
        "always",
        "to",
        "heed",
        "the",
        "directions",
        "of",
        "the",
        "party",
    ]
    assert bleu_of(h1, r1, r2, r3).bleu == pytest.approx(0.5045666840058485)
    h2, r4 = (
        ["he", "read", "the", "book", "because", "he", "was", "interested", "in", "world", "history"],
        (["he", "was", "interested", "in", "world", "history", "because", "he", "read", "the", "book"]),
    )
    assert bleu_of(h1, r1, r2, r3).plus(bleu_of(h2, r4)).bleu == pytest.approx(0.5920778868801042)


def test_short_texts_are_dear() -> None:
    found = bleu_of(["a", "b", "c", "d"], ["a", "b", "c", "d", "e", "f"])
    assert found.brevity == pytest.approx(math.exp(1 - 6 / 4))
    assert found.bleu == pytest.approx(math.exp(-0.5))
    assert bleu_of(["a", "b", "c", "d", "e", "f", "g"], ["a", "b", "c", "d", "e", "f"]).brevity == 1


def test_the_closest_length_counts_of_two_the_shorter() -> None:
    assert bleu_of(["a", "b", "c"], ["a", "b"], ["a", "b", "c", "d"]).wanted == 2
    assert bleu_of(["a", "b", "c"], ["a", "b", "c", "d", "e", "f"], ["a", "b", "c", "d"]).wanted == 4


def test_edges() -> None:
    assert math.isnan(Bleu().bleu)
    assert bleu_of([], ["a"]).bleu == 0
    assert bleu_of(["a"], ["b"]).bleu == 0
    assert bleu_of(["a"], ["a"]).bleu == 1  # a text of one token has no pairs
    assert bleu_of(["a", "b"], ["b", "a"]).bleu == 0
