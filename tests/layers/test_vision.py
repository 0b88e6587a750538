"""What layers over images promise beyond gradients: padding, masks, regions, default boxes, detections, proposals."""

from __future__ import annotations

import numpy as np
import pytest

from netc.errors import NetError
from netc.layer import Input
from tests.layers.test_values import bench, codes

PLANE = tuple(float(v) for v in range(1, 13))


def values(shape: tuple[int, ...], *numbers: float) -> Input:
    return Input(shape, "values", values=tuple(float(n) for n in numbers))


def test_same_convolution_pads_the_odd_cell_at_the_end() -> None:
    fields = "convolution_param { num_output: 1 kernel_h: 1 kernel_w: 2 padding: SAME bias_term: false }"
    run = bench("Convolution", fields, values((1, 1, 1, 4), 1, 2, 3, 4)).forward()
    first, second = run.call.params[0].ravel()
    assert np.allclose(run.tops[0].ravel(), first * np.array([1, 2, 3, 4]) + second * np.array([2, 3, 4, 0]))


def test_same_average_counts_cells_of_the_image_only() -> None:
    same = bench("Pooling", "pooling_param { pool: AVE kernel_size: 2 padding: SAME }", values((1, 1, 3, 4), *PLANE))
    assert same.forward().tops[0][0, 0, 2].tolist() == [9.5, 10.5, 11.5, 12]
    caffe = bench("Pooling", "pooling_param { pool: AVE kernel_size: 2 pad: 1 }", values((1, 1, 3, 4), *PLANE))
    assert caffe.forward().tops[0][0, 0, 0, 0] == 0.25


def test_pooling_mask_names_cells_of_the_plane() -> None:
    run = bench("Pooling", "pooling_param { kernel_size: 2 stride: 2 }", values((1, 1, 3, 4), *PLANE), tops=2).forward()
    assert run.tops[1].ravel().tolist() == [5, 7, 9, 11]


def test_pooling_remembers_its_choice_in_a_byte() -> None:
    small = bench("Pooling", "pooling_param { kernel_size: 15 }", Input((1, 1, 20, 20)))
    large = bench("Pooling", "pooling_param { kernel_size: 16 }", Input((1, 1, 20, 20)))
    assert [b.dtype for b in small.setup.buffers] == ["uint8"]
    assert [b.dtype for b in large.setup.buffers] == ["int32"]


def test_stochastic_pooling_draws_in_proportion_and_weighs_in_testing() -> None:
    fields = "pooling_param { pool: STOCHASTIC kernel_size: 2 stride: 2 }"
    x = values((400, 1, 2, 2), *(0.0, 1.0, 3.0, 0.0) * 400)
    drawn = bench("Pooling", fields, x).forward().tops[0]
    assert set(np.unique(drawn)) == {1.0, 3.0}
    assert 0.7 < (drawn == 3).mean() < 0.8
    assert np.allclose(bench("Pooling", fields, x, phase="TEST").forward().tops[0], 10 / 4)


def test_regions_are_rounded_outwards_and_empty_ones_are_zero() -> None:
    fields = "roi_pooling_param { pooled_h: 2 pooled_w: 2 spatial_scale: 0.5 }"
    x = values((1, 1, 3, 4), *PLANE)
    run = bench("ROIPooling", fields, x, values((2, 5), 0, 0, 0, 4, 4, 0, 20, 20, 30, 30)).forward()
    assert run.tops[0][0, 0].tolist() == [[6, 7], [10, 11]]
    assert not run.tops[0][1].any()


@pytest.mark.parametrize(
    ("name", "fields", "channels", "code"),
    [
        ("ROIPooling", "roi_pooling_param { pooled_h: 1 pooled_w: 1 }", 1, "RUN321"),
        ("PSROIPooling", "psroi_pooling_param { spatial_scale: 1 output_dim: 1 group_size: 1 }", 1, "RUN322"),
    ],
)
@pytest.mark.parametrize("region", [(1, 0, 0, 1, 1), (-1, 0, 0, 1, 1), (0, np.nan, 0, 1, 1), (0, 0, 0, np.inf, 1)])
def test_a_region_that_cannot_be_is_refused(
    name: str, fields: str, channels: int, code: str, region: tuple[float, ...]
) -> None:
    with pytest.raises(NetError) as error:
        bench(name, fields, Input((1, channels, 3, 4)), values((1, 5), *region)).forward()
    assert codes(error) == [code]


def test_position_sensitive_bins_read_their_own_channel() -> None:
    fields = "psroi_pooling_param { spatial_scale: 1 output_dim: 1 group_size: 2 }"
    x = values((1, 4, 4, 4), *(c for c in range(4) for _ in range(16)))
    run = bench("PSROIPooling", fields, x, values((1, 5), 0, 0, 0, 3, 3)).forward()
    assert run.tops[0].ravel().tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("mask", [-2.0, 16.0, np.nan])
def test_upsampling_refuses_a_mask_outside_its_plane(mask: float) -> None:
    with pytest.raises(NetError) as error:
        bench("Upsample", "", Input((1, 1, 2, 2)), values((1, 1, 2, 2), 0, 2, mask, 5)).forward()
    assert codes(error) == ["RUN320"]


