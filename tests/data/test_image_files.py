"""ImageData and ImageFolder: real image files, good and bad."""

import struct
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from netc.data import classes, open_source, probe
from netc.data.bad import BadRecordError
from netc.data.images import decode_image, encode_image, read_image
from netc.data.lists import Listed, check_whole
from netc.data.resize import resize
from netc.errors import NetError
from tests.data.common import batches, images, layer, read, refused, same

SIZE = (6, 5)


def save(path: Path, pixels: np.ndarray) -> Path:
    """Height x width x 3, blue first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_image(pixels, path.suffix[1:]))
    return path


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    """A list of five images; the third has a space in its name."""
    lines = []
    for label, pixels in enumerate(images(5, (*SIZE, 3))):
        name = "with space.png" if label == 2 else f"{label}.png"
        save(tmp_path / "pictures" / name, pixels)
        lines.append(f"pictures/{name} {label}\n")
    path = tmp_path / "list.txt"
    path.write_text("".join(lines))
    return path


def data(source: Path, more: str = "batch_size: 5", transform: str = "") -> object:
    return layer("ImageData", f'image_data_param {{ source: "{source}" {more} }} transform_param {{ {transform} }}')


def test_images_and_labels_of_a_list(listed: Path) -> None:
    ((image, label),) = read(data(listed))
    np.testing.assert_array_equal(image, images(5, (*SIZE, 3)).transpose(0, 3, 1, 2))
    assert label.tolist() == [0, 1, 2, 3, 4]
    assert probe(data(listed), "TRAIN") == ((5, 3, 6, 5), (5,))
    assert probe(data(listed, "batch_size: 2 is_color: false new_height: 9 new_width: 8"), "TRAIN") == (
        (2, 1, 9, 8),
        (2,),
    )


def test_resized_and_cropped(listed: Path) -> None:
    ((image, _),) = read(data(listed, "batch_size: 5 new_height: 12 new_width: 9", "crop_size: 8"), phase="TEST")
    wanted = resize(images(5, (*SIZE, 3))[3], 12, 9)[2:10, 0:8]
    np.testing.assert_array_equal(image[3], wanted.transpose(2, 0, 1))


def test_root_folder_and_shuffle(listed: Path, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere" / "names.txt"
    other.parent.mkdir()
    other.write_text("".join(f"{n}.png {n}\n" for n in (0, 1, 3, 4)))
    record = data(other, f'batch_size: 4 root_folder: "{tmp_path}/pictures/" shuffle: true')
    epochs = [batch[1].tolist() for batch in read(record, 6)]
    assert all(sorted(labels) == [0, 1, 3, 4] for labels in epochs)
    assert len({tuple(labels) for labels in epochs}) > 2


def test_goes_on_from_its_state_across_epochs(listed: Path) -> None:
    record = data(listed, "batch_size: 3 shuffle: true rand_skip: 4", "mirror: true crop_size: 4 color_shift: 3")
    source = open_source(record, "TRAIN", 2)
    batches(source, 4)
    state, expected = source.state(), batches(source, 5)
    other = open_source(record, "TRAIN", 77)
    other.restore(state)
    assert same(batches(other, 5), expected)


def test_a_folder_for_each_class(tmp_path: Path) -> None:
    pixels = images(4, (*SIZE, 3))
    for name, number in (("cat/b.png", 0), ("cat/a.png", 1), ("ant/z.png", 2), ("dog/deep/c.png", 3)):
        save(tmp_path / "flowers" / name, pixels[number])
    (tmp_path / "flowers" / "cat" / "notes.txt").write_text("no image")
    record = layer("ImageFolder", f'image_folder_param {{ source: "{tmp_path}/flowers" batch_size: 4 }}')
    ((image, label),) = read(record)
    assert label.tolist() == [0, 1, 1, 2]
    np.testing.assert_array_equal(image, pixels[[2, 1, 0, 3]].transpose(0, 3, 1, 2))
    assert probe(record, "TEST") == ((4, 3, 6, 5), (4,))
    empty = layer("ImageFolder", f'image_folder_param {{ source: "{tmp_path}/flowers/ant" batch_size: 4 }}')
    assert refused(open_source, empty, "TRAIN", 1).code.id == "DAT012"


# ---------------------------------------------------------------- kinds of files


def test_gray_sixteen_bits_palette_and_cmyk(tmp_path: Path) -> None:
    gray = images(1, SIZE)[0]
    Image.fromarray(gray.astype(np.uint16) * 257).save(tmp_path / "deep.png")
    np.testing.assert_array_equal(read_image(tmp_path / "deep.png", "color"), np.repeat(gray[:, :, None], 3, 2))
    np.testing.assert_array_equal(read_image(tmp_path / "deep.png", "gray")[:, :, 0], gray)
    colours = Image.fromarray(np.full((8, 8, 3), (200, 100, 50), np.uint8))
    colours.convert("CMYK").save(tmp_path / "print.jpg", quality=100)
    assert np.abs(read_image(tmp_path / "print.jpg", "color").astype(int) - [50, 100, 200]).max() <= 3
    colours.convert("P").save(tmp_path / "palette.gif")
    assert np.abs(read_image(tmp_path / "palette.gif", "as is").astype(int) - [50, 100, 200]).max() <= 60
    colours.convert("RGBA").save(tmp_path / "clear.png")
    assert read_image(tmp_path / "clear.png", "as is").shape == (8, 8, 3)
    Image.fromarray(gray).save(tmp_path / "gray.png")
    assert read_image(tmp_path / "gray.png", "as is").shape == (*SIZE, 1)
    assert read_image(tmp_path / "gray.png", "color").shape == (*SIZE, 3)


def test_images_are_turned_as_their_camera_says(tmp_path: Path) -> None:
    image = Image.fromarray(np.zeros((4, 7, 3), np.uint8))
    exif = image.getexif()
    exif[274] = 6
    image.save(tmp_path / "turned.jpg", exif=exif)
    assert read_image(tmp_path / "turned.jpg", "color").shape == (7, 4, 3)


def huge_png() -> bytes:
    """A PNG of a hundred bytes that says it has 20,000 x 20,000 pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty (0 bytes)"),
        (b"no image at all", "it is not an image that can be decoded: cannot identify image file"),
        (None, "it cannot be read: no such file or directory"),
        (huge_png(), "it has more than 80,000,000 pixels: "),
        (encode_image(images(1, (40, 40, 3))[0], "png")[:700], "it is not an image that can be decoded: "),
        (encode_image(images(1, (7, 5, 3))[0], "png"), "it is 7 x 5, the batch 6 x 5, and there is no crop_size"),
    ],
    ids=["empty", "text", "missing", "huge", "cut", "other size"],
)
def test_a_bad_image_is_named_or_skipped(listed: Path, content: bytes | None, reason: str) -> None:
    bad = listed.parent / "pictures" / "3.png"
    bad.unlink()
    if content is not None:
        bad.write_bytes(content)
    diagnostic = refused(read, data(listed))
    assert diagnostic.code.id == "DAT002"
    name = bad if content is not None else "pictures/3.png"
    assert f"{name}: {reason}" in diagnostic.message
    source = open_source(data(listed), "TRAIN", 1, on_bad_record="skip")
    assert batches(source, 1)[0][1].tolist() == [0, 1, 2, 0, 4]


