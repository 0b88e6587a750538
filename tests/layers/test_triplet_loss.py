"""TripletLoss against every triplet, one after the other."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from netc.layer import Example, Input
from tests.layers.harness import Array, Bench, known


def distance(a: Array, b: Array, kind: str) -> float:
    if kind == "COSINE":
        return float(1 - a @ b / np.sqrt((a @ a) * (b @ b)))
    squared = float(((a - b) ** 2).sum())
    return squared if kind == "SQUARED" else float(np.sqrt(squared))


def triplets(d: Array, labels: Array, mining: str) -> list[tuple[int, int, int]]:
    count, found = len(labels), []
    for a in range(count):
        alike = [i for i in range(count) if labels[i] == labels[a] and i != a]
        unlike = [i for i in range(count) if labels[i] != labels[a]]
        if not alike or not unlike:
            continue
        if mining == "ALL":
            found += [(a, p, n) for p, n in product(alike, unlike)]
        elif mining == "HARD":
            found.append((a, max(alike, key=lambda i: d[a, i]), min(unlike, key=lambda i: d[a, i])))
        else:
            for p in alike:
                farther = [n for n in unlike if d[a, n] > d[a, p]]
                found.append(
                    (a, p, min(farther, key=lambda i: d[a, i]) if farther else max(unlike, key=lambda i: d[a, i]))
                )
    return found


def batch(fields: str, x: Array, labels: Array) -> Bench:
    given = (Input(x.shape, "values", values=tuple(x.ravel())), Input(labels.shape, "labels", 0, 9))
    bench = Bench.of(known().types["TripletLoss"], Example(f"triplet_loss_param {{ {fields} }}", given))
    bench.bottoms[1][...] = labels
    return bench


@pytest.mark.parametrize("kind", ["SQUARED", "EUCLIDEAN", "COSINE"])
@pytest.mark.parametrize("mining", ["HARD", "SEMI_HARD", "ALL"])
@pytest.mark.parametrize("seed", range(3))
def test_a_batch_is_mined_as_the_papers_say(kind: str, mining: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, labels, margin = rng.standard_normal((9, 3)), rng.integers(0, 4, 9).astype(float), (0.3, 1.0, 3.0)[seed]
    d = np.array([[distance(a, b, kind) for b in x] for a in x])
    terms = np.array([max(0.0, margin + d[a, p] - d[a, n]) for a, p, n in triplets(d, labels, mining)])
    count = (terms > 0).sum() if mining == "ALL" else len(terms)
    wanted = terms.sum() / count * (0.5 if kind == "SQUARED" else 1)
    bench = batch(f"distance: {kind} mining: {mining} margin: {margin}", x, labels)
    assert float(bench.forward().tops[0]) == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("kind", ["SQUARED", "EUCLIDEAN", "COSINE"])
def test_given_triplets(kind: str) -> None:
    bench = Bench.of(
        known().types["TripletLoss"],
        Example(f"triplet_loss_param {{ distance: {kind} margin: 0.7 }}", (Input((6, 4)),) * 3),
    )
    rows = zip(*bench.bottoms, strict=True)
    terms = [max(0.0, 0.7 + distance(a, p, kind) - distance(a, n, kind)) for a, p, n in rows]
    assert float(bench.forward().tops[0]) == pytest.approx(np.mean(terms) * (0.5 if kind == "SQUARED" else 1))


@pytest.mark.parametrize("mining", ["HARD", "SEMI_HARD", "ALL"])
@pytest.mark.parametrize("labels", [[0, 0, 0, 0], [0, 1, 2, 3]])
def test_a_batch_without_a_triplet_has_no_loss_and_no_gradient(mining: str, labels: list[int]) -> None:
    x = np.random.default_rng(0).standard_normal((4, 3))
    bench = batch(f"mining: {mining}", x, np.array(labels, float))
    run = bench.backward(bench.forward().call)
    assert float(run.tops[0]) == 0
    np.testing.assert_array_equal(run.bottom_diffs[0], 0)


@pytest.mark.parametrize("kind", ["EUCLIDEAN", "COSINE"])
def test_where_a_distance_has_no_derivative_the_gradient_is_zero_and_finite(kind: str) -> None:
    x = np.array([[1.0, 2], [1, 2], [0, 0], [3, 1]])
    bench = batch(f"distance: {kind} mining: ALL margin: 5", x, np.array([0.0, 0, 0, 1]))
    run = bench.backward(bench.forward().call)
    assert np.isfinite(run.bottom_diffs[0]).all()
    assert np.isfinite(run.tops[0])
