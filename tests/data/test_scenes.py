"""The scenes source: what stands in a scene is what its truth says."""

from __future__ import annotations

import numpy as np
import pytest

from netc.data import open_source, probe
from netc.data.digits import split
from netc.data.scenes import COUNTS, INK, Ground, scene
from netc.schema.record import Record
from tests.data.common import batches, layer, read, refused, same


def record(fields: str, tops: tuple[str, ...] = ("data", "truth")) -> Record:
    return layer("Scenes", f"scenes_param {{ {fields} }}", tops)


def test_boxes_are_around_the_ink_and_apart() -> None:
    ((pixels, rows),) = read(record("batch_size: 40 noise: 0 most: 4"))
    assert pixels.shape == (40, 1, 48, 48)
    boxes = rows.reshape(-1, 8)
    count = int((boxes[:, 0] >= 0).sum())
    assert (boxes[count:] == -1).all()
    boxes = boxes[:count]
    assert sorted(set(boxes[:, 0])) == list(range(40))
    assert set(boxes[:, 1]) == set(range(1, 11))
    assert (boxes[:, 7] == 0).all()
    for item in range(40):
        mine = boxes[boxes[:, 0] == item]
        assert mine[:, 2].tolist() == list(range(len(mine)))
        ink, left = pixels[item, 0] > INK, pixels[item, 0].copy()
        for _, _, _, x1, y1, x2, y2, _ in np.round(mine * [1, 1, 1, 48, 48, 48, 48, 1]).astype(int):
            part = ink[y1:y2, x1:x2]
            assert part[0].any() and part[-1].any() and part[:, 0].any() and part[:, -1].any()  # noqa: PT018
            assert not (left[y1:y2, x1:x2] < 0).any()
            left[y1:y2, x1:x2] = -1
        assert not (left > INK).any()


def test_marks_are_the_classes_of_the_ink() -> None:
    ((pixels, marks),) = read(record("batch_size: 30 noise: 0 truth: PIXELS"))
    ((_, rows),) = read(record("batch_size: 30 noise: 0"))
    np.testing.assert_array_equal(marks > 0, pixels > INK)
    for item, label, _, x1, y1, x2, y2, _ in rows.reshape(-1, 8)[rows.reshape(-1, 8)[:, 0] >= 0]:
        part = marks[int(item), 0, round(y1 * 48) : round(y2 * 48), round(x1 * 48) : round(x2 * 48)]
        assert set(np.unique(part)) <= {0, label}


def test_a_scene_is_a_function_of_its_number() -> None:
    ground = Ground("test", 32, 40, 1, 2, 8, 16, 0.1)
    first, again = scene(ground, 3), scene(ground, 3)
    np.testing.assert_array_equal(first.pixels, again.pixels)
    assert (first.pixels != scene(ground, 4).pixels).any()
    assert first.pixels.shape == (32, 40)
    assert first.pixels.min() >= 0 and first.pixels.max() <= 1  # noqa: PT018
    images, _ = split("test")
    assert len(images) < COUNTS["test"]  # each digit stands in some scene


def test_the_noise_has_its_spread() -> None:
    ground = Ground("train", 200, 200, 1, 1, 8, 8, 0.05)
    empty = np.concatenate([scene(ground, n).pixels[scene(ground, n).marks == 0] for n in range(3)])
    assert np.sqrt((empty[empty > 0] ** 2).mean()) == pytest.approx(0.05, rel=0.1)


@pytest.mark.parametrize("shuffle", ["true", "false"])
def test_parts_and_resuming(shuffle: str) -> None:
    fields = f'batch_size: 7 split: "test" first: 490 shuffle: {shuffle}'
    source = open_source(record(fields), "TRAIN", 3)
    batches(source, 4)
    other = open_source(record(fields), "TRAIN", 3)
    other.restore(source.state())
    assert same(batches(other, 2), batches(source, 2))
    assert refused(open_source, record('batch_size: 7 split: "test" first: 500'), "TRAIN", 3).code.id == "DAT030"


def test_shapes_are_known_without_drawing() -> None:
    assert probe(record("batch_size: 5 most: 4"), "TRAIN") == ((5, 1, 48, 48), (1, 1, 20, 8))
    assert probe(record("batch_size: 5 truth: PIXELS width: 64", ("data",)), "TRAIN") == ((5, 1, 48, 64),)
