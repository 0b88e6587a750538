"""Layers of forks against what the forks compute, where no golden case of theirs is at hand: loops, numbers by hand."""

from __future__ import annotations

from math import ceil, floor
from typing import Any

import numpy as np
import pytest

from netc.errors import NetError
from tests.layers.harness import Array, Bench, known, site
from tests.layers.references.multi_box import Options, multi_box_loss
from tests.run.common import make


def bench(type: str, fields: str, *bottoms: Array, tops: int = 1, phase: Any = "TRAIN", params: Any = ()) -> Bench:
    """A layer on arrays, in their type."""
    place = site(known().types[type], fields, tuple(b.shape for b in bottoms), tops, phase)
    given = tuple(np.asarray(p, bottoms[0].dtype) for p in params)
    return Bench(known().types[type], place, known().types[type].setup(place), bottoms, given, dtype=bottoms[0].dtype)


# ---------------------------------------------------------------- SSD


MINING = {
    "softmax": Options(),
    "l2": Options(loc_loss_type="L2", loc_weight=2.0, match_type="BIPARTITE"),
    "another background": Options(background_label_id=2),
    "logistic": Options(conf_loss_type="LOGISTIC"),
    "logistic, another background": Options(conf_loss_type="LOGISTIC", background_label_id=2),
    "logistic, no mining": Options(conf_loss_type="LOGISTIC", mining_type="NONE"),
    "logistic, no mining, another background": Options(
        conf_loss_type="LOGISTIC", mining_type="NONE", background_label_id=2
    ),
    "no mining": Options(mining_type="NONE"),
    "hard": Options(mining_type="HARD_EXAMPLE", sample_size=5),
    "hard, logistic": Options(mining_type="HARD_EXAMPLE", sample_size=5, conf_loss_type="LOGISTIC"),
    "suppressed": Options(nms_threshold=0.2, top_k=6),
    "suppressed priors": Options(nms_threshold=0.2, top_k=6, use_prior_for_nms=True),
    "hard, suppressed": Options(mining_type="HARD_EXAMPLE", sample_size=4, nms_threshold=0.1, top_k=9),
    "hard, all suppressed": Options(mining_type="HARD_EXAMPLE", sample_size=4, nms_threshold=0.1, top_k=0),
    "suppressed not": Options(nms_threshold=0.0, top_k=2),
}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("options", MINING.values(), ids=MINING)
def test_multi_box_loss(options: Options, seed: int) -> None:
    rng = np.random.default_rng([seed, 21])
    num, count = 3, 24
    low = rng.uniform(0, 0.6, (count, 2))
    priors = np.hstack([low, low + rng.uniform(0.1, 0.4, (count, 2))])
    priors[:2, 2:] = priors[:2, :2] + 1e-3  # too small for suppression
    variances = np.tile([0.1, 0.1, 0.2, 0.2], (count, 1))
    classes = [c for c in range(options.num_classes) if c != options.background_label_id]
    truth = np.full((6, 8), -1.0)
    for row, near in zip(truth[:5], rng.integers(2, count, 5), strict=True):
        row[:] = (rng.integers(0, 2), rng.choice(classes), 0, *(priors[near] + rng.uniform(-0.02, 0.02, 4)), 0)
    offsets, scores = rng.standard_normal((num, count, 4)), 2 * rng.standard_normal((num, count, options.num_classes))
    expected = multi_box_loss(options, offsets, scores, np.stack([priors, variances]), truth)
    run = bench(
        "MultiBoxLoss",
        options.text(),
        offsets.reshape(num, -1),
        scores.reshape(num, -1),
        np.stack([priors, variances]).reshape(1, 2, -1),
        truth.reshape(1, 1, 6, 8),
    )
    run.weights, run.use_weights = {0: np.array(1.0)}, True
    found = run.backward(run.forward().call, frozenset({0, 1}))
    assert found.tops[0] == pytest.approx(expected.loss, rel=1e-9)
    np.testing.assert_allclose(found.bottom_diffs[0].reshape(offsets.shape), expected.offsets, atol=1e-9)  # type: ignore[union-attr]
    np.testing.assert_allclose(found.bottom_diffs[1].reshape(scores.shape), expected.scores, atol=1e-9)  # type: ignore[union-attr]


