"""WindowData: windows of images drawn, warped and labelled as Caffe does it."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from netc.data import open_source, probe
from netc.data.images import encode_image
from netc.data.resize import resize
from netc.data.window_data import Warp, warp
from netc.schema.weights_write import write_blob
from tests.data.common import batches, images, layer, read, refused, same

PIXELS = images(2, (20, 30, 3))
FILE = """# 0
{folder}/0.png
3
20
30
3
2 0.9 3 4 12 15
5 0.7 0 0 29 19
0 0.1 1 1 6 6
# 1
{folder}/1.png
3 20 30
2
1 0.5 10 10 19 19
0 0.2 5 5 9 9
"""


@pytest.fixture
def windows(tmp_path: Path) -> Path:
    for number, pixels in enumerate(PIXELS):
        (tmp_path / f"{number}.png").write_bytes(encode_image(pixels, "png"))
    path = tmp_path / "windows.txt"
    path.write_text(FILE.format(folder=tmp_path))
    return path


def data(source: Path, more: str = "", transform: str = "", crop: int = 6) -> object:
    fields = f'window_data_param {{ source: "{source}" batch_size: 8 {more} }}'
    return layer("WindowData", f"{fields} transform_param {{ crop_size: {crop} {transform} }}")


def test_background_first_then_foreground(windows: Path) -> None:
    assert probe(data(windows), "TRAIN") == ((8, 3, 6, 6), (8,))
    found = read(data(windows, "fg_fraction: 0.5"), 10)
    for _, label in found:
        assert label[:4].tolist() == [0] * 4
        assert set(label[4:].astype(int)) <= {1, 2, 5}
    assert {int(n) for _, label in found for n in label} == {0, 1, 2, 5}
    assert (read(data(windows))[0][1] > 0).sum() == 2, "a quarter by default"


def test_windows_are_cut_and_warped(windows: Path) -> None:
    candidates = [resize(PIXELS[i][y1 : y2 + 1, x1 : x2 + 1], 6, 6) for i, x1, y1, x2, y2 in (
        (0, 3, 4, 12, 15), (0, 0, 0, 29, 19), (0, 1, 1, 6, 6), (1, 10, 10, 19, 19), (1, 5, 5, 9, 9)
    )]  # fmt: skip
    flipped = 0
    for image, _ in read(data(windows, "fg_fraction: 0.5", "mirror: true mean_value: 9 scale: 0.5"), 5):
        for item in image:
            pixels = (item / np.float32(0.5) + 9).transpose(1, 2, 0)
            straight = any(np.array_equal(pixels, c) for c in candidates)
            assert straight or any(np.array_equal(pixels[:, ::-1], c) for c in candidates)
            flipped += not straight
    assert 5 < flipped < 35


def test_warping_with_context() -> None:
    box = (10, 10, 19, 19)
    assert warp(box, 30, 30, crop=8, pad=0, square=False, mirror=False) == Warp(box, 8, 8, 0, 0)
    assert warp(box, 30, 30, crop=8, pad=2, square=False, mirror=False) == Warp((5, 5, 25, 25), 8, 8, 0, 0)
    # 20 pixels around a corner: the part outside of the image stays empty
    corner = warp((0, 0, 9, 9), 30, 30, crop=8, pad=2, square=False, mirror=False)
    assert corner == Warp((0, 0, 15, 15), 6, 6, 2, 2)
    assert warp((20, 0, 29, 9), 30, 30, crop=8, pad=2, square=False, mirror=True).left == 2
    wide = warp((0, 10, 19, 14), 30, 30, crop=8, pad=0, square=True, mirror=False)
    assert wide.box == (0, 3, 20, 23)


def test_a_mean_image_is_cut_in_its_centre(windows: Path, tmp_path: Path) -> None:
    out = BytesIO()
    mean = np.arange(300, dtype=np.float32).reshape(1, 3, 10, 10)
    write_blob(out, mean)
    (tmp_path / "mean").write_bytes(out.getvalue())
    with_mean = read(data(windows, "", f'mean_file: "{tmp_path}/mean"'))[0][0]
    without = read(data(windows))[0][0]
    np.testing.assert_array_equal(without - mean[:, :, 2:8, 2:8], with_mean)
    record = data(windows, "", f'mean_file: "{tmp_path}/mean"', crop=11)
    assert refused(open_source, record, "TRAIN", 1).code.id == "DAT007"


def test_goes_on_from_its_state(windows: Path) -> None:
    record = data(windows, "cache_images: true context_pad: 1 crop_mode: 'square'", "mirror: true")
    source = open_source(record, "TRAIN", 3)
    batches(source, 4)
    state, expected = source.state(), batches(source, 4)
    other = open_source(record, "TRAIN", 8)
    other.restore(state)
    assert same(batches(other, 4), expected)


def test_a_missing_image_is_named(windows: Path) -> None:
    (windows.parent / "1.png").unlink()
    diagnostic = refused(read, data(windows), 5)
    assert diagnostic.code.id == "DAT002"
    assert f"{windows.parent}/1.png: it cannot be read" in diagnostic.message
    source = open_source(data(windows), "TRAIN", 1, on_bad_record="skip")
    batches(source, 3)


@pytest.mark.parametrize(
    ("old", "new", "code", "message"),
    [
        ("# 1", "1", "DAT009", 'after 3 windows: "#" and the number of an image are expected'),
        ("5 5 9 9\n", "5 5 9", "DAT009", "after 3 windows: the file ends too early"),
        ("10 10 19 19", "10 10 19 20", "DAT009", "the window 10 10 19 20 is not inside"),
        ("1 0.5", "one 0.5", "DAT009", "invalid literal"),
        ("1 0.5", "0 0.5", "DAT009", "classes count from 1"),
    ],
)
def test_window_files_that_make_no_sense(windows: Path, old: str, new: str, code: str, message: str) -> None:
    windows.write_text(windows.read_text().replace(old, new))
    diagnostic = refused(open_source, data(windows), "TRAIN", 1)
    assert diagnostic.code.id == code
    assert message in diagnostic.message


def test_what_cannot_be_drawn(windows: Path) -> None:
    assert refused(open_source, data(windows, "fg_threshold: 0.95"), "TRAIN", 1).code.id == "DAT011"
    assert refused(open_source, data(windows, "context_pad: 3"), "TRAIN", 1).code.id == "DAT006"
    assert refused(open_source, data(windows.parent / "no.txt"), "TRAIN", 1).code.id == "DAT016"
