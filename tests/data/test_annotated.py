"""AnnotatedData: images and boxes of real databases, what is done to both, and records that are bad."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from netc.data import open_source, probe
from netc.data.annotated_datum import encode_annotated, parse
from netc.data.bad import BadRecordError
from netc.data.datum import encode, encode_file
from netc.data.images import encode_image
from netc.data.resize import resize
from netc.data.survey import survey
from netc.errors import NetError
from netc.schema.record import Record
from netc.schema.registry import base_schema
from tests.data.common import batches, images, layer, read, refused, same, write_lmdb

PIXELS = images(4, (3, 20, 30))
# class, number, xmin, ymin, xmax, ymax, difficult; the last image has none
BOXES = [
    np.array([[1, 0, 0.1, 0.2, 0.5, 0.6, 0], [1, 1, 0.5, 0.5, 0.9, 0.9, 1], [7, 0, 0.0, 0.0, 0.3, 0.4, 0]], np.float32),
    np.array([[2, 0, 0.2, 0.2, 1.0, 1.0, 0]], np.float32),
    np.array([[3, 5, 0.4, 0.4, 0.6, 0.8, 0]], np.float32),
    np.empty((0, 7), np.float32),
]


def records(encoded: bool = False) -> list[bytes]:
    found = []
    for label, (pixels, boxes) in enumerate(zip(PIXELS, BOXES, strict=True)):
        file = encode_file(encode_image(pixels.transpose(1, 2, 0), "png"), label)
        found.append(encode_annotated(file if encoded else encode(pixels, label), boxes))
    return found


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lmdb(tmp_path_factory.mktemp("data") / "db", records())


def data(db: Path, transform: str = "", own: str = "", size: int = 4, tops: int = 2) -> Record:
    fields = f'data_param {{ source: "{db}" batch_size: {size} backend: LMDB }} transform_param {{ {transform} }}'
    return layer("AnnotatedData", f"{fields} annotated_data_param {{ {own} }}", ("data", "label")[:tops])


def rows(label: np.ndarray) -> np.ndarray:
    """The rows that are used; the others must be -1, and come last."""
    label = label.reshape(-1, 8)
    used = label[:, 0] >= 0
    assert (label[~used] == -1).all()
    assert used[: used.sum()].all()
    return label[used]


def wanted(*items: int) -> np.ndarray:
    return np.concatenate([np.insert(BOXES[n], 0, item, axis=1) for item, n in enumerate(items)])


# ---------------------------------------------------------------- records


def test_records_are_those_of_protobuf() -> None:
    message = base_schema().message_class("AnnotatedDatum").FromString(records()[0])
    assert [g.group_label for g in message.annotation_group] == [1, 7]
    assert message.annotation_group[0].annotation[1].instance_id == 1
    assert message.annotation_group[0].annotation[1].bbox.difficult
    assert message.HasField("type")
    found = parse(message.SerializeToString())
    assert found.boxes is not None
    np.testing.assert_array_equal(found.boxes, BOXES[0])
    np.testing.assert_array_equal(found.datum.image, PIXELS[0])


def test_records_without_type_have_a_label_only() -> None:
    found = parse(encode_annotated(encode(PIXELS[0], 5), None))
    assert found.boxes is None
    assert found.datum.label == 5
    told = parse(encode_annotated(encode(PIXELS[0], 5), None), boxes=True).boxes
    assert told is not None
    assert told.shape == (0, 7)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (b"", "it has no datum"),
        (encode(PIXELS[0], 5), "it looks like a Datum"),
        (records()[0][:-3], "not an AnnotatedDatum"),
        (records()[0] + b"\x10\x03", "its notes are of type 3"),
        (encode_annotated(encode(PIXELS[0], 5)[:-50], BOXES[0]), "Datum"),
        (
            encode_annotated(encode(PIXELS[0], 1), np.array([[1, 0, 0, 0, np.nan, 1, 0]])),
            "box 0 has corners that are not",
        ),
    ],
)
def test_records_that_make_no_sense(record: bytes, reason: str) -> None:
    with pytest.raises(BadRecordError, match=reason):
        parse(record)


# ---------------------------------------------------------------- batches


@pytest.mark.parametrize("encoded", [False, True])
def test_images_and_boxes(tmp_path: Path, encoded: bool) -> None:
    path = write_lmdb(tmp_path / "db", records(encoded))
    ((image, label),) = read(data(path))
    np.testing.assert_array_equal(image, PIXELS)
    assert label.shape == (1, 1, 4 * 256, 8)
    np.testing.assert_array_equal(rows(label), wanted(0, 1, 2, 3))
    assert probe(data(path, own="max_boxes: 10"), "TRAIN") == ((4, 3, 20, 30), (1, 1, 40, 8))
    assert probe(data(path, tops=1), "TEST") == ((4, 3, 20, 30),)
    ((image,),) = read(data(path, tops=1))
    np.testing.assert_array_equal(image, PIXELS)


def test_labels_without_boxes(tmp_path: Path) -> None:
    path = write_lmdb(tmp_path / "db", (encode_annotated(encode(p, i), None) for i, p in enumerate(PIXELS)))
    assert probe(data(path), "TRAIN") == ((4, 3, 20, 30), (4,))
    ((_, label),) = read(data(path))
    assert label.tolist() == [0, 1, 2, 3]


def test_batches_without_any_box(tmp_path: Path) -> None:
    path = write_lmdb(tmp_path / "db", records()[3:])
    ((_, label),) = read(data(path))
    assert (label == -1).all()


def test_resized_and_normalized(db: Path) -> None:
    transform = "resize_param { height: 10 width: 60 } mean_value: 100 scale: 0.5"
    ((image, label),) = read(data(db, transform))
    small = np.stack([resize(p.transpose(1, 2, 0), 10, 60).transpose(2, 0, 1) for p in PIXELS])
    np.testing.assert_array_equal(image, (small.astype(np.float32) - 100) / 2)
    np.testing.assert_array_equal(rows(label), wanted(0, 1, 2, 3))


def test_mirrored_boxes(db: Path) -> None:
    mirrored = 0
    for image, label in read(data(db, "mirror: true", size=1), 40):
        number = int(np.abs(PIXELS.astype(int).sum((1, 2, 3)) - int(image.sum())).argmin())
        turned = not np.array_equal(image[0], PIXELS[number])
        expected = wanted(number)
        if turned:
            np.testing.assert_array_equal(image[0], PIXELS[number][:, :, ::-1])
            expected[:, [3, 5]] = 1 - expected[:, [5, 3]]
        np.testing.assert_allclose(rows(label), expected, atol=1e-6)
        mirrored += turned
    assert 8 < mirrored < 32


def test_a_central_crop_cuts_boxes(db: Path) -> None:
    """Of 20 x 30, rows 5 to 15 and columns 10 to 20."""
    transform = "crop_size: 10 emit_constraint { emit_type: CENTER }"
    ((image, label),) = read(data(db, transform), phase="TEST")
    np.testing.assert_array_equal(image, PIXELS[:, :, 5:15, 10:20])
    found = rows(label)
    assert found[:, :3].tolist() == [[1, 2, 0], [2, 3, 5]]  # centres within thirds of the width and the middle half
    np.testing.assert_allclose(found[0, 3:7], [0, 0, 1, 1], atol=1e-6)
    np.testing.assert_allclose(found[1, 3:7], [0.2, 0.3, 0.8, 1], atol=1e-5)
    ((_, label),) = read(data(db, "crop_size: 10"), phase="TEST")
    assert [tuple(r[:3]) for r in rows(label)] == [(0, 1, 0), (0, 1, 1), (1, 2, 0), (2, 3, 5)]
    overlap = "crop_size: 10 emit_constraint { emit_type: MIN_OVERLAP emit_overlap: 0.36 }"
    ((_, label),) = read(data(db, overlap), phase="TEST")  # of the first box 5/12 * 7/8 is inside
    assert [tuple(r[:3]) for r in rows(label)] == [(0, 1, 0), (2, 3, 5)]


def test_crops_that_are_not_square(db: Path) -> None:
    ((image, _),) = read(data(db, "crop_h: 4 crop_w: 12"), phase="TEST")
    np.testing.assert_array_equal(image, PIXELS[:, :, 8:12, 9:21])


# ---------------------------------------------------------------- boxes stay where their objects are


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images with one bright rectangle each, which is their box."""
    found = []
    for i in range(4):
        pixels = np.full((3, 160, 240), 10, np.uint8)
        top, left, height, width = 16 + 12 * i, 24 + 20 * i, 48 + 4 * i, 80 - 8 * i
        pixels[:, top : top + height, left : left + width] = 250
        box = (left / 240, top / 160, (left + width) / 240, (top + height) / 160)
        found.append(encode_annotated(encode(pixels, 0), np.array([[1, 0, *box, 0]], np.float32)))
    return write_lmdb(tmp_path_factory.mktemp("data") / "db", found)


