"""Losses and measures against loops over every position, written out from Caffe's rules, option by option."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netc.layer import Example, Input
from tests.layers.harness import Array, Bench, known, layers_of

WEIGHT = 0.7  # the diff that the bench puts on a loss
IMAGE = (Input((2, 4, 3, 2)), Input((2, 1, 3, 2), "labels", 0, 4))


def bench_of(name: str, fields: str, *inputs: Input, tops: int = 1) -> Bench:
    return Bench.of(known().types[name], Example(fields, inputs, tops))


def both(bench: Bench) -> tuple[tuple[Array, ...], tuple[Any, ...]]:
    """Tops and bottom diffs."""
    run = bench.backward(bench.forward().call)
    return run.tops, run.bottom_diffs


def positions(scores: Array, labels: Array, axis: int) -> list[tuple[Any, int]]:
    """The index of each position's scores, and its label."""
    rest = scores.shape[:axis] + scores.shape[axis + 1 :]
    flat = np.trunc(labels.reshape(-1)).astype(int)
    return [((*at[:axis], slice(None), *at[axis:]), flat[i]) for i, at in enumerate(np.ndindex(*rest))]


def divisor(mode: str, scores: Array, axis: int, counted: int) -> float:
    """The four normalizations; the batch is everything before the classes."""
    everything = scores.size // scores.shape[axis]
    batch = int(np.prod(scores.shape[:axis]))
    return max(1, {"FULL": everything, "VALID": counted, "BATCH_SIZE": batch, "NONE": 1}[mode])


def softmax(x: Array) -> Array:
    e = np.exp(x - x.max())
    result: Array = e / e.sum()
    return result


NORMALIZATIONS = [
    ("", "VALID"),
    ("normalization: FULL", "FULL"),
    ("normalization: VALID", "VALID"),
    ("normalization: BATCH_SIZE", "BATCH_SIZE"),
    ("normalization: NONE", "NONE"),
    ("normalize: true", "VALID"),
    ("normalize: false", "BATCH_SIZE"),
    ("normalize: false normalization: FULL", "FULL"),
]


@pytest.mark.parametrize(("fields", "mode"), NORMALIZATIONS)
@pytest.mark.parametrize("ignore", [None, 1, -1])
def test_softmax_with_loss(fields: str, mode: str, ignore: int | None) -> None:
    said = "" if ignore is None else f"ignore_label: {ignore}"
    bench = bench_of("SoftmaxWithLoss", f"loss_param {{ {said} {fields} }}", *IMAGE, tops=2)
    if ignore == -1:
        bench.bottoms[1][:, :, 1:] = -1
    check_softmax(bench, mode, 1, ignore)


@pytest.mark.parametrize("axis", [2, -1])
def test_softmax_with_loss_along_another_axis(axis: int) -> None:
    fields = f"softmax_param {{ axis: {axis} }} loss_param {{ normalization: BATCH_SIZE }}"
    check_softmax(bench_of("SoftmaxWithLoss", fields, Input((2, 3, 4)), Input((2, 3), "labels", 0, 4)), "BATCH_SIZE", 2)


def check_softmax(bench: Bench, mode: str, axis: int, ignore: int | None = None) -> None:
    scores, labels = bench.bottoms
    loss, counted, dx, prob = 0.0, 0, np.zeros_like(scores), np.zeros_like(scores)
    for at, label in positions(scores, labels, axis):
        prob[at] = softmax(scores[at])
        if label != ignore:
            loss -= np.log(prob[at][label])
            dx[at] = prob[at] - np.eye(scores.shape[axis])[label]
            counted += 1
    by = divisor(mode, scores, axis, counted)
    tops, diffs = both(bench)
    np.testing.assert_allclose(tops[0], loss / by, rtol=1e-12)
    np.testing.assert_allclose(diffs[0], WEIGHT * dx / by, rtol=1e-10, atol=1e-15)
    if len(tops) > 1:
        np.testing.assert_allclose(tops[1], prob, rtol=1e-12)


