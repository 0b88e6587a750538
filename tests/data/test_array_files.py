"""IDXData and ArrayData: IDX, NPZ and CSV files."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from netc.data import open_source, probe
from netc.data.idx import read_idx
from tests.data.common import batches, images, layer, read, refused, same

CODES = {"u1": 8, "i1": 9, ">i2": 11, ">i4": 12, ">f4": 13, ">f8": 14}


def idx_bytes(array: np.ndarray, kind: str = "u1") -> bytes:
    head = bytes([0, 0, CODES[kind], array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.astype(kind).tobytes()


@pytest.fixture
def mnist(tmp_path: Path) -> Path:
    (tmp_path / "images.gz").write_bytes(gzip.compress(idx_bytes(images(10, (4, 5)))))
    (tmp_path / "labels").write_bytes(idx_bytes(np.arange(10)))
    return tmp_path


def idx(folder: Path, more: str = "batch_size: 4", transform: str = "", tops: tuple[str, ...] = ("a", "b")) -> object:
    fields = f'idx_data_param {{ source: "{folder}/images.gz" labels: "{folder}/labels" {more} }}'
    return layer("IDXData", f"{fields} transform_param {{ {transform} }}", tops)


def test_mnists_files(mnist: Path) -> None:
    assert probe(idx(mnist), "TRAIN") == ((4, 1, 4, 5), (4,))
    (first, second, third) = read(idx(mnist, transform="scale: 0.5"), 3)
    np.testing.assert_array_equal(first[0][:, 0], images(10, (4, 5))[:4] / 2)
    assert [*second[1], *third[1]] == [4, 5, 6, 7, 8, 9, 0, 1]
    assert len(read(idx(mnist, tops=("a",)))[0]) == 1


def test_a_part_of_the_files(mnist: Path) -> None:
    labels = [batch[1].tolist() for batch in read(idx(mnist, "batch_size: 2 first: 7 count: 3"), 2)]
    assert labels == [[7, 8], [9, 7]]
    assert [b[1].tolist() for b in read(idx(mnist, "batch_size: 3 first: 8"), 1)] == [[8, 9, 8]]
    for fields in ("batch_size: 2 first: 10", "batch_size: 2 count: 11"):
        diagnostic = refused(open_source, idx(mnist, fields), "TRAIN", 1)
        assert diagnostic.code.id == "DAT030"
        assert "there are 10" in diagnostic.message


def test_shuffled_and_resumed(mnist: Path) -> None:
    record = idx(mnist, "batch_size: 4 shuffle: true", "crop_size: 3 mirror: true")
    source = open_source(record, "TRAIN", 2)
    batches(source, 4)
    state, expected = source.state(), batches(source, 4)
    other = open_source(record, "TRAIN", 2)
    other.restore(state)
    assert same(batches(other, 4), expected)


@pytest.mark.parametrize("kind", list(CODES))
def test_all_types_of_idx(tmp_path: Path, kind: str) -> None:
    values = np.arange(24).reshape(2, 3, 4)
    (tmp_path / "a").write_bytes(idx_bytes(values, kind))
    np.testing.assert_array_equal(read_idx(tmp_path / "a"), values)


def test_bad_idx_files(mnist: Path) -> None:
    whole = idx_bytes(images(10, (4, 5)))
    path = mnist / "images.gz"
    for content, code in (
        (whole[:-1], "DAT003"),
        (whole + b"x", "DAT003"),
        (whole[:9], "DAT003"),
        (gzip.compress(whole)[:-20], "DAT003"),
        (idx_bytes(np.zeros((0, 4, 5)))[:4] + struct.pack(">3I", 1 << 30, 1 << 30, 4), "DAT003"),
        (b"hello", "DAT012"),
        (b"", "DAT012"),
        (idx_bytes(np.arange(10)), "DAT014"),
        (idx_bytes(images(9, (4, 5))), "DAT014"),
    ):
        path.write_bytes(content)
        assert refused(open_source, idx(mnist), "TRAIN", 1).code.id == code, content[:20]
    path.unlink()
    assert probe(idx(mnist), "TRAIN") is None
    assert refused(open_source, idx(mnist), "TRAIN", 1).code.id == "DAT016"


# ---------------------------------------------------------------- NPZ and CSV


def array(path: Path, more: str = "batch_size: 2", tops: tuple[str, ...] = ("data", "label")) -> object:
    return layer("ArrayData", f'array_data_param {{ source: "{path}" {more} }}', tops)


def test_npz_by_the_names_of_the_tops(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    rows, more = np.arange(30, dtype=np.float64).reshape(5, 3, 2), np.arange(5)
    np.savez(path, data=rows, label=more, weight=more * 2.5)
    record = array(path, tops=("label", "weight", "data"))
    assert probe(record, "TEST") == ((2,), (2,), (2, 3, 2))
    found = read(record, 3)
    assert found[2][0].tolist() == [4, 0]
    assert found[2][1].tolist() == [10, 0]
    np.testing.assert_array_equal(found[1][2], rows[2:4])


def test_a_table(tmp_path: Path) -> None:
    path = tmp_path / "iris.csv"
    path.write_text('"length","kind","width"\n1.5,0,2\n2.5,1,3\n\n3.5,2,4\n')
    ((features, label),) = read(array(path, 'batch_size: 3 label: "kind"'))
    assert features.tolist() == [[1.5, 2], [2.5, 3], [3.5, 4]]
    assert label.tolist() == [0, 1, 2]
    ((_, label),) = read(array(path, "batch_size: 3"))
    assert label.tolist() == [2, 3, 4]
    path.write_text("1;2\n3;4\n")
    assert read(array(path, 'batch_size: 2 label: "0"'))[0][1].tolist() == [1, 3]
    assert read(array(path, tops=("x",)))[0][0].tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("a,b\n1,x\n", "could not convert string 'x' to float32 at row 0, column 2"),
        ("a,b\n1,2\n1\n", "the number of columns changed from 2 to 1 at row 2"),
        ("a,b,c\n1,2\n", "has 3 names of columns, but 2 columns"),
        ("a,b\n1,2\n", 'has no column "kind"'),
    ],
)
def test_bad_tables(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(content)
    diagnostic = refused(open_source, array(path, 'batch_size: 1 label: "kind"'), "TRAIN", 1)
    assert diagnostic.code.id == "DAT014"
    assert message in diagnostic.message


def test_bad_npz(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    for arrays, message in (
        ({"data": np.zeros((3, 2))}, 'has no array "label"'),
        ({"data": np.zeros((3, 2)), "label": np.zeros(4)}, "have different numbers of rows (data: 3, label: 4)"),
        ({"data": np.array(["x"]), "label": np.zeros(1)}, "is no array of numbers"),
        ({"data": np.array([object()]), "label": np.zeros(1)}, "is no array of numbers"),
    ):
        np.savez(path, allow_pickle=True, **arrays)
        diagnostic = refused(open_source, array(path), "TRAIN", 1)
        assert diagnostic.code.id == "DAT014"
        assert message in diagnostic.message
    path.write_bytes(path.read_bytes()[:100])
    assert refused(open_source, array(path), "TRAIN", 1).code.id == "DAT014"
    path.unlink()
    assert probe(array(path), "TRAIN") is None


# ---------------------------------------------------------------- memory