SAMPLERS = """batch_sampler { max_sample: 1 max_trials: 1 }
    batch_sampler { sampler { min_scale: 0.3 max_scale: 1 min_aspect_ratio: 0.5 max_aspect_ratio: 2 }
        sample_constraint { min_jaccard_overlap: 0.3 } max_sample: 1 max_trials: 50 }
    batch_sampler { sampler { min_scale: 0.3 max_scale: 1 min_aspect_ratio: 0.5 max_aspect_ratio: 2 }
        sample_constraint { min_object_coverage: 0.8 max_object_coverage: 1 } max_sample: 1 max_trials: 50 }"""
FIT = "resize_param { height: 64 width: 96 interp_mode: NEAREST } emit_constraint { emit_type: CENTER }"


@pytest.mark.parametrize(
    ("transform", "own"),
    [
        (FIT, ""),
        (f"{FIT} mirror: true", SAMPLERS),
        (f"{FIT} expand_param {{ prob: 1 max_expand_ratio: 3 }} mean_value: 20", ""),
        (f"{FIT} expand_param {{ prob: 0.5 max_expand_ratio: 3 }} mirror: true", SAMPLERS),
        (f"{FIT} mirror: true crop_h: 50 crop_w: 70", SAMPLERS),
        (FIT.replace("height", "resize_mode: FIT_LARGE_SIZE_AND_PAD height") + " mirror: true", SAMPLERS),
        (FIT.replace("height", "resize_mode: FIT_SMALL_SIZE height") + " crop_size: 60 mirror: true", SAMPLERS),
    ],
)
def test_boxes_stay_where_their_objects_are(drawn: Path, transform: str, own: str) -> None:
    seen = 0
    for image, label in read(data(drawn, transform, own, size=1), 30):
        bright = image[0].mean(0) > 150
        boxes = rows(label)
        if not len(boxes):
            continue
        seen += 1
        y, x = np.nonzero(bright)
        height, width = bright.shape
        found = np.array([x.min() / width, y.min() / height, (x.max() + 1) / width, (y.max() + 1) / height])
        np.testing.assert_allclose(boxes[0, 3:7], found, atol=4 / min(height, width))
    assert seen > 15


