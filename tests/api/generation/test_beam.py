"""Beam search against all texts there are, over models whose probabilities are drawn at random."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest

from netc.api.generation.beam import Beam, Hypothesis

STOP = 0


class Table:
    """Log-probabilities of the next token after each text, drawn from a seed; the rows that go side by side."""

    def __init__(self, seed: int, size: int, sharpness: float = 2.0) -> None:
        self.seed, self.size, self.sharpness = seed, size, sharpness
        self.rows: list[tuple[int, ...]] = [()]
        self.widest = 0

    def after(self, text: tuple[int, ...]) -> np.ndarray:
        scores = np.random.default_rng([self.seed, *text, 99]).normal(0, self.sharpness, self.size)
        return scores - np.log(np.exp(scores).sum())

    def step(self, tokens: Sequence[int], parents: Sequence[int]) -> np.ndarray:
        self.rows = [(*self.rows[parent], token) for token, parent in zip(tokens, parents, strict=True)]
        self.widest = max(self.widest, len(self.rows))
        return np.array([self.after(row) for row in self.rows])


def every(model: Table, most: int) -> list[Hypothesis]:
    """All texts that end, and those of `most` tokens that do not."""
    found = []
    for length in range(1, most + 1):
        for text in product(range(model.size), repeat=length):
            ends = text[-1] == STOP
            if STOP in text[:-1] or (not ends and length < most):
                continue
            log_p = sum(float(model.after(text[:i])[text[i]]) for i in range(length))
            found.append(Hypothesis(text, log_p, ends))
    return found


@pytest.mark.parametrize("penalty", [0.0, 0.7, 1.5])
@pytest.mark.parametrize("seed", range(6))
def test_a_beam_as_wide_as_all_texts_finds_the_best(seed: int, penalty: float) -> None:
    model = Table(seed, 4)
    wanted = sorted(every(model, 4), key=lambda h: -h.score(penalty))
    found = Beam(4**4, 4, STOP, penalty).search(model, model.after(()))
    assert [h.tokens for h in found] == [h.tokens for h in wanted]
    np.testing.assert_allclose([h.log_p for h in found], [h.log_p for h in wanted])
    assert [h.ended for h in found] == [h.ended for h in wanted]


@pytest.mark.parametrize("width", [1, 2, 3, 7])
@pytest.mark.parametrize("seed", range(4))
def test_a_narrow_beam_follows_the_most_likely(seed: int, width: int) -> None:
    """Step by step by hand: of all continuations the best `width`, those that end put aside."""
    model, live, done = Table(seed, 5), [((), 0.0)], list[tuple[tuple[int, ...], float]]()
    for _ in range(6):
        grown = [((*text, t), p + float(model.after(text)[t])) for text, p in live for t in range(5)]
        grown = sorted(grown, key=lambda pair: -pair[1])[:width]
        done += [pair for pair in grown if pair[0][-1] == STOP]
        live = [pair for pair in grown if pair[0][-1] != STOP]
    done = sorted([*done, *live], key=lambda pair: -pair[1])[:width]
    found = Beam(width, 6, STOP).search(model, model.after(()))
    assert [h.tokens for h in found] == [text for text, _ in done]
    assert model.widest <= width


def test_it_ends_early_only_if_nothing_better_can_come() -> None:
    for seed in range(20):
        for penalty in (0.0, 1.0):
            short, long = (Table(seed, 3, 4.0) for _ in range(2))
            found = Beam(2, 12, STOP, penalty).search(short, short.after(()))
            whole = _without_an_early_end(long, penalty)
            assert [h.tokens for h in found] == [h.tokens for h in whole]


def _without_an_early_end(model: Table, penalty: float) -> list[Hypothesis]:
    live, done = [Hypothesis((), 0.0)], list[Hypothesis]()
    for length in range(1, 13):
        grown = [
            Hypothesis((*h.tokens, t), h.log_p + float(model.after(h.tokens)[t]), t == STOP)
            for h in live
            for t in range(3)
        ]
        grown = sorted(grown, key=lambda h: -h.log_p)[:2]
        done += [h for h in grown if h.ended or length == 12]
        live = [h for h in grown if not h.ended]
    return sorted(done, key=lambda h: -h.score(penalty))[:2]


def test_impossible_tokens_are_never_followed() -> None:
    first = np.log(np.array([0.0, 1.0, 0.0]), where=[False, True, False], out=np.full(3, -np.inf))
    found = Beam(10, 1, STOP).search(Table(0, 3), first)
    assert [h.tokens for h in found] == [(1,)]


def test_without_a_stop_all_texts_have_the_most_tokens() -> None:
    model = Table(1, 3)
    found = Beam(27, 3).search(model, model.after(()))
    assert {len(h.tokens) for h in found} == {3}
    assert len(found) == 27
    assert np.exp([h.log_p for h in found]).sum() == pytest.approx(1)
