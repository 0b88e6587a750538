"""DetectionEvaluate: numbers worked out by hand, boxes in pixels, and rows that make no sense."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from netc.errors import NetError
from netc.kernels.sized_boxes import jaccard, output_boxes
from netc.layer import Input, Setup
from tests.layers.harness import Bench, known, site
from tests.layers.test_values import bench, call_of

# Image 0: two boxes of class 1 (the second difficult), one of class 2. Image 1: one of class 1.
TRUTH = (
    (0, 1, 0, 0.1, 0.1, 0.5, 0.5, 0),
    (0, 1, 1, 0.6, 0.6, 0.9, 0.9, 1),
    (0, 2, 0, 0.2, 0.6, 0.4, 0.8, 0),
    (1, 1, 0, 0.3, 0.3, 0.7, 0.7, 0),
    (-1,) * 8,
)
FOUND = (
    (0, 1, 0.6, 0.12, 0.1, 0.5, 0.5),  # the second to find the first box
    (0, 1, 0.9, 0.1, 0.1, 0.5, 0.52),
    (0, 1, 0.8, 0.6, 0.6, 0.9, 0.88),  # the difficult box
    (0, 2, 0.7, 0.5, 0.6, 0.7, 0.8),  # beside the box of its class
    (1, 1, 0.5, 0.3, 0.3, 0.7, 0.68),
    (2, 1, 0.4, 0.0, 0.0, 0.5, 0.5),  # an image without true boxes
    (2, 2, 0.3, 0.0, 0.0, 0.5, 0.5),
    (3, -1, -1, -1, -1, -1, -1),  # nothing was found in image 3
)


def rows(values: tuple[tuple[float, ...], ...]) -> Input:
    shape = (1, 1, len(values), len(values[0]))
    return Input(shape, "values", values=tuple(float(v) for row in values for v in row))


def evaluate(fields: str, found: object = FOUND, truth: object = TRUTH) -> Bench:
    text = f"detection_evaluate_param {{ num_classes: 3 {fields} }}"
    return bench("DetectionEvaluate", text, rows(found), rows(truth), phase="TEST")  # type: ignore[arg-type]


def test_true_and_false_positives() -> None:
    (top,) = evaluate("evaluate_difficult_gt: false").forward().tops
    assert top.shape == (1, 1, 9, 5)
    wanted = [
        (-1, 1, 2, -1, -1),  # the difficult box is not counted
        (-1, 2, 1, -1, -1),
        (0, 1, 0.9, 1, 0),
        (0, 1, 0.8, 0, 0),  # neither right nor wrong
        (0, 1, 0.6, 0, 1),
        (0, 2, 0.7, 0, 1),
        (1, 1, 0.5, 1, 0),
        (2, 1, 0.4, 0, 1),
        (2, 2, 0.3, 0, 1),
    ]
    np.testing.assert_allclose(top[0, 0], wanted)


def test_difficult_boxes_count_unless_told_otherwise() -> None:
    (top,) = evaluate("").forward().tops
    np.testing.assert_allclose(top[0, 0, 0], (-1, 1, 3, -1, -1))
    np.testing.assert_allclose(top[0, 0, 3], (0, 1, 0.8, 1, 0))


def test_the_threshold_is_reached_at_equality() -> None:
    truth = ((0, 1, 0, 0, 0, 1, 1, 0),)
    found = ((0, 1, 0.9, 0, 0, 0.5, 1),)
    (top,) = evaluate("overlap_threshold: 0.5", found, truth).forward().tops
    assert top[0, 0, 2].tolist() == pytest.approx([0, 1, 0.9, 1, 0])
    (top,) = evaluate("overlap_threshold: 0.51", found, truth).forward().tops
    assert top[0, 0, 2].tolist() == pytest.approx([0, 1, 0.9, 0, 1])


def test_in_pixels_of_the_original_images(tmp_path: Path) -> None:
    """Of 4 x 4 pixels a box of half the width is 3 x 5 pixels of 5 x 5, with its borders: more than half."""
    sizes = tmp_path / "sizes.txt"
    sizes.write_text("first 4 4\nsecond 400 400\n")
    truth = ((0, 1, 0, 0, 0, 1, 1, 0), (1, 1, 0, 0, 0, 1, 1, 0))
    found = ((0, 1, 0.9, 0, 0, 0.5, 1), (1, 1, 0.9, 0, 0, 0.5, 1))
    pixels = evaluate(f'overlap_threshold: 0.55 name_size_file: "{sizes}"', found, truth)
    call = call_of(pixels)
    assert pixels.forward(call).tops[0][0, 0, 2:, 3].tolist() == [1, 0]
    assert call.buffers["image"][0] == 0  # after the last image comes the first again


def test_sizes_that_are_not_there(tmp_path: Path) -> None:
    kind = known().types["DetectionEvaluate"]
    text = 'detection_evaluate_param { num_classes: 3 name_size_file: "nowhere.txt" }'
    given = site(kind, text, ((1, 1, 4, 7), (1, 1, 4, 8)), 1, "TEST")
    setup = kind.setup(given)
    assert isinstance(setup, Setup)
    assert setup.dynamic
    assert [d.code.id for d in given.warnings] == ["LAY330"]
    (tmp_path / "bad.txt").write_text("name only\n")
    text = text.replace("nowhere.txt", str(tmp_path / "bad.txt"))
    with pytest.raises(NetError, match="not a name, a height and a width"):
        kind.setup(site(kind, text, ((1, 1, 4, 7), (1, 1, 4, 8)), 1, "TEST"))


@pytest.mark.parametrize(
    ("found", "truth", "message"),
    [
        (((0, 0, 0.9, 0, 0, 1, 1),), TRUTH, "detection 0 is (0, 0, 0.9, 0, 0, 1, 1)"),
        (((0, 3, 0.9, 0, 0, 1, 1),), TRUTH, "detection 0"),
        (FOUND, ((0, 1, 0, 0, 0, 1, 1, 0), (0, np.nan, 0, 0, 0, 1, 1, 0)), "true box 1"),
        (((np.nan, 1, 0.9, 0, 0, 1, 1),), TRUTH, "detection 0"),
    ],
)
def test_rows_that_make_no_sense(found: object, truth: object, message: str) -> None:
    with pytest.raises(NetError) as caught:
        evaluate("", found, truth).forward()
    assert caught.value.diagnostics[0].code.id == "RUN324"
    assert message in caught.value.diagnostics[0].message


def test_overlaps() -> None:
    a = np.array([[0, 0, 2, 2], [0, 0, -1, 5]], float)
    b = np.array([[1, 1, 3, 3], [2, 0, 4, 2], [5, 5, 6, 6]], float)
    np.testing.assert_allclose(jaccard(a, b, pixels=False), np.array([[1 / 7, 0, 0], [0, 0, 0]]))
    # 3 x 3 pixels each; the second shares a column of three; the third, apart, counts as one pixel of 9 + 4 - 1
    np.testing.assert_allclose(jaccard(a, b, pixels=True)[0], np.array([4 / 14, 3 / 15, 1 / 12]))


def test_boxes_in_the_original_image() -> None:
    box = np.array([[0.25, 0.5, 1.5, 0.75]], np.float32)

    def resized(mode: str, **more: int) -> list[float]:
        resize = SimpleNamespace(**{"resize_mode": mode, "height": 100, "width": 100, "height_scale": 0, **more})
        out: list[float] = output_boxes(box, (100, 200), resize)[0].tolist()
        return out

    assert output_boxes(box, (100, 200))[0].tolist() == [50, 50, 200, 75]
    assert resized("WARP") == [50, 50, 200, 75]
    assert resized("FIT_SMALL_SIZE") == [50, 50, 200, 75]
    assert resized("FIT_SMALL_SIZE", height_scale=120, width_scale=240) == [60, 60, 200, 90]
    # an image twice as wide as high has a quarter of padding above and below
    assert resized("FIT_LARGE_SIZE_AND_PAD") == [50, 50, 200, 100]
    tall = output_boxes(box, (200, 100), SimpleNamespace(resize_mode="FIT_LARGE_SIZE_AND_PAD", height=100, width=100))
    assert tall[0].tolist() == [0, 100, 100, 150]