def test_parts_satisfy_their_constraint(drawn: Path) -> None:
    own = """batch_sampler { sampler { min_scale: 0.2 max_scale: 0.9 min_aspect_ratio: 0.5 max_aspect_ratio: 2 }
        sample_constraint { min_object_coverage: 1 } max_sample: 1 max_trials: 2000 }"""
    for image, label in read(data(drawn, FIT, own, size=4), 5):
        assert len(rows(label)) == 4
        assert len({i.tobytes() for i in image}) == 4


def test_larger_images_are_filled_with_the_mean(db: Path) -> None:
    transform = "resize_param { height: 40 width: 60 interp_mode: NEAREST } mean_value: [7, 9, 11]"
    ((image, _),) = read(data(db, f"{transform} expand_param {{ max_expand_ratio: 4 }}"))
    assert ((image == 0).all(1).mean((1, 2)) > 0.1).any()  # the mean is subtracted again


def test_distorted(db: Path) -> None:
    def found(fields: str, seed: int = 1) -> np.ndarray:
        return read(data(db, f"distort_param {{ {fields} }}"), seed=seed)[0][0]

    np.testing.assert_array_equal(found("brightness_delta: 30"), PIXELS)  # with probability 0
    bright = found("brightness_prob: 1 brightness_delta: 30") - PIXELS
    inside = (PIXELS > 40) & (PIXELS < 215)
    for change, plain in zip(bright, inside, strict=True):
        assert len(set(change[plain].tolist())) == 1
        assert np.abs(change).max() <= 30
    assert len({b[i].flat[0] for b, i in zip(bright, inside, strict=True)}) > 1
    contrast = found("contrast_prob: 1 contrast_lower: 0.5 contrast_upper: 0.5")
    np.testing.assert_array_equal(contrast, np.rint(PIXELS * np.float32(0.5)))
    grey = found("saturation_prob: 1")
    np.testing.assert_allclose(grey, np.broadcast_to(PIXELS.max(1, keepdims=True), PIXELS.shape), atol=1)
    np.testing.assert_allclose(found("hue_prob: 1"), PIXELS, atol=5)  # there and back
    shifted = found("hue_prob: 1 hue_delta: 90")
    np.testing.assert_allclose(shifted.max(1), PIXELS.max(1), atol=1)
    assert np.abs(shifted - PIXELS).max() > 30
    swapped = found("random_order_prob: 1", seed=3)
    np.testing.assert_array_equal(np.sort(swapped, 1), np.sort(PIXELS, 1))
    assert (swapped != PIXELS).any()


