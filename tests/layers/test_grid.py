"""GridTarget and GridOutput against loops, cell by cell; and each undoes the other."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from netc.errors import NetError
from netc.layer import Example, Input
from tests.layers.harness import Array, Bench, known

ANCHORS = [(8.0, 12.0), (16.0, 8.0), (30.0, 30.0), (10.0, 40.0)]
CLASSES, STRIDE = 3, 8.0


def fields(mask: list[int], more: str = "") -> str:
    flat = ", ".join(f"{side:g}" for anchor in ANCHORS for side in anchor)
    return f"classes: {CLASSES} anchor: [{flat}] mask: {mask} stride: {STRIDE:g} {more}"


def bench(name: str, param: str, text: str, arrays: list[Array], tops: int = 1) -> Bench:
    given = tuple(Input(a.shape, "values", values=tuple(a.ravel())) for a in arrays)
    return Bench.of(known().types[name], Example(f"{param} {{ {text} }}", given, tops, "TEST"))


def sigma(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def iou(a: Any, b: Any) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    inter = width * height
    return inter / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inter)


def box_of(values: Array, anchor: tuple[float, float], i: int, j: int, width: int, height: int) -> tuple[float, ...]:
    x, y = (i + sigma(values[0])) / width, (j + sigma(values[1])) / height
    w, h = anchor[0] / STRIDE * math.exp(values[2]) / width, anchor[1] / STRIDE * math.exp(values[3]) / height
    return (x - w / 2, y - h / 2, x + w / 2, y + h / 2)


def boxes(rng: np.random.Generator, images: int, count: int) -> Array:
    rows = np.full((count + 2, 8), -1.0)
    for at in range(count):
        size = rng.uniform(0.05, 0.6, 2)
        corner = rng.uniform(0, 1 - size)
        rows[at] = (rng.integers(images), rng.integers(1, CLASSES + 1), at, *corner, *(corner + size), 0)
    return rows.reshape(1, 1, -1, 8)


def targets(pred: Array, truths: Array, mask: list[int], threshold: float, rescore: bool) -> tuple[Array, Array, Array]:
    """One prediction after the other."""
    num, _, height, width = pred.shape
    p = pred.reshape(num, len(mask), 5 + CLASSES, height, width)
    target, weight, label = np.zeros(p.shape), np.zeros(p.shape), np.full((num, len(mask), height, width), -1.0)
    for n in range(num):
        mine = [row for row in truths.reshape(-1, 8) if row[0] == n]
        for k, anchor in enumerate(mask):
            for j in range(height):
                for i in range(width):
                    box = box_of(p[n, k, :, j, i], ANCHORS[anchor], i, j, width, height)
                    if all(iou(box, row[3:7]) <= threshold for row in mine):
                        weight[n, k, 4, j, i] = 0.5
        for row in mine:
            w, h = (row[5] - row[3]) * width, (row[6] - row[4]) * height
            sizes = [(a / STRIDE, b / STRIDE) for a, b in ANCHORS]
            same = [min(a, w) * min(b, h) / (a * b + w * h - min(a, w) * min(b, h)) for a, b in sizes]
            best = same.index(max(same))
            if best not in mask:
                continue
            x, y, k = (row[3] + row[5]) / 2 * width, (row[4] + row[6]) / 2 * height, mask.index(best)
            i, j = int(x), int(y)
            box = box_of(p[n, k, :, j, i], ANCHORS[best], i, j, width, height)
            target[n, k, :, j, i] = 0
            target[n, k, :4, j, i] = x - i, y - j, math.log(w / sizes[best][0]), math.log(h / sizes[best][1])
            target[n, k, 4, j, i] = iou(box, row[3:7]) if rescore else 1
            target[n, k, 4 + int(row[1]), j, i] = 1
            weight[n, k, :4, j, i] = 3 * (2 - (row[5] - row[3]) * (row[6] - row[4]))
            weight[n, k, 4, j, i], weight[n, k, 5:, j, i] = 5, 2
            label[n, k, j, i] = row[1] - 1
    return target, weight, label


@pytest.mark.parametrize("rescore", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_targets_are_those_of_the_papers(seed: int, rescore: bool) -> None:
    rng = np.random.default_rng(seed)
    mask = [[0, 1, 2, 3], [2, 0], [3], [1, 3, 2]][seed]
    pred, truths = rng.standard_normal((3, len(mask) * (5 + CLASSES), 4, 5)), boxes(rng, 3, 9)
    scales = "coord_scale: 3 object_scale: 5 noobject_scale: 0.5 class_scale: 2 threshold: 0.3"
    text = fields(mask, f"{scales} rescore: {str(rescore).lower()}")
    tops = bench("GridTarget", "grid_target_param", text, [pred, truths], 3).forward().tops
    for found, wanted in zip(tops, targets(pred, truths, mask, 0.3, rescore), strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-9)


@pytest.mark.parametrize("score", ["SOFTMAX", "SIGMOID"])
def test_rows_are_the_best_boxes_of_all_maps(score: str) -> None:
    rng = np.random.default_rng(5)
    maps = [rng.standard_normal((2, 2 * (5 + CLASSES), 2, 3)), rng.standard_normal((2, 2 * (5 + CLASSES), 4, 6))]
    flat = "classes: 3 anchor: [8, 12, 16, 8, 30, 30, 10, 40] mask: [2, 3, 0, 1] stride: 8"
    more = f"score: {score} confidence_threshold: 0.1 nms_threshold: 0.4 keep_top_k: 12"
    rows = bench("GridOutput", "grid_output_param", f"{flat} {more}", maps).forward().tops[0].reshape(-1, 7)
    for n in range(2):
        found: list[tuple[float, int, tuple[float, ...]]] = []
        for pred, mask in zip(maps, ([2, 3], [0, 1]), strict=True):
            height, width = pred.shape[2:]
            p = pred.reshape(2, 2, 5 + CLASSES, height, width)[n]
            for k, j, i in np.ndindex(2, height, width):
                values = p[k, :, j, i]
                powers = np.exp(values[5:])
                of_class = powers / powers.sum() if score == "SOFTMAX" else powers / (1 + powers)
                box = np.clip(box_of(values, ANCHORS[mask[k]], i, j, width, height), 0, 1)
                found += [(sigma(values[4]) * of_class[c], c + 1, tuple(box)) for c in range(CLASSES)]
        kept: list[tuple[float, int, tuple[float, ...]]] = []
        for confidence, label, box in sorted(found, reverse=True):
            apart = all(other != label or iou(box, theirs) <= 0.4 for _, other, theirs in kept)
            if confidence > 0.1 and apart:
                kept.append((confidence, label, box))
        wanted = sorted((label, -confidence, *box) for confidence, label, box in sorted(kept, reverse=True)[:12])
        mine = sorted((row[1], -row[2], *row[3:]) for row in rows[rows[:, 0] == n])
        np.testing.assert_allclose(np.array(mine), np.array(wanted), atol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_a_net_that_gives_its_targets_finds_the_true_boxes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask, truths = [0, 1, 2, 3], boxes(rng, 4, 5)
    pred = np.full((4, 4 * (5 + CLASSES), 6, 6), -1.0)
    target, _, label = bench("GridTarget", "grid_target_param", fields(mask), [pred, truths], 3).forward().tops
    values = np.full(target.shape, -12.0)
    there = label >= 0
    moved = np.moveaxis(values, 2, -1)
    wanted = np.moveaxis(target, 2, -1)[there]
    place = np.clip(wanted[:, :2], 1e-9, 1 - 1e-9)
    moved[there] = np.concatenate(
        [np.log(place / (1 - place)), wanted[:, 2:4], np.where(wanted[:, 4:], 12.0, -12.0)], axis=1
    )
    text = fields(mask, "score: SIGMOID confidence_threshold: 0.5")
    rows = bench("GridOutput", "grid_output_param", text, [values.reshape(pred.shape)]).forward().tops[0].reshape(-1, 7)
    given = truths.reshape(-1, 8)[:5]
    assert len(rows) == len(given)
    for row in given:
        (match,) = [r for r in rows if r[0] == row[0] and r[1] == row[1] and np.allclose(r[3:], row[3:7], atol=1e-5)]
        assert match[2] > 0.99


@pytest.mark.parametrize(
    "row",
    [
        (4, 1, 0, 0.1, 0.1, 0.4, 0.4, 0),
        (0, 0, 0, 0.1, 0.1, 0.4, 0.4, 0),
        (0, 4, 0, 0.1, 0.1, 0.4, 0.4, 0),
        (0, 1, 0, 0.4, 0.1, 0.4, 0.4, 0),
        (0, 1, 0, 0.1, 0.1, 0.4, float("nan"), 0),
    ],
)
def test_a_true_box_that_is_none_is_an_error(row: tuple[float, ...]) -> None:
    pred = np.zeros((4, 4 * (5 + CLASSES), 2, 2))
    target = bench("GridTarget", "grid_target_param", fields([0, 1, 2, 3]), [pred, np.array([[[row]]], float)], 2)
    with pytest.raises(NetError) as caught:
        target.forward()
    assert caught.value.diagnostics[0].code.id == "RUN325"


def test_predictions_of_an_untrained_net_stay_finite() -> None:
    pred = np.full((1, 4 * (5 + CLASSES), 2, 2), 500.0)
    rows = bench("GridOutput", "grid_output_param", fields([0, 1, 2, 3]), [pred]).forward().tops[0]
    assert np.isfinite(rows).all()
    target = bench(
        "GridTarget", "grid_target_param", fields([0, 1, 2, 3]), [pred, boxes(np.random.default_rng(0), 1, 3)], 2
    )
    assert all(np.isfinite(top).all() for top in target.forward().tops)
