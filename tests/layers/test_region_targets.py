"""AnchorTarget, ProposalTarget and RegionOutput against py-faster-rcnn's rules, box by box."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from netc.errors import NetError
from netc.layer import Example, Input
from tests.layers.harness import Array, Bench, known

STRIDE, RATIOS, SCALES = 8, (0.5, 1.0, 2.0), (1.0, 2.0)
HEIGHT, WIDTH, ROWS, COLUMNS = 48, 64, 6, 8
ANCHOR = "feat_stride: 8 base_size: 8 ratio: [0.5, 1, 2] scale: [1, 2]"
Box = Sequence[float]


def bench(name: str, param: str, text: str, arrays: list[Array], tops: int, seed: int = 1) -> Bench:
    given = tuple(Input(a.shape, "values", values=tuple(a.ravel())) for a in arrays)
    return Bench.of(known().types[name], Example(f"{param} {{ {text} }}", given, tops))


def overlap(a: Box, b: Box) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]) + 1, min(a[3], b[3]) - max(a[1], b[1]) + 1
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(c[2] - c[0] + 1) * (c[3] - c[1] + 1) for c in (a, b)]
    return width * height / (sum(areas) - width * height)


def offsets(a: Box, b: Box) -> list[float]:
    """Of b from a (bbox_transform)."""
    aw, ah, bw, bh = a[2] - a[0] + 1, a[3] - a[1] + 1, b[2] - b[0] + 1, b[3] - b[1] + 1
    ax, ay, bx, by = a[0] + aw / 2, a[1] + ah / 2, b[0] + bw / 2, b[1] + bh / 2
    return [(bx - ax) / aw, (by - ay) / ah, math.log(bw / aw), math.log(bh / ah)]


def anchors() -> list[tuple[float, ...]]:
    """At the first cell, as generate_anchors gives them (here with sides rounded halves up)."""
    found = []
    for ratio in RATIOS:
        width = math.floor(math.sqrt(64 / ratio) + 0.5)
        height = math.floor(width * ratio + 0.5)
        for scale in SCALES:
            w, h = width * scale, height * scale
            found.append((3.5 - (w - 1) / 2, 3.5 - (h - 1) / 2, 3.5 + (w - 1) / 2, 3.5 + (h - 1) / 2))
    return found


def truths(rng: np.random.Generator, count: int, classes: int) -> tuple[Array, list[list[float]]]:
    """Rows of 8 with corners as shares, and the same as class and pixels."""
    rows, pixels = np.full((count + 1, 8), -1.0), []
    for at in range(count):
        size = rng.integers(6, 30, 2)
        corner = rng.integers(0, np.array([WIDTH, HEIGHT]) - size)
        end, label = corner + size, int(rng.integers(1, classes))
        rows[at] = (0, label, at, *(corner / (WIDTH, HEIGHT)), *(end / (WIDTH, HEIGHT)), 0)
        pixels.append([label, *corner.tolist(), *(end - 1).tolist()])
    return rows.reshape(1, 1, -1, 8), pixels


INFO = np.array([[HEIGHT, WIDTH, 1.0]])


@pytest.mark.parametrize("seed", range(3))
def test_what_anchors_are_told(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, pixels = truths(rng, 3, 5)
    text = f"{ANCHOR} positive_overlap: 0.6 negative_overlap: 0.3 samples: 1000 fraction: 1"
    scores = np.zeros((1, 12, ROWS, COLUMNS))
    tops = bench("AnchorTarget", "anchor_target_param", text, [scores, rows, INFO], 4).forward().tops
    labels, targets = tops[0].reshape(6, ROWS, COLUMNS), tops[1].reshape(6, 4, ROWS, COLUMNS)
    every = {
        (k, y, x): [c + STRIDE * (x, y)[i % 2] for i, c in enumerate(anchor)]
        for k, anchor in enumerate(anchors())
        for y in range(ROWS)
        for x in range(COLUMNS)
    }
    inside = {at: b for at, b in every.items() if b[0] >= 0 and b[1] >= 0 and b[2] < WIDTH and b[3] < HEIGHT}
    best = [max(overlap(b, t[1:]) for b in inside.values()) for t in pixels]
    for at in every:
        if at not in inside:
            assert labels[at] == -1
            continue
        over = [overlap(inside[at], t[1:]) for t in pixels]
        told = 1 if max(over) >= 0.6 or any(o == m and o > 0 for o, m in zip(over, best, strict=True)) else None
        told = told if told else (0 if max(over) < 0.3 else -1)
        assert labels[at] == told
        if told == 1:
            wanted = offsets(inside[at], pixels[over.index(max(over))][1:])
            np.testing.assert_allclose(targets[at[0], :, at[1], at[2]], wanted, atol=1e-9)
    counted = (labels >= 0).sum()
    for top, value, where in ((tops[2], 1, labels == 1), (tops[3], 1 / counted, labels >= 0)):
        wanted = np.repeat((where * value)[:, None], 4, axis=1)
        np.testing.assert_allclose(top.reshape(6, 4, ROWS, COLUMNS), wanted)


def test_so_many_anchors_are_told_something_each_time_others() -> None:
    rows, _ = truths(np.random.default_rng(1), 3, 5)
    text = f"{ANCHOR} positive_overlap: 0.3 samples: 20 fraction: 0.25"
    target = bench("AnchorTarget", "anchor_target_param", text, [np.zeros((1, 12, ROWS, COLUMNS)), rows, INFO], 4)
    found = []
    for iteration in range(3):
        call = target.call()
        call.iteration = iteration
        labels = target.forward(call).tops[0]
        assert ((labels == 1).sum(), (labels == 0).sum()) == (5, 15)
        found.append(labels.copy())
    assert (found[0] != found[1]).any()
    assert (found[1] != found[2]).any()


@pytest.mark.parametrize("pixel_rows", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_what_regions_are_told(seed: int, pixel_rows: bool) -> None:
    rng = np.random.default_rng(seed)
    rows, pixels = truths(rng, 3, 5)
    near = np.array([t[1:] for t in pixels])[rng.integers(0, 3, 20)] + rng.uniform(-6, 6, (20, 4))
    regions = np.concatenate([np.zeros((20, 1)), np.sort(near.reshape(20, 2, 2), axis=1).reshape(20, 4)], axis=1)
    boxes = np.array([[*t[1:], t[0]] for t in pixels] + [[0, 0, 0, 0, 0]]) if pixel_rows else rows
    text = "num_classes: 5 samples: 1000 fraction: 1 bg_low: 0.1 std: [0.1, 0.1, 0.2, 0.2]"
    target = bench("ProposalTarget", "proposal_target_param", text, [regions, boxes, INFO], 5)
    kept, labels, targets, inner, outer = target.forward().tops
    everything = [*regions[:, 1:].tolist(), *(t[1:] for t in pixels)]
    over = [[overlap(box, t[1:]) for t in pixels] for box in everything]
    objects = [i for i, o in enumerate(over) if max(o) >= 0.5]
    ground = [i for i, o in enumerate(over) if 0.1 <= max(o) < 0.5]
    np.testing.assert_allclose(kept[:, 1:], np.array([everything[i] for i in objects + ground]), atol=1e-9)
    assert (kept[:, 0] == 0).all()
    for row, i in enumerate(objects + ground):
        truth = pixels[over[i].index(max(over[i]))]
        label = truth[0] if row < len(objects) else 0
        assert labels[row] == label
        wanted, weight = np.zeros(20), np.zeros(20)
        if label:
            wanted[4 * label : 4 * label + 4] = np.array(offsets(everything[i], truth[1:])) / (0.1, 0.1, 0.2, 0.2)
            weight[4 * label : 4 * label + 4] = 1
        np.testing.assert_allclose(targets[row], wanted, atol=1e-9)
        np.testing.assert_array_equal(inner[row], weight)
        np.testing.assert_array_equal(outer[row], weight)


def test_objects_are_at_most_their_share_and_the_ground_fills_up() -> None:
    rows, pixels = truths(np.random.default_rng(3), 2, 5)
    rng = np.random.default_rng(0)
    near = np.repeat(np.array([t[1:] for t in pixels]), 10, axis=0) + rng.uniform(-1, 1, (20, 4))
    far = np.array([[0, 0, 3, 3]] * 30) + rng.integers(0, 20, (30, 1))
    regions = np.concatenate([np.zeros((50, 1)), np.concatenate([near, far])], axis=1)
    text = "num_classes: 5 samples: 12 fraction: 0.25"
    labels = bench("ProposalTarget", "proposal_target_param", text, [regions, rows, INFO], 5).forward().tops[1]
    assert ((labels > 0).sum(), (labels == 0).sum()) == (3, 9)


def test_an_image_without_objects_teaches_the_ground() -> None:
    regions, none = np.array([[0, 1, 1, 9, 9], [0, 2, 2, 30, 30]], float), np.full((1, 1, 2, 8), -1.0)
    tops = bench("ProposalTarget", "proposal_target_param", "num_classes: 5", [regions, none, INFO], 5).forward().tops
    np.testing.assert_array_equal(tops[1], [0, 0])
    assert not tops[2].any()
    told = bench("AnchorTarget", "anchor_target_param", ANCHOR, [np.zeros((1, 12, ROWS, COLUMNS)), none, INFO], 4)
    assert set(np.unique(told.forward().tops[0])) == {-1, 0}


def test_boxes_of_regions_are_what_they_were_told() -> None:
    rows, pixels = truths(np.random.default_rng(8), 3, 5)
    regions = np.array([[0, t[1] + 1, t[2] - 2, t[3] + 3, t[4] + 2] for t in pixels], float)
    text = "num_classes: 5 samples: 1000 fraction: 1"
    target = bench("ProposalTarget", "proposal_target_param", text, [regions, rows, INFO], 5).forward()
    labels, targets = target.tops[1], target.tops[2]
    count = int((labels > 0).sum())
    scores = np.full((count, 5), 0.01)
    scores[np.arange(count), labels[:count].astype(int)] = 0.96
    arrays = [target.tops[0][:count], targets[:count], scores, INFO]
    found = bench("RegionOutput", "region_output_param", "confidence_threshold: 0.5", arrays, 1).forward().tops[0]
    wanted = sorted((t[0], t[1] / WIDTH, t[2] / HEIGHT, (t[3] + 1) / WIDTH, (t[4] + 1) / HEIGHT) for t in pixels)
    mine = sorted((row[1], *row[3:]) for row in found.reshape(-1, 7))
    np.testing.assert_allclose(mine, wanted, atol=1e-9)


def test_a_true_box_that_is_none_is_an_error() -> None:
    regions = np.array([[0, 1, 1, 9, 9]], float)
    for row in ([1, 1, 9, 9, 7], [9, 1, 1, 9, 2], [1, 1, float("nan"), 9, 2]):
        target = bench("ProposalTarget", "proposal_target_param", "num_classes: 5", [regions, np.array([row]), INFO], 5)
        with pytest.raises(NetError) as caught:
            target.forward()
        assert caught.value.diagnostics[0].code.id == "RUN325"