@pytest.mark.parametrize(("fields", "mode"), [*NORMALIZATIONS[1:5], ("", "VALID")])
@pytest.mark.parametrize(("axis", "ignore"), [(1, None), (1, 2), (-3, 0)])
def test_infogain_loss(fields: str, mode: str, axis: int, ignore: int | None) -> None:
    said = "" if ignore is None else f"ignore_label: {ignore}"
    fields = f"infogain_loss_param {{ axis: {axis} }} loss_param {{ {said} {fields} }}"
    bench = bench_of("InfogainLoss", fields, *IMAGE, Input((1, 1, 4, 4), "uniform"), tops=2)
    scores, labels, matrix = bench.bottoms[0], bench.bottoms[1], bench.bottoms[2].reshape(4, 4)
    loss, counted, dx, prob = 0.0, 0, np.zeros_like(scores), np.zeros_like(scores)
    for at, label in positions(scores, labels, 1):
        prob[at] = softmax(scores[at])
        if label != ignore:
            loss -= (matrix[label] * np.log(prob[at])).sum()
            dx[at] = prob[at] * matrix[label].sum() - matrix[label]
            counted += 1
    by = divisor(mode, scores, 1, counted)
    tops, diffs = both(bench)
    np.testing.assert_allclose(tops[0], loss / by, rtol=1e-12)
    np.testing.assert_allclose(tops[1], prob, rtol=1e-12)
    np.testing.assert_allclose(diffs[0], WEIGHT * dx / by, rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize(("fields", "mode"), [("", "BATCH_SIZE"), *NORMALIZATIONS[1:]])
@pytest.mark.parametrize("ignore", [None, 0, -1])
def test_sigmoid_cross_entropy_loss(fields: str, mode: str, ignore: int | None) -> None:
    said = "" if ignore is None else f"ignore_label: {ignore}"
    inputs = Input((3, 2, 2)), Input((3, 4), "binary")
    bench = bench_of("SigmoidCrossEntropyLoss", f"loss_param {{ {said} {fields} }}", *inputs)
    if ignore == -1:
        bench.bottoms[1][1:, 0] = -1
    x, t = bench.bottoms[0].reshape(-1), bench.bottoms[1].reshape(-1)
    counts = np.ones(12, bool) if ignore is None else t != ignore
    s = 1 / (1 + np.exp(-x))
    by = {"FULL": 12, "VALID": counts.sum(), "BATCH_SIZE": 3, "NONE": 1}[mode]
    tops, diffs = both(bench)
    loss = -(t * np.log(s) + (1 - t) * np.log(1 - s))[counts].sum() / by
    np.testing.assert_allclose(tops[0], loss, rtol=1e-12)
    dx = np.where(counts, WEIGHT * (s - t) / by, 0)
    np.testing.assert_allclose(diffs[0].reshape(-1), dx, rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize("norm", ["L1", "L2"])
def test_hinge_loss(norm: str) -> None:
    inputs = Input((5, 3, 2), "distinct"), Input((5, 1), "labels", 0, 6)
    bench = bench_of("HingeLoss", f"hinge_loss_param {{ norm: {norm} }}", *inputs)
    x, labels = bench.bottoms[0].reshape(5, 6), bench.bottoms[1].reshape(5).astype(int)
    loss, dx = 0.0, np.zeros((5, 6))
    for n, c in np.ndindex(5, 6):
        sign = -1 if c == labels[n] else 1
        margin = max(0.0, 1 + sign * x[n, c])
        loss += margin if norm == "L1" else margin**2
        dx[n, c] = sign * ((margin > 0) if norm == "L1" else 2 * margin) * WEIGHT / 5
    tops, diffs = both(bench)
    np.testing.assert_allclose(tops[0], loss / 5, rtol=1e-12)
    np.testing.assert_allclose(diffs[0].reshape(5, 6), dx, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("legacy", [False, True])
def test_contrastive_loss(legacy: bool) -> None:
    fields = f"contrastive_loss_param {{ margin: 3 legacy_version: {str(legacy).lower()} }}"
    bench = bench_of("ContrastiveLoss", fields, Input((9, 4)), Input((9, 4)), Input((9, 1), "binary"))
    a, b, like = bench.bottoms
    loss, da = 0.0, np.zeros((9, 4))
    for n in range(9):
        d = a[n] - b[n]
        square = (d * d).sum()
        if like[n]:
            loss, da[n] = loss + square, d
        elif legacy:
            loss, da[n] = loss + max(3 - square, 0), -d * (square < 3)
        else:
            gap = 3 - np.sqrt(square)
            loss, da[n] = loss + max(gap, 0) ** 2, -max(gap, 0) / (np.sqrt(square) + 1e-4) * d
    tops, diffs = both(bench)
    np.testing.assert_allclose(tops[0], loss / 9 / 2, rtol=1e-12)
    np.testing.assert_allclose(diffs[0], WEIGHT / 9 * da, rtol=1e-10, atol=1e-15)
    np.testing.assert_allclose(diffs[1], -WEIGHT / 9 * da, rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize(("top_k", "axis", "ignore"), [(1, 1, None), (2, 1, 0), (3, -3, 255), (4, 1, None)])
def test_accuracy(top_k: int, axis: int, ignore: int | None) -> None:
    said = "" if ignore is None else f"ignore_label: {ignore}"
    fields = f"accuracy_param {{ top_k: {top_k} axis: {axis} {said} }}"
    bench = bench_of("Accuracy", fields, *IMAGE, tops=2)
    scores, labels = bench.bottoms
    labels[0, 0, 0, 0] = 0 if ignore is None else ignore
    scores[1, :2, 0, 0] = 9  # a tie counts against the label
    right, seen = np.zeros(4), np.zeros(4)
    for at, label in positions(scores, labels, 1):
        if label != ignore:
            seen[label] += 1
            right[label] += sum(scores[at] >= scores[at][label]) <= top_k
    tops = bench.forward().tops
    np.testing.assert_allclose(tops[0], right.sum() / seen.sum(), rtol=1e-12)
    np.testing.assert_allclose(tops[1], np.divide(right, seen, out=np.zeros(4), where=seen > 0), rtol=1e-12)


@pytest.mark.parametrize("values", [False, True])
@pytest.mark.parametrize("axis", [None, 0, 1, -1])
def test_arg_max(axis: int | None, values: bool) -> None:
    said = "" if axis is None else f"axis: {axis}"
    fields = f"argmax_param {{ top_k: 2 out_max_val: {str(values).lower()} {said} }}"
    bench = bench_of("ArgMax", fields, Input((3, 4, 2, 5), "distinct"))
    x = bench.bottoms[0]
    along = x.reshape(3, -1, 1, 1) if axis is None else x
    at = 1 if axis is None else axis
    order = np.flip(np.argsort(along, axis=at), axis=at).take([0, 1], axis=at)
    found = np.take_along_axis(along, order, axis=at)
    if axis is None:
        order, found = order.reshape(3, 1, 2, 1), found.reshape(3, 1, 2, 1)
        expected = np.concatenate([order, found], axis=1) if values else order
    else:
        expected = found if values else order
    top = bench.forward().tops[0]
    assert top.shape == expected.shape
    np.testing.assert_array_equal(top, expected)


def test_the_weight_of_a_second_top_counts_in_the_loss_only() -> None:
    text = 'layer { name: "l" type: "SoftmaxWithLoss" bottom: "x" bottom: "t" top: "l" top: "p" loss_weight: [1, 2] }'
    (record,) = layers_of(text)
    assert record.loss_weight == (1, 2)
    bench = bench_of("SoftmaxWithLoss", "", Input((3, 4)), Input((3,), "labels", 0, 4), tops=2)
    bench.weights, bench.use_weights = {0: np.array(1.0), 1: np.full((3, 4), 2.0)}, True
    _, with_second = both(bench)
    bench.weights = {0: np.array(1.0), 1: np.zeros((3, 4))}
    _, without = both(bench)
    np.testing.assert_array_equal(with_second[0], without[0])