def test_suppression_without_top_k_is_said_to_mine_nothing() -> None:
    place = bench(
        "MultiBoxLoss",
        "multibox_loss_param { num_classes: 3 nms_param { nms_threshold: 0.5 } }",
        *(np.zeros(s) for s in ((1, 8), (1, 6), (1, 2, 8), (1, 1, 1, 8))),
    ).site
    assert ["mines nothing" in warning.message for warning in place.warnings] == [True]


@pytest.mark.parametrize("across", ["true", "false"])
def test_the_gradient_of_normalize_leaves_the_scales_out_of_its_sum(across: str) -> None:
    rng = np.random.default_rng(3)
    x, dy, scale = rng.standard_normal((2, 3, 4)), rng.standard_normal((2, 3, 4)), np.array([1.0, 5.0, 20.0])
    run = bench("Normalize", f"norm_param {{ channel_shared: false across_spatial: {across} }}", x, params=(scale,))
    run.weights = {0: dy}
    found = run.backward(run.forward().call).bottom_diffs[0]
    for n in range(2):
        for cell in range(4):
            cells = range(4) if across == "true" else [cell]
            square = sum(x[n, c, s] ** 2 for c in range(3) for s in cells) + 1e-10
            dot = sum(x[n, c, s] * dy[n, c, s] for c in range(3) for s in cells)
            for c in range(3):
                value = scale[c] * (dy[n, c, cell] - x[n, c, cell] * dot / square) / square**0.5
                assert found is not None
                assert found[n, c, cell] == pytest.approx(value)


# ---------------------------------------------------------------- regions


@pytest.mark.parametrize("seed", range(5))
def test_roi_pooling_asks_each_cell_which_bins_it_is_in(seed: int) -> None:
    """Also of regions that are outside, or whose end is before their start."""
    rng = np.random.default_rng(seed)
    x, scale = rng.permutation(120).reshape(2, 1, 6, 10).astype(np.float32), np.float32(0.37)
    rois = np.hstack([rng.integers(0, 2, (30, 1)), rng.uniform(-5, 30, (30, 4))]).astype(np.float32)
    fields = f"roi_pooling_param {{ pooled_h: 3 pooled_w: 7 spatial_scale: {scale} }}"
    run = bench("ROIPooling", fields, x, rois)
    forward = run.forward()
    chosen, dy = forward.call.buffers["chosen"], run.weight(0, (30, 1, 3, 7))
    found = run.backward(forward.call, frozenset({0})).bottom_diffs[0]
    expected = np.zeros_like(x)
    for r, roi in enumerate(rois):
        left, top, right, bottom = (int(np.copysign(floor(abs(v * scale) + 0.5), v)) for v in roi[1:])
        high = np.float32(max(bottom - top + 1, 1)) / np.float32(3)
        wide = np.float32(max(right - left + 1, 1)) / np.float32(7)
        for h in range(max(top, 0), min(bottom, 5) + 1):
            for w in range(max(left, 0), min(right, 9) + 1):
                for i in range(max(floor((h - top) / high), 0), min(ceil((h - top + 1) / high), 3)):
                    for j in range(max(floor((w - left) / wide), 0), min(ceil((w - left + 1) / wide), 7)):
                        if chosen[r, 0, i, j] == h * 10 + w:
                            expected[int(roi[0]), 0, h, w] += dy[r, 0, i, j]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def proposals(scores: list[float], info: list[float], fields: str) -> tuple[Array, Array]:
    count = len(scores)
    given = np.array([0.0] * count + scores, np.float32).reshape(1, 2, 1, count)
    run = bench(
        "Proposal",
        f"proposal_param {{ ratio: 1 scale: 1 {fields} }}",
        given,
        np.zeros((1, 4, 1, count), np.float32),
        np.array([info], np.float32),
        tops=2,
        phase="TEST",
    ).forward()
    return run.tops[0], run.tops[1]


def test_proposals_of_one_score_stand_as_the_forks_quicksort_leaves_them() -> None:
    boxes, scores = proposals([0.5, 0.5, 0.9, 0.5, 0.5], [16, 200, 1], "min_size: 1 nms_thresh: 0.1")
    order = [round(x / 16) for x in boxes[:, 1]]
    assert order[0] == 2
    assert sorted(order) == [0, 1, 2, 3, 4]
    assert order == [2, *quicksorted([0.5, 0.5, 0.9, 0.5, 0.5])[1:]]
    assert scores.tolist() == pytest.approx([0.9, 0.5, 0.5, 0.5, 0.5])