# ---------------------------------------------------------------- the same run, always

EVERYTHING = (
    "resize_param { height: 16 width: 24 interp_mode: [LINEAR, AREA, NEAREST, CUBIC, LANCZOS4] } mirror: true "
    "emit_constraint { emit_type: CENTER } expand_param { prob: 0.5 max_expand_ratio: 4 } distort_param { "
    "brightness_prob: 0.5 brightness_delta: 32 contrast_prob: 0.5 contrast_lower: 0.5 contrast_upper: 1.5 "
    "hue_prob: 0.5 hue_delta: 18 saturation_prob: 0.5 saturation_lower: 0.5 saturation_upper: 1.5 "
    "random_order_prob: 0.5 } mean_value: 104 "
    "noise_param { saltpepper: true saltpepper_param { fraction: 0.1 value: 9 } }"
)


def test_stopped_and_resumed(db: Path) -> None:
    record = data(db, EVERYTHING, SAMPLERS, size=3)
    first = open_source(record, "TRAIN", 5)
    whole = batches(first, 6)
    second = open_source(record, "TRAIN", 5)
    batches(second, 3)
    third = open_source(record, "TRAIN", 8)  # the seed comes with the state
    third.restore(second.state())
    assert same(batches(third, 3), whole[3:])
    assert same(read(record, 6, seed=5), whole)
    assert not same(read(record, 6, seed=6), whole)


# ---------------------------------------------------------------- what cannot be done


