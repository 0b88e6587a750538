"""Predictions as pictures: the pixels of boxes, of coloured classes and of generated images."""

from __future__ import annotations

import numpy as np
import pytest

from netc.api.drawn import colour, drawn, enlarged
from netc.api.outputs import Output
from netc.api.predict import Prediction
from netc.api.preprocess import Preprocessing, undone

COLUMNS = ("image", "class", "confidence", "xmin", "ymin", "xmax", "ymax")
GREY = np.full((32, 64, 3), 90, np.uint8)


def pictures(kind: Output, values: list[object] | np.ndarray, picture: np.ndarray | None = GREY) -> np.ndarray:
    array = np.asarray(values, np.float32)
    (found,) = drawn(Prediction("a.png", {"y": array}, kinds={"y": kind}, picture=picture), ["none", "cat", "dog"])
    return found[1]


def test_boxes_are_drawn_where_they_are() -> None:
    """Shares of the image; the frame has the class's colour, the name stands in its corner."""
    made = pictures(Output("rows", columns=COLUMNS), [[0, 2, 0.75, 0.25, 0.5, 0.75, 1.0]])
    assert made.shape == (256, 512, 3)
    ink = colour(2)
    for x, y in ((128, 200), (384, 200), (300, 255)):
        assert tuple(made[y, x]) == ink, (x, y)
    assert tuple(made[64, 64]) == tuple(made[230, 300]) == (90, 90, 90)
    label = made[129:140, 129:170].reshape(-1, 3)
    assert ink in {tuple(map(int, pixel)) for pixel in label}
    assert label.min(axis=1).max() > 150  # and white letters, whose edges are smooth
    regions = pictures(Output("rows", columns=("image", "x1", "y1", "x2", "y2")), [[0, 16, 8, 48, 24]])
    assert tuple(regions[100, 128]) == colour(1)
    assert tuple(regions[64, 300]) == colour(1)


def test_names_of_boxes_stand_apart() -> None:
    """Three boxes in one place, the last at the picture's edge: each name keeps a ground of its own colour."""
    place = [0.25, 0.5, 0.75, 1.0]
    names = ["none", *(f"thing {n}" for n in range(1, 7))]
    rows = np.array([[0, n, 0.1 * n, *place] for n in range(1, 7)], np.float32)
    kind = Output("rows", columns=COLUMNS)
    (found,) = drawn(Prediction("a.png", {"y": rows}, kinds={"y": kind}, picture=GREY), names)
    grounds = {n: int((found[1] == colour(n)).all(axis=2).sum()) for n in range(1, 7)}
    frame = 2 * (256 + 128 + 256 + 128)
    assert min(grounds[n] for n in range(1, 6)) > 200, grounds  # their frames lie under the surest one's
    assert grounds[6] > frame // 2
    alone = pictures(kind, [[0, 2, 0.75, 0.9, 0.9, 1.2, 1.2]])
    assert (alone == colour(2)).all(axis=2).sum() > 200  # the name of a box at the edge is in the picture


def test_classes_lie_over_the_picture() -> None:
    scores = np.zeros((3, 2, 2), np.float32)
    scores[[0, 1, 2, 2], [0, 0, 1, 1], [0, 1, 0, 1]] = 1
    made = pictures(Output("map", meaning="probabilities"), scores)
    for at, number in (((10, 10), 0), ((10, 500), 1), ((250, 10), 2), ((250, 500), 2)):
        wanted = [round(0.6 * c + 0.4 * 90) for c in colour(number)]
        assert made[at].tolist() == wanted
    alone = pictures(Output("map", meaning="probabilities"), scores, None)
    assert alone[0, 255].tolist() == list(colour(1))


@pytest.mark.parametrize(
    ("values", "wanted"),
    [([0.0, 0.2, 1.0], [0, 51, 255]), ([-1.0, 0.0, 1.0], [0, 128, 255]), ([3.0, 4.0, 7.0], [0, 64, 255])],
)
def test_generated_images_keep_their_range(values: list[float], wanted: list[int]) -> None:
    made = pictures(Output("map"), np.array(values).reshape(1, 1, 3))
    assert made[0, [0, 256, 767]].tolist() == [[v] * 3 for v in wanted]
    colours = pictures(Output("map"), np.array([1.0, 0.0, 0.0]).reshape(3, 1, 1))  # blue comes first
    assert colours[0, 0].tolist() == [0, 0, 255]


def test_what_is_no_picture_is_left_out() -> None:
    kinds = {"p": Output("classes"), "v": Output(), "f": Output("map"), "r": Output("rows", columns=COLUMNS)}
    values = {name: np.zeros((4, 3, 3), np.float32) for name in "pvf"} | {"r": np.zeros((0, 7), np.float32)}
    assert list(drawn(Prediction("a.npz", values, kinds=kinds))) == []


def test_small_pictures_are_enlarged_and_colours_differ() -> None:
    assert enlarged(GREY).shape == (256, 512, 3)
    assert enlarged(GREY, 10).shape == GREY.shape
    assert len({colour(number) for number in range(256)}) == 256
    assert (colour(0), colour(1), colour(2)) == ((0, 0, 0), (128, 0, 0), (0, 128, 0))


def test_preparation_is_undone() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (6, 6, 3)).astype(np.uint8)
    how = Preprocessing(3, None, 4, np.array([10, 20, 30], np.float32).reshape(3, 1, 1), 0.5)
    how = Preprocessing(3, (6, 6), 4, how.mean, 0.5)
    np.testing.assert_array_equal(undone(how, how(picture, (3, 4, 4))), picture[1:5, 1:5, ::-1])