def quicksorted(scores: list[float]) -> list[int]:
    """Indices as the fork's recursion leaves them."""
    items = list(zip(scores, range(len(scores)), strict=True))

    def part(start: int, end: int) -> None:
        pivot, left, right = items[start][0], start + 1, end
        while left <= right:
            while left <= end and items[left][0] >= pivot:
                left += 1
            while right > start and items[right][0] <= pivot:
                right -= 1
            if left <= right:
                items[left], items[right] = items[right], items[left]
                left, right = left + 1, right - 1
        if right > start:
            items[start], items[right] = items[right], items[start]
        if start < right - 1:
            part(start, right - 1)
        if right + 1 < end:
            part(right + 1, end)

    part(0, len(items) - 1)
    return [index for _, index in items]


def test_proposals_are_small_by_the_scale_of_each_side() -> None:
    """Anchors are 16 x 16; at least 10 pixels of the unscaled image are 20 in height and 10 in width."""
    _, scores = proposals([0.3], [100, 100, 1, 1], "min_size: 10")
    assert scores.tolist() == pytest.approx([0.3])
    _, scores = proposals([0.3], [100, 100, 2, 1], "min_size: 10")
    assert scores.tolist() == [0]
    _, scores = proposals([0.3], [100, 100, 2], "min_size: 10")
    assert scores.tolist() == [0]


# ---------------------------------------------------------------- losses


def test_focal_loss_with_two_axes() -> None:
    """chuanqi305's takes the axis of the labels from one message, that of the softmax from another."""
    rng = np.random.default_rng(4)
    x, t = rng.standard_normal((2, 3, 4)), rng.integers(0, 4, (2, 3)).astype(float)
    run = bench("FocalLoss", "focal_loss_param { axis: 2 gamma: 1.5 alpha: 0.5 }", x, t)
    run.weights, run.use_weights = {0: np.array(1.0)}, True
    found = run.backward(run.forward().call, frozenset({0}))
    p = np.exp(x) / np.exp(x).sum(1, keepdims=True)
    loss, diff = 0.0, np.zeros_like(x)
    for n in range(2):
        for i in range(3):
            label = int(t[n, i])
            own = p[n, i, label]
            loss -= 0.5 * (1 - own) ** 1.5 * np.log(own) / 6
            for c in range(4):
                if c == label:
                    d = 0.5 * (1 - own) ** 1.5 * (1.5 * own * np.log(own) + own - 1)
                else:
                    d = 0.5 * (-1.5 * (1 - own) ** 0.5 * np.log(own) * own + (1 - own) ** 1.5) * p[n, i, c]
                diff[n, i, c] = d / 6
    assert found.tops[0] == pytest.approx(loss)
    np.testing.assert_allclose(found.bottom_diffs[0], diff, atol=1e-12)  # type: ignore[arg-type]
    assert "axis 2" in run.site.warnings[0].message


def test_class_weights_count_only_where_they_are_asked_for() -> None:
    x, t = np.zeros((2, 2)), np.array([0.0, 1.0])
    plain = bench("SoftmaxWithLoss", "loss_param { class_weighting: 3 class_weighting: 5 }", x, t)
    assert plain.forward().tops[0] == pytest.approx(np.log(2))
    assert "weight_by_label_freqs" in plain.site.warnings[0].message
    fields = "loss_param { weight_by_label_freqs: true class_weighting: 3 class_weighting: 5 }"
    assert bench("SoftmaxWithLoss", fields, x, t).forward().tops[0] == pytest.approx(4 * np.log(2))


# ---------------------------------------------------------------- BN of TSN and PSPNet


def test_bn_keeps_moving_statistics() -> None:
    x = np.array([1.0, 3.0, 5.0, 7.0]).reshape(2, 1, 2, 1)
    params = [np.full((1, 1, 1, 1), value) for value in (2.0, 0.5, 10.0, 4.0)]
    run = bench("BN", "bn_param { momentum: 0.75 eps: 0 }", x, params=params)
    found = run.forward()
    np.testing.assert_allclose(found.tops[0], 2 * (x - 4) / 5**0.5 + 0.5)
    assert [p.item() for p in found.call.params] == [2, 0.5, 8.5, 4.25]
    test = bench("BN", "bn_param { momentum: 0.75 eps: 0 }", x, params=params, phase="TEST").forward()
    np.testing.assert_allclose(test.tops[0], 2 * (x - 10) / 2 + 0.5)
    assert [p.item() for p in test.call.params] == [2, 0.5, 10, 4]