def test_skipping_is_the_same_after_a_resume(listed: Path) -> None:
    (listed.parent / "pictures" / "3.png").write_bytes(b"")
    record = data(listed, "batch_size: 2 shuffle: true", "mirror: true")
    source = open_source(record, "TRAIN", 1, on_bad_record="skip")
    batches(source, 3)
    state, expected = source.state(), batches(source, 4)
    other = open_source(record, "TRAIN", 1, on_bad_record="skip")
    other.restore(state)
    assert same(batches(other, 4), expected)


def test_all_images_missing(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("a.png 0\nb.png 1\n")
    diagnostic = refused(open_source, data(tmp_path / "list.txt"), "TRAIN", 1)
    assert diagnostic.code.id == "DAT011"
    assert "a.png: it cannot be read" in diagnostic.message or "b.png: it cannot be read" in diagnostic.message


def test_lines_that_make_no_sense_are_all_named(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("a.png 0\nb.png one\n\nnolabel\nc.png 3.x\nd.png 99999999999\n")
    record = data(path)
    with pytest.raises(NetError) as caught:
        open_source(record, "TRAIN", 1)
    messages = [d.message.partition("list.txt: ")[2] for d in caught.value.diagnostics]
    assert messages == [
        'the label "one" is not a number',
        "it needs a path, a space and a label",
        'the label "3.x" is not a number',
        "the label 99999999999 is too large: beyond 16,777,216 whole numbers are not exact as float",
    ]
    assert {d.code.id for d in caught.value.diagnostics} == {"DAT009"}


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("0.png 3.5\n1.png -2\n", [3.5, -2]),
        ("0.png 1 0.5 -3e-1\n1.png 4 5 6\n", [[1, 0.5, -0.3], [4, 5, 6]]),
        ("0.png 7\n1.png 16777216\n", [7, 16777216]),
        ("a 2 5\n0.png 4\n", [5, 4]),  # a path may end in a number
        ("my 1 0.png 6 8\n1.png 2 3\n", [[6, 8], [2, 3]]),
    ],
)
def test_several_labels_and_floats(text: str, labels: list[float], tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text(text)
    for name in ("0.png", "1.png", "my 1 0.png"):
        save(tmp_path / name, np.zeros((4, 4, 3), np.uint8))
    save(tmp_path / "a.png", np.zeros((4, 4, 3), np.uint8)).rename(tmp_path / "a 2")
    record = data(path, "batch_size: 2")
    expected = np.array(labels, np.float32)
    shapes = probe(record, "TRAIN")
    assert shapes is not None
    assert shapes[1] == expected.shape
    out = [np.zeros(shape, np.float32) for shape in shapes]
    open_source(record, "TRAIN", 1).next(out)
    np.testing.assert_array_equal(out[1], expected)


def test_each_line_has_as_many_labels(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("0.png 1 2\n1.png 3\n")
    with pytest.raises(NetError) as caught:
        open_source(data(path), "TRAIN", 1)
    (found,) = caught.value.diagnostics
    assert found.code.id == "DAT009"
    assert "2 labels, as the first line has" in found.message


def test_a_database_takes_one_whole_number(tmp_path: Path) -> None:
    for labels in ((3.5,), (1, 2)):
        with pytest.raises(NetError) as caught:
            check_whole(tmp_path, [Listed("a.png", 1), Listed("b.png", labels[0], labels[1:])])
        assert caught.value.diagnostics[0].code.id == "DAT009"
    check_whole(tmp_path, [Listed("a.png", 1)])


def test_what_is_no_list(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(b"\0\1\2")
    assert refused(open_source, data(tmp_path / "list.txt"), "TRAIN", 1).code.id == "DAT012"
    assert refused(open_source, data(tmp_path), "TRAIN", 1).code.id == "DAT012"
    assert refused(open_source, data(tmp_path / "none.txt"), "TRAIN", 1).code.id == "DAT016"
    assert probe(data(tmp_path / "none.txt"), "TRAIN") is None


def test_damaged_files_never_do_more_than_a_diagnostic() -> None:
    rng = np.random.default_rng(2)
    for format in ("png", "jpg"):
        whole = encode_image(images(1, (20, 20, 3))[0], format)
        for _ in range(100):
            damaged = bytearray(whole[: rng.integers(1, len(whole) + 1)])
            damaged[rng.integers(0, len(damaged))] ^= 1 << rng.integers(0, 8)
            with suppress(BadRecordError):
                decode_image(bytes(damaged), "color")


def test_splits_of_a_folder(tmp_path: Path) -> None:
    """Whole and disjoint, a share of each class, the same after photos are added but for few."""
    pixels = images(1, (*SIZE, 3))[0]
    for name, count in (("a", 10), ("b", 5), ("c", 1), ("d", 2)):
        for i in range(count):
            save(tmp_path / "f" / name / f"{i}.png", pixels)

    def paths(more: str) -> list[str]:
        fields = f'source: "{tmp_path}/f" batch_size: 1 {more}'
        source = open_source(layer("ImageFolder", f"image_folder_param {{ {fields} }}"), "TRAIN", 1)
        return [source.reader.name(i).removeprefix(f"{tmp_path}/f/") for i in range(len(source.reader))]  # type: ignore[attr-defined]

    train, test, whole = (paths(f'split: "{name}"') for name in ("train", "test", "all"))
    assert sorted(train + test) == whole == paths("")
    assert [sum(p.startswith(f"{c}/") for p in test) for c in "abcd"] == [2, 1, 0, 1]
    assert len(paths('split: "test" test_share: 0.99')) == 9 + 4 + 0 + 1
    save(tmp_path / "f" / "a" / "new.png", pixels)
    assert len(set(test) - set(paths('split: "test"'))) <= 1


def test_classes_of_a_folder_have_their_names(tmp_path: Path) -> None:
    record = layer("ImageFolder", f'image_folder_param {{ source: "{tmp_path}/f" batch_size: 1 }}')
    assert classes(record) == ()
    for name in ("cat", "ant"):
        save(tmp_path / "f" / name / "1.png", images(1, (*SIZE, 3))[0])
    assert classes(record) == ("ant", "cat")