def test_default_boxes_are_those_of_ssd300() -> None:
    """The first and last boxes of SSD300's conv4_3_norm_mbox_priorbox, worked out by hand."""
    fields = (
        "prior_box_param { min_size: 30 max_size: 60 aspect_ratio: 2 step: 8 variance: 0.1 variance: 0.1 variance: 0.2 "
        "variance: 0.2 }"
    )
    run = bench("PriorBox", fields, Input((1, 1, 38, 38)), Input((1, 3, 300, 300))).forward()
    boxes, variances = run.tops[0].reshape(2, -1, 4)
    assert len(boxes) == 38 * 38 * 4
    large, wide, high = 1800**0.5, 30 * 2**0.5, 30 / 2**0.5
    for box, (w, h) in zip(boxes, ((30, 30), (large, large), (wide, high), (high, wide)), strict=False):
        assert np.allclose(box, np.array([4 - w / 2, 4 - h / 2, 4 + w / 2, 4 + h / 2]) / 300)
    assert np.allclose(boxes[-4], np.array([285, 285, 315, 315]) / 300)
    assert (variances == [0.1, 0.1, 0.2, 0.2]).all()


def test_detections_suppress_what_overlaps_a_better_one() -> None:
    priors = (0.1, 0.1, 0.4, 0.4, 0.11, 0.1, 0.41, 0.4, 0.5, 0.5, 0.9, 0.9)
    fields = "detection_output_param { num_classes: 2 confidence_threshold: 0.2 nms_param { nms_threshold: 0.45 } }"
    run = bench(
        "DetectionOutput",
        fields,
        values((1, 12), *(0,) * 12),
        values((1, 6), 0.2, 0.8, 0.1, 0.9, 0.7, 0.3),
        values((1, 2, 12), *priors, *(0.1,) * 12),
        phase="TEST",
    ).forward()
    rows = run.tops[0].reshape(-1, 7)[: run.call.resized[0][2]]
    expected = [[0, 1, 0.9, 0.11, 0.1, 0.41, 0.4], [0, 1, 0.3, 0.5, 0.5, 0.9, 0.9]]
    assert np.allclose(rows, expected)


def test_no_detection_is_one_row_an_image() -> None:
    fields = "detection_output_param { num_classes: 2 confidence_threshold: 2 }"
    priors = values((1, 2, 4), 0, 0, 1, 1, 1, 1, 1, 1)
    bottoms = (values((2, 4), *(0,) * 8), values((2, 2), 0, 1, 0, 1), priors)
    run = bench("DetectionOutput", fields, *bottoms, phase="TEST").forward()
    assert run.call.resized[0] == (1, 1, 2, 7)
    assert run.tops[0].reshape(-1, 7)[:2].tolist() == [[0, *[-1] * 6], [1, *[-1] * 6]]


def test_proposals_are_the_best_anchors_cut_at_the_image() -> None:
    """One anchor a cell: base 16, ratio 1, scale 1 is the box (0, 0, 15, 15) moved by 16 a cell."""
    run = bench(
        "Proposal",
        "proposal_param { ratio: 1 scale: 1 min_size: 4 }",
        values((1, 2, 1, 2), 0, 0, 0.3, 0.6),
        values((1, 4, 1, 2), *(0,) * 8),
        values((1, 3), 14, 30, 1),
        tops=2,
        phase="TEST",
    ).forward()
    assert run.call.resized == {0: (2, 5), 1: (2,)}
    assert run.tops[0].tolist() == [[0, 16, 0, 29, 13], [0, 0, 0, 16, 13]]
    assert np.allclose(run.tops[1].ravel(), [0.6, 0.3])


@pytest.mark.parametrize(
    "row",
    [
        (2, 1, 0, 0.1, 0.1, 0.4, 0.4, 0),
        (0, 3, 0, 0.1, 0.1, 0.4, 0.4, 0),
        (0, 0, 0, 0.1, 0.1, 0.4, 0.4, 0),
        (0, 1, 0, 0.4, 0.1, 0.4, 0.4, 0),
        (0, 1, 0, np.nan, 0.1, 0.4, 0.4, 0),
    ],
)
def test_a_true_box_that_cannot_be_is_refused(row: tuple[float, ...]) -> None:
    with pytest.raises(NetError) as error:
        bench(
            "MultiBoxLoss",
            "multibox_loss_param { num_classes: 3 code_type: CENTER_SIZE }",
            Input((2, 4)),
            Input((2, 3)),
            values((1, 2, 4), 0.1, 0.1, 0.5, 0.5, 0.1, 0.1, 0.2, 0.2),
            values((1, 1, 1, 8), *row),
        ).forward()
    assert codes(error) == ["RUN323"]


def test_multi_box_loss_of_one_match() -> None:
    """One prior that is its true box: no offset loss but that of the prediction, and the class's softmax loss."""
    run = bench(
        "MultiBoxLoss",
        "multibox_loss_param { num_classes: 2 code_type: CENTER_SIZE }",
        values((1, 8), 0.5, 0, 0, 2, 0, 0, 0, 0),
        values((1, 4), 0, 1, 3, 0),
        values((1, 2, 8), 0.1, 0.1, 0.5, 0.5, 0.6, 0.6, 0.9, 0.9, *(0.1,) * 8),
        values((1, 1, 1, 8), 0, 1, 0, 0.1, 0.1, 0.5, 0.5, 0),
    ).forward()
    offsets = 0.5 * 0.5**2 + (2 - 0.5)
    confidences = np.log1p(np.exp(-1)) + np.log1p(np.exp(-3))
    assert np.isclose(run.tops[0], offsets + confidences)
