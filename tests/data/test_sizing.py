"""SSD's resize_param and noise_param: OpenCV's interpolations by their formulas, modes, and boxes."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from netc.data.interpolate import interpolate
from netc.data.sizing import Sizing
from netc.data.spoil import Spoiling
from tests.data.common import images

IMAGE = images(1, (9, 14, 3))[0]
MODES = ("NEAREST", "LINEAR", "AREA", "CUBIC", "LANCZOS4")


def fields(**values: object) -> Sizing:
    usual = {"resize_mode": "WARP", "height": 30, "width": 60, "interp_mode": (), "pad_mode": "CONSTANT"}
    more = {"pad_value": (), "height_scale": 0, "width_scale": 0}
    return Sizing(SimpleNamespace(**{**usual, **more, **values}))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [(4, 7), (18, 28), (5, 28), (18, 7), (1, 1), (9, 14), (13, 5)])
def test_flat_images_stay_flat(mode: str, size: tuple[int, int]) -> None:
    flat = np.full((9, 14, 2), 200, np.uint8)
    found = interpolate(flat, *size, mode)
    assert found.shape == (*size, 2)
    assert (found == 200).all()
    floats = interpolate(flat.astype(np.float32), *size, mode)
    np.testing.assert_allclose(floats, 200, rtol=1e-6)


def test_area_averages_what_is_covered() -> None:
    """Of 9 rows and 14 columns, 2.25 x 3.5 are in each output pixel."""
    found = interpolate(IMAGE, 4, 4, "AREA")
    for i, (top, bottom) in enumerate(pairwise(np.arange(5) * 2.25)):
        for j, (left, right) in enumerate(pairwise(np.arange(5) * 3.5)):
            rows = np.clip(np.minimum(np.arange(9) + 1, bottom) - np.maximum(np.arange(9), top), 0, None)
            columns = np.clip(np.minimum(np.arange(14) + 1, right) - np.maximum(np.arange(14), left), 0, None)
            mean = np.einsum("r,c,rcb->b", rows, columns, IMAGE.astype(float)) / (2.25 * 3.5)
            np.testing.assert_allclose(found[i, j], mean, atol=0.51)


def test_area_mixes_where_a_side_grows() -> None:
    line = np.array([[[10], [20], [40]]], np.uint8)
    assert interpolate(line, 1, 6, "AREA").ravel().tolist() == [10, 10, 20, 20, 40, 40]
    assert interpolate(line, 1, 4, "AREA").ravel().tolist() == [10, 17, 27, 40]


def weight(mode: str, distance: float) -> float:
    """The filters as they are defined: Keys' with a = -0.75, and sinc windowed by sinc."""
    d, a = abs(distance), -0.75
    if mode == "LANCZOS4":
        return float(np.sinc(d) * np.sinc(d / 4)) if d < 4 else 0.0
    if d < 1:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1
    return a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a if d < 2 else 0.0


@pytest.mark.parametrize("mode", ["CUBIC", "LANCZOS4"])
def test_filters(mode: str) -> None:
    line = IMAGE[:1]
    found = interpolate(np.repeat(line, 9, axis=0), 9, 31, mode)[4].astype(int)
    for j in range(31):
        place = (j + 0.5) * 14 / 31 - 0.5
        near = np.arange(int(np.floor(place)) - 5, int(np.floor(place)) + 7)
        weights = np.array([weight(mode, place - n) for n in near])
        values = line[0, np.clip(near, 0, 13)].astype(float)
        wanted = np.clip((weights[:, None] * values).sum(0) / weights.sum(), 0, 255)
        assert np.abs(found[j] - wanted).max() <= 1.0


def test_fit_small_size_covers_what_is_wanted() -> None:
    sizing = fields(resize_mode="FIT_SMALL_SIZE")
    assert sizing.size(100, 100) == (60, 60)
    assert sizing.size(100, 400) == (30, 120)
    assert sizing(IMAGE, None).shape == (38, 60, 3)


def test_fit_large_size_pads() -> None:
    image = np.full((10, 60, 3), 9, np.uint8)  # six times as wide as high: 10 of 30 rows
    out = fields(resize_mode="FIT_LARGE_SIZE_AND_PAD", pad_value=(1, 2, 3))(image, None)
    assert out.shape == (30, 60, 3)
    assert (out[10:20] == 9).all()
    assert (out[:10] == [1, 2, 3]).all()
    assert (out[20:] == [1, 2, 3]).all()
    tall = fields(resize_mode="FIT_LARGE_SIZE_AND_PAD", pad_mode="REPEAT_NEAREST")(image.transpose(1, 0, 2), None)
    assert (tall == 9).all()
    mirrored = fields(resize_mode="FIT_LARGE_SIZE_AND_PAD", pad_mode="MIRRORED")(IMAGE, None)
    assert mirrored.shape == (30, 60, 3)
    np.testing.assert_array_equal(mirrored[:, 6], mirrored[:, 8])


def test_boxes_follow() -> None:
    boxes = np.array([[0.25, 0.5, 0.75, 1.0], [-0.5, 0.0, 0.5, 1.5]], np.float32)
    np.testing.assert_allclose(fields().boxes(boxes, 10, 60), [[0.25, 0.5, 0.75, 1], [0, 0, 0.5, 1]])
    padded = fields(resize_mode="FIT_LARGE_SIZE_AND_PAD")
    thirds = [[0.25, 0.5, 0.75, 2 / 3], [0, 1 / 3, 0.5, 2 / 3]]
    np.testing.assert_allclose(padded.boxes(boxes, 10, 60), thirds, rtol=1e-6)
    columns = [[0.4375, 0.5, 0.5625, 1.0], [0.375, 0.0, 0.5, 1.0]]  # a quarter of the width is used
    np.testing.assert_allclose(padded.boxes(boxes, 60, 30), columns, rtol=1e-6)


def test_boxes_of_a_crop_in_units_of_the_scale() -> None:
    crop = np.array([0, 0, 0.5, 1], np.float32)
    boxes = np.array([[0.1, 0.2, 0.5, 1.0]], np.float32)
    sizing = fields(resize_mode="FIT_SMALL_SIZE", height_scale=15, width_scale=20)
    np.testing.assert_allclose(sizing.scaled_back(boxes, 30, 120, crop), [[0.3, 0.4, 1.5, 2.0]], rtol=1e-6)
    np.testing.assert_array_equal(fields().scaled_back(boxes, 30, 120, crop), boxes)


def spoilt(**values: object) -> np.ndarray:
    usual = dict.fromkeys(("decolorize", "posterize", "inverse", "saltpepper"), False)
    return Spoiling(SimpleNamespace(**{"jpeg": -1, **usual, **values}))(IMAGE, None)


def test_noise() -> None:
    np.testing.assert_array_equal(spoilt(inverse=True), 255 - IMAGE)
    assert set(spoilt(posterize=True).ravel().tolist()) == {32, 96, 160, 224}
    grey = spoilt(decolorize=True)
    assert (grey == grey[:, :, :1]).all()
    np.testing.assert_allclose(grey[:, :, 0], IMAGE @ [0.114, 0.587, 0.299], atol=0.6)
    assert spoilt(jpeg=50).shape == IMAGE.shape
    assert (spoilt(jpeg=50) != IMAGE).any()