def test_frozen_bn_learns_nothing_and_starts_as_no_normalization() -> None:
    setup = bench("BN", "bn_param { frozen: true }", np.zeros((2, 3))).setup
    assert [(p.name, p.learned, p.filler) for p in setup.params[2:]] == [("mean", False, 0), ("variance", False, 1)]
    assert not any(p.learned for p in setup.params)
    x = np.array([1.0, 3.0]).reshape(2, 1)
    params = [np.full((1, 1, 1, 1), value) for value in (3.0, 0.5, 1.0, 4.0)]
    run = bench("BN", "bn_param { frozen: true eps: 0 }", x, params=params)
    run.weights = {0: np.array([[1.0], [2.0]])}
    found = run.backward(run.forward().call)
    assert found.tops[0].tolist() == [[0.5], [3.5]]
    assert found.bottom_diffs[0].tolist() == [[1.5], [3.0]]  # type: ignore[union-attr]


def test_a_bn_without_fields_says_what_it_is_in_a_test_net() -> None:
    place = bench("BN", "", np.zeros((2, 3)), phase="TEST").site
    assert "SegNet's BN" in place.warnings[0].message


@pytest.mark.parametrize("executor", ["reference", "fast"])
def test_stored_statistics_go_into_the_convolution_before(executor: str) -> None:
    text = """
    layer { name: "x" type: "Input" top: "x" input_param { shape { dim: [2, 3, 5, 5] } } }
    layer { name: "c" type: "Convolution" bottom: "x" top: "c" convolution_param {
      num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } } }
    layer { name: "bn" type: "BN" bottom: "c" top: "bn" bn_param { frozen: true } }
    layer { name: "r" type: "ReLU" bottom: "bn" top: "bn" }
    """
    net = make(text, "TEST", executor=executor)
    rng = np.random.default_rng(2)
    for i, blob in enumerate(net.params["bn"]):
        blob[...] = rng.uniform(0.5, 2, blob.shape) if i in (0, 3) else rng.standard_normal(blob.shape)
    x = rng.standard_normal((2, 3, 5, 5)).astype(np.float32)
    net.set_input("x", x)
    out = next(iter(net.forward().values()))
    weights, bias = net.params["c"]
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), (2, 3))
    plain = np.einsum("nchwij,ocij->nohw", windows, weights) + bias.reshape(1, -1, 1, 1)
    slope, shift, mean, variance = (blob.reshape(1, -1, 1, 1) for blob in net.params["bn"])
    expected = np.maximum(slope * (plain - mean) / np.sqrt(variance + 1e-5) + shift, 0)
    np.testing.assert_allclose(out, expected, atol=1e-4)


# ---------------------------------------------------------------- sizes and functions


@pytest.mark.parametrize(
    ("fields", "size"),
    [
        ("height: 3 width: 4", (3, 4)),
        ("height: 3 width: 4 zoom_factor: 2", (9, 13)),
        ("height: 3 width: 4 shrink_factor: 2", (3, 4)),
        ("height: 9 width: 9 shrink_factor: 2 zoom_factor: 2", (9, 9)),
        ("shrink_factor: 2 zoom_factor: 3", (7, 10)),
    ],
)
def test_interp_prefers_one_factor_to_a_size(fields: str, size: tuple[int, int]) -> None:
    setup = bench("Interp", f"interp_param {{ {fields} }}", np.zeros((1, 1, 5, 7))).setup
    assert setup.tops == ((1, 1, *size),)


def test_upsample_repeats_once_unless_it_is_told_more() -> None:
    x = np.arange(4.0).reshape(1, 1, 2, 2)
    assert bench("Upsample", "", x).setup.tops == ((1, 1, 2, 2),)
    assert bench("Upsample", "", x, x).setup.tops == ((1, 1, 4, 4),)


def test_relu6_with_a_slope() -> None:
    x = np.array([-4.0, -0.5, 0.0, 2.0, 6.0, 7.0])
    run = bench("ReLU6", "relu6_param { negative_slope: 0.5 }", x)
    run.weights = {0: np.ones(6)}
    found = run.backward(run.forward().call)
    assert found.tops[0].tolist() == [-2, -0.25, 0, 2, 6, 6]
    assert found.bottom_diffs[0].tolist() == [0.5, 0.5, 0.5, 1, 0, 0]  # type: ignore[union-attr]


