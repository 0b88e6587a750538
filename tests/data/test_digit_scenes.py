"""Scenes of digits: what is in them is what their answers say, the same for everybody."""

import numpy as np
import pytest

from netc.data import open_source
from netc.data.digits import split
from tests.data.common import Array, batches, layer, read, same


def scenes(fields: str, more: str = "") -> list[Array]:
    return read(layer("DigitScenes", f"digit_scenes_param {{ {fields} }} {more}"))[0]


def ink(scene: Array, row: Array) -> Array:
    height, width = scene.shape
    left, top, right, bottom = np.round(row[3:7] * [width, height, width, height]).astype(int)
    return scene[top:bottom, left:right]


def test_boxes_are_tight_around_ink() -> None:
    images, answers = scenes("batch_size: 20 noise: 0 digits: 3 height: 40 width: 56")
    assert images.shape == (20, 1, 40, 56)
    assert answers.shape == (1, 1, 60, 8)
    rows = [row for row in answers[0, 0] if row[0] >= 0]
    assert {int(row[0]) for row in rows} == set(range(20))
    assert {int(row[1]) for row in rows} == set(range(1, 11))
    left = images.copy()
    for row in rows:
        inside = ink(images[int(row[0]), 0], row)
        for edge in (inside[0], inside[-1], inside[:, 0], inside[:, -1]):
            assert edge.max() >= 64
        ink(left[int(row[0]), 0], row)[...] = 0
    assert left.max() < 64


def test_classes_of_pixels_are_those_of_boxes() -> None:
    fields = 'batch_size: 12 noise: 0 split: "test"'
    images, boxes = scenes(fields)
    again, classes = scenes(f"{fields} answer: CLASSES")
    np.testing.assert_array_equal(images, again)
    np.testing.assert_array_equal(classes > 0, images >= 64)
    for row in (row for row in boxes[0, 0] if row[0] >= 0):
        assert set(np.unique(ink(classes[int(row[0]), 0], row))) <= {0, row[1]}


def test_a_digit_as_large_as_the_scene_is_that_of_the_data() -> None:
    images, classes = scenes("batch_size: 30 noise: 0 height: 8 width: 8 smallest: 8 largest: 8 digits: 1")
    known, labels = split("train")
    for image, row in zip(images, classes[0, 0], strict=True):
        same = np.flatnonzero((np.abs(known * (255 / 16) - image) < 1e-3).all((1, 2, 3)))
        assert int(row[1]) - 1 in labels[same]


def test_noise_scale_and_mean() -> None:
    clean, _ = scenes("batch_size: 8 noise: 0")
    noisy, _ = scenes("batch_size: 8 noise: 20")
    assert 15 < np.std((noisy - clean)[(clean > 60) & (clean < 190)]) < 25
    assert (noisy.min(), noisy.max()) == (0, 255)
    small, _ = scenes("batch_size: 8 noise: 0", "transform_param { mean_value: 100 scale: 0.5 }")
    np.testing.assert_allclose(small, (clean - 100) / 2)


def test_the_walk_goes_on_after_a_restart() -> None:
    record = layer("DigitScenes", "digit_scenes_param { batch_size: 3 scenes: 7 shuffle: true }")
    first, second = (open_source(record, "TRAIN", 1) for _ in range(2))
    batches(first, 2)
    second.restore(first.state())
    assert same(batches(first, 5), batches(second, 5))


@pytest.mark.parametrize("seed", [0, 5])
def test_scenes_do_not_depend_on_the_seed(seed: int) -> None:
    record = layer("DigitScenes", "digit_scenes_param { batch_size: 2 }")
    np.testing.assert_array_equal(read(record, seed=seed)[0][0], read(record)[0][0])