@pytest.mark.parametrize(
    ("transform", "own", "message"),
    [
        ("", "batch_sampler { sampler { min_scale: 0 } }", "needs 0 < min_scale <= max_scale <= 1"),
        ("", "batch_sampler { sampler { max_scale: 2 } }", "but has 1 and 2"),
        ("", "batch_sampler { sampler { min_aspect_ratio: 2 } }", "min_aspect_ratio <= max_aspect_ratio"),
        ("", "batch_sampler { max_trials: 20000 }", "max_trials: 20,000 is more than 10,000"),
        ("", "batch_sampler { sampler { min_scale: 0.5 } }", "have many sizes: add a resize_param"),
        ("expand_param { max_expand_ratio: 2 }", "", "have many sizes: add a resize_param"),
        ("crop_size: 9 expand_param { max_expand_ratio: 0.5 }", "", "max_expand_ratio must be from 1 to 64"),
        ("distort_param { contrast_lower: 2 contrast_upper: 1 }", "", "contrast_lower <= contrast_upper"),
        ("distort_param { hue_delta: -1 }", "", "must not be negative"),
        ("rotation: 5", "", "rotation would move the image, but not its boxes"),
    ],
)
def test_fields_that_cannot_be_used(db: Path, transform: str, own: str, message: str) -> None:
    with pytest.raises(NetError) as caught:
        open_source(data(db, transform, own), "TRAIN", 1)
    diagnostic = caught.value.diagnostics[0]
    assert diagnostic.code.id == "DAT006"
    assert message in diagnostic.message
    assert diagnostic.span is not None


def test_more_boxes_than_there_is_room_for(db: Path) -> None:
    diagnostic = refused(read, data(db, own="max_boxes: 1"))
    assert diagnostic.code.id == "DAT018"
    assert "a batch of 4 images has 5 boxes, its top has room for 4" in diagnostic.message
    assert diagnostic.help == "annotated_data_param { max_boxes: 4 }"
    ((_, label),) = read(data(db, own="max_boxes: 2"))
    np.testing.assert_array_equal(rows(label), wanted(0, 1, 2, 3))
    assert refused(read, data(db, own="max_boxes: 2", size=1)).code.id == "DAT018"


def test_bad_records(tmp_path: Path) -> None:
    good = records()
    floats = encode_annotated(encode(PIXELS[0].astype(np.float32), 0), BOXES[0])
    untyped = encode_annotated(encode(PIXELS[0], 0), None)
    small = encode_annotated(encode(PIXELS[0][:, :5], 0), BOXES[0])
    for bad, reason in ((floats, "holds floats"), (untyped, "its type is missing"), (small, "it is 5 x 30")):
        path = write_lmdb(tmp_path / reason.replace(" ", "_"), [good[0], bad, *good[1:]])
        diagnostic = refused(read, data(path))
        assert diagnostic.code.id == "DAT002"
        assert reason in diagnostic.message
        ((_, label),) = read(data(path), on_bad_record="skip")  # the last record takes the place of the bad one
        np.testing.assert_array_equal(rows(label), wanted(0, 3, 1, 2))


def test_databases_that_cannot_be_read(tmp_path: Path) -> None:
    path = write_lmdb(tmp_path / "plain", (encode(p, 0) for p in PIXELS))
    diagnostic = refused(open_source, data(path), "TRAIN", 1)
    assert diagnostic.code.id == "DAT011"
    assert "use a Data layer" in diagnostic.message
    assert refused(open_source, data(tmp_path / "nowhere"), "TRAIN", 1).code.id == "DAT016"
    assert probe(data(tmp_path / "nowhere"), "TRAIN") is None
    (tmp_path / "text").write_text("no database")
    with pytest.raises(NetError) as caught:
        open_source(data(tmp_path / "text"), "TRAIN", 1)
    assert caught.value.diagnostics[0].code.id in ("DAT003", "DAT012")


def test_what_is_in_a_database(db: Path, tmp_path: Path) -> None:
    found = survey(db, decode=True, classes=7, progress=lambda done, count: None)
    assert (found.kind, found.count) == ("LMDB of images with boxes", 4)
    assert found.shapes == {(3, 20, 30): 4}
    assert found.labels == {1: 2, 7: 1, 2: 1, 3: 1}
    assert found.bad == [("record '00000000'", "its label is 7, but the classes are 0 to 6")]
    path = write_lmdb(tmp_path / "db", [records(True)[0], b"junk"])
    found = survey(path, decode=True, classes=None, progress=lambda done, count: None)
    assert found.facts == [("stored as", "image files")]
    assert [name for name, _ in found.bad] == ["record '00000001'"]
