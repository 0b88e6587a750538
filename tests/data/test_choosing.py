"""Which records are used: the same fields for every source."""

from __future__ import annotations

import struct
from pathlib import Path

import h5py
import numpy as np
import pytest

from netc.data import open_source
from netc.data.datum import encode
from netc.data.digits import split
from netc.data.images import encode_image
from netc.schema.record import Record
from tests.data.common import batches, layer, read, refused, same, write_lmdb

LABELS = [0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 2, 0]
IMAGES = np.array([np.full((1, 2, 2), 10 * record) for record in range(len(LABELS))], np.uint8)


def idx_bytes(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.astype("u1").tobytes()


def database(folder: Path) -> tuple[str, str]:
    write_lmdb(folder / "db", (encode(image, label) for image, label in zip(IMAGES, LABELS, strict=True)))
    return "Data", f'data_param {{ source: "{folder}/db" backend: LMDB %s }}'


def files(folder: Path) -> tuple[str, str]:
    for record, image in enumerate(IMAGES):
        (folder / f"{record:02}.png").write_bytes(encode_image(image.transpose(1, 2, 0), "png"))
    (folder / "list.txt").write_text("".join(f"{folder}/{r:02}.png {label}\n" for r, label in enumerate(LABELS)))
    return "ImageData", f'image_data_param {{ source: "{folder}/list.txt" is_color: false %s }}'


def idx(folder: Path) -> tuple[str, str]:
    (folder / "images").write_bytes(idx_bytes(IMAGES[:, 0]))
    (folder / "labels").write_bytes(idx_bytes(np.array(LABELS)))
    return "IDXData", f'idx_data_param {{ source: "{folder}/images" labels: "{folder}/labels" %s }}'


def arrays(folder: Path) -> tuple[str, str]:
    np.savez(folder / "a.npz", data=IMAGES, label=np.array(LABELS))
    return "ArrayData", f'array_data_param {{ source: "{folder}/a.npz" %s }}'


def hdf5(folder: Path) -> tuple[str, str]:
    for number, rows in enumerate((slice(0, 5), slice(5, 12))):
        with h5py.File(folder / f"{number}.h5", "w") as file:
            file["data"], file["label"] = IMAGES[rows].astype(np.float32), np.array(LABELS, np.float32)[rows]
    (folder / "list.txt").write_text("0.h5\n1.h5\n")
    return "HDF5Data", f'hdf5_data_param {{ source: "{folder}/list.txt" %s }}'


MAKERS = [database, files, idx, arrays, hdf5]
a_source = pytest.mark.parametrize("make", MAKERS)


def record(made: tuple[str, str], fields: str) -> Record:
    return layer(made[0], made[1] % fields)


def chosen(made: tuple[str, str], fields: str, size: int, count: int = 1) -> list[int]:
    """The numbers of the records in the first batches; their labels must be theirs."""
    found: list[int] = []
    for pixels, labels in read(record(made, f"batch_size: {size} {fields}"), count):
        numbers = (pixels.reshape(size, -1)[:, 0] / 10).astype(int).tolist()
        assert labels.astype(int).tolist() == [LABELS[number] for number in numbers]
        found += numbers
    return found


@a_source
def test_a_part_then_classes_then_the_first_of_each(make, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    made = make(tmp_path)
    assert chosen(made, "", 12) == list(range(12))
    assert chosen(made, "first: 3 count: 4", 5) == [3, 4, 5, 6, 3]
    assert chosen(made, "first: 9", 4) == [9, 10, 11, 9]
    assert chosen(made, "classes: [2, 0]", 9) == [0, 2, 3, 5, 6, 8, 9, 10, 11]
    assert chosen(made, "per_class: 2", 7) == [0, 1, 2, 3, 4, 5, 0]
    assert chosen(made, "first: 2 count: 8 classes: [2, 1] per_class: 1", 3) == [2, 4, 2]


@a_source
def test_groups_of_a_class_stand_together(make, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    made = make(tmp_path)
    assert chosen(made, "together: 3", 9) == [0, 3, 6, 1, 4, 7, 2, 5, 8]
    shuffle = "" if made[0] == "Data" else "shuffle: true"
    for fields in ("together: 2", f"together: 2 {shuffle}"):
        pairs = np.array(chosen(made, fields, 4, 6)).reshape(-1, 2)
        labels = np.array(LABELS)[pairs]
        np.testing.assert_array_equal(labels[:, 0], labels[:, 1])
        assert (pairs[:, 0] != pairs[:, 1]).all()
        first = pairs[:5].ravel().tolist()  # an epoch: 2 + 1 + 2 pairs
        assert len(set(first)) == 10
    if shuffle:
        assert chosen(made, f"together: 2 {shuffle}", 10, 2)[:10] != chosen(made, f"together: 2 {shuffle}", 10, 2)[10:]


@pytest.mark.parametrize("make", [files, idx, arrays, hdf5])
def test_a_shuffled_choice_has_every_record_once_an_epoch(make, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    made = make(tmp_path)
    found = np.array(chosen(made, "classes: [0, 2] shuffle: true", 3, 6)).reshape(2, 9)
    assert found[0].tolist() != found[1].tolist()
    for epoch in found:
        assert sorted(epoch.tolist()) == [0, 2, 3, 5, 6, 8, 9, 10, 11]


@a_source
def test_a_choice_goes_on_from_its_state_and_not_with_another(make, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    made = make(tmp_path)
    one = open_source(record(made, "batch_size: 4 together: 2 classes: [0, 1]"), "TRAIN", 1)
    batches(one, 2)
    state, wanted = one.state(), batches(one, 3)
    other = open_source(record(made, "batch_size: 4 together: 2 classes: [0, 1]"), "TRAIN", 7)
    other.restore(state)
    assert same(batches(other, 3), wanted)
    for fields in ("count: 8", "together: 4 classes: [0, 2]", "first: 4"):
        changed = open_source(record(made, f"batch_size: 4 {fields}"), "TRAIN", 1)
        assert refused(changed.restore, state).code.id == "DAT010"


@a_source
@pytest.mark.parametrize(
    ("fields", "marked", "message"),
    [
        ("first: 12", "12", "records from 12 on are asked for, but there are 12"),
        ("first: 10 count: 3", "3", "records 10 to 12 are asked for, but there are 12"),
        ("classes: [0, 4]", "0", "no record is of class 4; there are 0, 1, 2"),
        ("count: 2 classes: [2]", "2", "no record is of class 2; there are 0, 1"),
        ("together: 4", "4", "class 1 has 3 records, but 4 are to stand together"),
    ],
)
def test_what_is_not_there_cannot_be_chosen(make, fields: str, marked: str, message: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    diagnostic = refused(open_source, record(make(tmp_path), f"batch_size: 4 {fields}"), "TRAIN", 1)
    assert diagnostic.code.id == "DAT030"
    assert diagnostic.message.endswith(message)
    assert diagnostic.span is not None
    assert diagnostic.span.source.text[diagnostic.span.start : diagnostic.span.end] == marked


def test_records_without_a_label_each_cannot_be_chosen_by_it(tmp_path: Path) -> None:
    type, fields = arrays(tmp_path)
    one = layer(type, fields % "batch_size: 2 per_class: 1", ("data",))
    diagnostic = refused(open_source, one, "TRAIN", 1)
    assert (diagnostic.code.id, diagnostic.message.endswith("to choose them by")) == ("DAT030", True)


def test_a_bad_record_is_of_no_class(tmp_path: Path) -> None:
    records = [encode(image, label) for image, label in zip(IMAGES, LABELS, strict=True)]
    write_lmdb(tmp_path / "db", [*records[:3], b"\xff", *records[4:]])
    one = layer("Data", f'data_param {{ source: "{tmp_path}/db" backend: LMDB batch_size: 2 per_class: 1 classes: 0 }}')
    assert refused(open_source, one, "TRAIN", 1).code.id == "DAT002"
    ((_, labels),) = read(one, on_bad_record="skip")
    assert labels.tolist() == [0, 0]


def test_digits_by_class() -> None:
    one = layer("Digits", 'digits_param { split: "train" batch_size: 6 classes: [8, 3] per_class: 3 together: 3 }')
    ((pixels, labels),) = read(one)
    assert labels.tolist() == [3, 3, 3, 8, 8, 8]
    images, known = split("train")
    np.testing.assert_array_equal(pixels[:3], images[known == 3][:3] / 16)


def test_images_are_transformed_wherever_they_come_from(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", data=np.arange(32, dtype=np.float32).reshape(2, 1, 4, 4), label=np.arange(2))
    transform = "transform_param { crop_size: 2 mean_value: 1 scale: 2 }"
    one = layer("ArrayData", f'array_data_param {{ source: "{tmp_path}/a.npz" batch_size: 1 }} {transform}')
    ((pixels, _),) = read(one, phase="TEST")
    np.testing.assert_array_equal(pixels[0, 0], (np.array([[5, 6], [9, 10]]) - 1) * 2)
    one = layer("Digits", f'digits_param {{ split: "test" batch_size: 2 scale: 1 }} {transform}')
    ((pixels, labels),) = read(one, phase="TEST")
    np.testing.assert_array_equal(pixels, (split("test")[0][:2, :, 3:5, 3:5] - 1) * 2)
    assert labels.tolist() == split("test")[1][:2].tolist()
    mirrored = layer("Digits", "digits_param { batch_size: 40 } transform_param { mirror: true }")
    found, plain = read(mirrored)[0][0], read(layer("Digits", "digits_param { batch_size: 40 }"))[0][0]
    turned = [(a == b[:, :, ::-1]).all() for a, b in zip(found, plain, strict=True)]
    assert 5 < sum(turned) < 35
    assert all(t or (a == b).all() for t, a, b in zip(turned, found, plain, strict=True))


def test_rows_that_are_no_images_are_not_transformed(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", data=np.zeros((2, 5)), label=np.arange(2))
    fields = f'array_data_param {{ source: "{tmp_path}/a.npz" batch_size: 1 }} transform_param {{ scale: 2 }}'
    diagnostic = refused(open_source, layer("ArrayData", fields), "TRAIN", 1)
    assert diagnostic.code.id == "DAT006"
    assert diagnostic.span is not None
    assert diagnostic.span.source.text[diagnostic.span.start :].startswith("transform_param")