# ---------------------------------------------------------------- default boxes


def boxes(type: str, fields: str, height: int = 1, width: int = 1) -> Array:
    """The boxes of a map on an image of 40 x 20 (width x height), in pixels."""
    run = bench(type, f"prior_box_param {{ {fields} }}", np.zeros((1, 1, height, width)), np.zeros((1, 3, 20, 40)))
    return run.forward().tops[0][0, 0].reshape(-1, 4) * [40, 20, 40, 20]


def test_fixed_sizes_stand_in_a_grid_and_are_cut() -> None:
    """The centre is (20, 10); 2 x 2 squares of 8 have their centres 4 apart; a ratio of 4 is 16 by 4."""
    found = boxes("PriorBox", "fixed_size: 8 density: 2 fixed_ratio: 1 fixed_ratio: 4")
    centres = [(18, 8), (22, 8), (18, 12), (22, 12)]
    squares = [(x - 4, y - 4, x + 4, y + 4) for x, y in centres]
    wide = [(x - 8, y - 2, x + 8, y + 2) for x, y in centres]
    np.testing.assert_allclose(found, [*squares, *wide])
    np.testing.assert_allclose(boxes("PriorBox", "fixed_size: 50 density: 1"), [(0, 0, 40, 20)])


def test_fixed_sizes_are_cut_to_whole_numbers_where_the_fork_does_so() -> None:
    """Squares, and where they begin: 9 pixels, the centres 4 (of 9.5 / 2) apart; other ratios have the written size."""
    found = boxes("PriorBox", "fixed_size: 9.5 density: 2 aspect_ratio: 4 flip: false")
    centres = [(18, 8), (22, 8), (18, 12), (22, 12)]
    squares = [(x - 4.5, y - 4.5, x + 4.5, y + 4.5) for x, y in centres]
    wide = [(x - 9.5, y - 2.375, x + 9.5, y + 2.375) for x, y in centres]
    np.testing.assert_allclose(found, np.clip([*squares, *wide], 0, [40, 20, 40, 20]), atol=1e-6)


def test_fixed_sizes_come_before_the_others_and_take_their_ratios() -> None:
    found = boxes("PriorBox", "fixed_size: 8 density: 1 aspect_ratio: 4 flip: false min_size: 4")
    expected = [(16, 6, 24, 14), (12, 8, 28, 12), (18, 8, 22, 12), (16, 9, 24, 11)]
    np.testing.assert_allclose(found, expected)


def test_clustered_boxes() -> None:
    found = boxes("PriorBoxClustered", "width: 4 width: 10 height: 6 height: 2 step: 10 offset: 0", width=2)
    np.testing.assert_allclose(found, [(-2, -3, 2, 3), (-5, -1, 5, 1), (8, -3, 12, 3), (5, -1, 15, 1)])


@pytest.mark.parametrize("executor", ["reference", "fast"])
def test_crop_center(executor: str) -> None:
    text = """
    layer { name: "x" type: "Input" top: "x" input_param { shape { dim: [2, 3, 6, 7] } } }
    layer { name: "r" type: "Pooling" bottom: "x" top: "r" pooling_param { kernel_size: 1 } }
    layer { name: "c" type: "CropCenter" bottom: "r" top: "c" crop_center_param { crop_size: [0, 0, 1, 2] } }
    """
    net = make(text, "TEST", executor=executor)
    x = np.random.default_rng(1).standard_normal((2, 3, 6, 7)).astype(np.float32)
    net.set_input("x", x)
    np.testing.assert_array_equal(net.forward()["c"], x[:, :, 1:-1, 2:-2])


@pytest.mark.parametrize(("ratio", "said"), [(1, "NaN"), (1.5, "no meaning")])
def test_a_test_net_with_a_dropout_that_cannot_train(ratio: float, said: str) -> None:
    """Caffe's check is one of its debug build; at test the layer copies."""
    x = np.arange(6.0)
    run = bench("Dropout", f"dropout_param {{ dropout_ratio: {ratio} }}", x, phase="TEST")
    assert run.forward().tops[0].tolist() == x.tolist()
    assert [said in warning.message for warning in run.site.warnings] == [True]
    with pytest.raises(NetError) as caught:
        bench("Dropout", f"dropout_param {{ dropout_ratio: {ratio} }}", x)
    assert [d.code.id for d in caught.value.diagnostics] == ["LAY007"]
