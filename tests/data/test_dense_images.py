"""DenseImageData: images and labels that are resized, cropped and mirrored alike; bad pairs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from netc.data import open_source, probe
from netc.data.images import encode_image
from netc.data.resize import resize
from netc.errors import NetError
from netc.schema.record import Record
from tests.data.common import batches, images, layer, read, refused, same

SIZE = (8, 10)
PIXELS = images(4, (*SIZE, 3))
LABELS = (PIXELS[..., 0] % 7).astype(np.uint8)


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    """A list of four images and their labels."""
    lines = []
    for i, (pixels, labels) in enumerate(zip(PIXELS, LABELS, strict=True)):
        (tmp_path / f"image{i}.png").write_bytes(encode_image(pixels, "png"))
        (tmp_path / f"label{i}.png").write_bytes(encode_image(labels[:, :, None], "png"))
        lines.append(f"image{i}.png  label{i}.png\n")
    path = tmp_path / "train.txt"
    path.write_text("".join(lines))
    return path


def data(source: Path, more: str = "batch_size: 4", transform: str = "") -> Record:
    fields = f'dense_image_data_param {{ source: "{source}" {more} }} transform_param {{ {transform} }}'
    return layer("DenseImageData", fields)


def test_images_and_labels(listed: Path) -> None:
    ((image, label),) = read(data(listed))
    np.testing.assert_array_equal(image, PIXELS.transpose(0, 3, 1, 2))
    np.testing.assert_array_equal(label[:, 0], LABELS)
    assert probe(data(listed), "TRAIN") == ((4, 3, 8, 10), (4, 1, 8, 10))
    assert probe(data(listed, "batch_size: 2 is_color: false"), "TRAIN") == ((2, 1, 8, 10), (2, 1, 8, 10))
    assert probe(data(listed.with_name("nowhere.txt")), "TRAIN") is None


def test_means_and_scale_are_for_images_only(listed: Path) -> None:
    ((image, label),) = read(data(listed, transform="mean_value: 100 scale: 0.5"))
    np.testing.assert_array_equal(image, (PIXELS.transpose(0, 3, 1, 2).astype(np.float32) - 100) / 2)
    np.testing.assert_array_equal(label[:, 0], LABELS)


def test_labels_are_resized_by_taking_the_nearest(listed: Path) -> None:
    ((image, label),) = read(data(listed, "batch_size: 4 new_height: 4 new_width: 15"))
    np.testing.assert_array_equal(image[1], resize(PIXELS[1], 4, 15).transpose(2, 0, 1))
    rows, columns = np.arange(4) * 2, (np.arange(15) * 10 / 15).astype(int)
    np.testing.assert_array_equal(label[1, 0], LABELS[1][rows[:, None], columns])


def test_labels_of_a_part_of_the_size(listed: Path) -> None:
    more = "batch_size: 4 new_height: 16 new_width: 20 label_divide_factor: 4"
    assert probe(data(listed, more), "TRAIN") == ((4, 3, 16, 20), (4, 1, 4, 5))
    ((_, label),) = read(data(listed, more))
    np.testing.assert_array_equal(label[2, 0], LABELS[2][::2, ::2])


@pytest.mark.parametrize(
    ("more", "transform"), [("", "mirror: true crop_size: 5"), ("mirror: true", "crop_h: 3 crop_w: 7"), ("", "")]
)
def test_labels_follow_their_image(tmp_path: Path, more: str, transform: str) -> None:
    """Images whose first channel is the label show whether both were cropped and mirrored alike."""
    for i in range(3):
        pixels = np.stack([LABELS[i], np.zeros_like(LABELS[i]), np.zeros_like(LABELS[i])], 2)
        (tmp_path / f"{i}.png").write_bytes(encode_image(pixels, "png"))
        (tmp_path / f"{i}l.png").write_bytes(encode_image(LABELS[i][:, :, None], "png"))
    path = tmp_path / "list.txt"
    path.write_text("".join(f"{i}.png {i}l.png\n" for i in range(3)))
    found = read(data(path, f"batch_size: 3 {more}", transform), 4)
    assert len({image.tobytes() for image, _ in found}) == (4 if transform else 1)
    for image, label in found:
        np.testing.assert_array_equal(image[:, 0], label[:, 0])


def test_shuffled_and_resumed(listed: Path) -> None:
    record = data(listed, "batch_size: 3 shuffle: true", "mirror: true crop_size: 6")
    first = open_source(record, "TRAIN", 5)
    batches(first, 3)
    state = first.state()
    wanted = batches(first, 3)
    second = open_source(record, "TRAIN", 5)
    second.restore(state)
    assert same(batches(second, 3), wanted)
    assert not same(read(record, 3, seed=6), read(record, 3, seed=5))


@pytest.mark.parametrize(
    ("transform", "more", "message"),
    [
        ("rotation: 5", "", "rotation would move the image"),
        ("resize_param { height: 5 width: 5 }", "", "resize_param would move the image"),
        ("crop_size: 4", "label_divide_factor: 2", "labels of another size cannot be cropped alike"),
    ],
)
def test_what_labels_cannot_follow(listed: Path, transform: str, more: str, message: str) -> None:
    diagnostic = refused(open_source, data(listed, f"batch_size: 4 {more}", transform), "TRAIN", 1)
    assert diagnostic.code.id == "DAT006"
    assert message in diagnostic.message


def test_lines_that_make_no_sense(listed: Path) -> None:
    listed.write_text("image0.png label0.png\nimage1.png\nimage2.png label2.png 5\n\n")
    with pytest.raises(NetError) as caught:
        open_source(data(listed), "TRAIN", 1)
    found = caught.value.diagnostics
    assert [d.code.id for d in found] == ["DAT009", "DAT009"]
    assert "line 2 of" in found[0].message
    assert "it has 1 word; it needs the path of an image" in found[0].message


def palette(path: Path) -> None:
    image = Image.fromarray(LABELS[2], "P")
    image.putpalette([value for i in range(256) for value in (i, 255 - i, 7)])
    image.save(path)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda path: path.unlink(), "it cannot be read"),
        (lambda path: path.write_bytes(b"junk"), "not an image that can be decoded"),
        (lambda path: path.write_bytes(encode_image(PIXELS[0], "png")), "an image with colours"),
        (palette, "an image with a palette"),
        (lambda path: path.write_bytes(encode_image(LABELS[2][:5, :, None], "png")), "they are 5 x 10, the image is 8"),
    ],
)
def test_bad_labels(listed: Path, spoil: object, reason: str) -> None:
    bad = listed.with_name("label2.png")
    spoil(bad)  # type: ignore[operator]
    source = open_source(data(listed), "TRAIN", 1)
    diagnostic = refused(batches, source, 1)
    assert diagnostic.code.id == "DAT002"
    assert "image2.png: its labels" in diagnostic.message
    assert reason in diagnostic.message
    skipping = open_source(data(listed, "batch_size: 3"), "TRAIN", 1, on_bad_record="skip")
    ((_, label),) = batches(skipping, 1)
    np.testing.assert_array_equal(label[:, 0], LABELS[[0, 1, 3]])


def test_grey_labels_saved_in_three_channels(listed: Path) -> None:
    three = np.repeat(LABELS[2][:, :, None], 3, axis=2)
    listed.with_name("label2.png").write_bytes(encode_image(three, "png"))
    ((_, label),) = read(data(listed))
    np.testing.assert_array_equal(label[:, 0], LABELS)


def test_nothing_to_read(listed: Path) -> None:
    assert refused(open_source, data(listed.with_name("no.txt")), "TRAIN", 1).code.id == "DAT016"
    listed.write_text("")
    assert refused(open_source, data(listed), "TRAIN", 1).code.id == "DAT011"


@pytest.mark.parametrize("factor", [1, 2])
def test_a_batch_of_one_has_the_size_of_its_image(listed: Path, factor: int) -> None:
    large = images(1, (12, 6, 3), seed=1)[0]
    listed.with_name("image2.png").write_bytes(encode_image(large, "png"))
    listed.with_name("label2.png").write_bytes(encode_image(large[:, :, :1] % 7, "png"))
    source = open_source(data(listed, f"batch_size: 1 label_divide_factor: {factor}"), "TRAIN", 1)
    for i in range(5):
        shapes = source.upcoming()  # type: ignore[attr-defined]
        height, width = (12, 6) if i == 2 else SIZE
        assert shapes == ((1, 3, height, width), (1, 1, height // factor, width // factor))
        out = [np.full(shape, np.nan, np.float32) for shape in shapes]
        source.next(out)
        np.testing.assert_array_equal(out[0][0], (large if i == 2 else PIXELS[i % 4]).transpose(2, 0, 1))
        if factor == 1:
            np.testing.assert_array_equal(out[1][0, 0], large[:, :, 0] % 7 if i == 2 else LABELS[i % 4])


def test_a_batch_of_several_needs_one_size(listed: Path) -> None:
    listed.with_name("image2.png").write_bytes(encode_image(images(1, (12, 6, 3))[0], "png"))
    listed.with_name("label2.png").write_bytes(encode_image(images(1, (12, 6, 1))[0] % 7, "png"))
    assert refused(read, data(listed, "batch_size: 2"), 2).code.id == "DAT002"
