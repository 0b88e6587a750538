"""HDF5Data: lists of files, several tops, and files that want to be read elsewhere."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from netc.data import open_source, probe
from netc.data.hdf5 import Hdf5Reader, read_files
from tests.data.common import batches, layer, read, refused, same

TOPS = ("data", "label", "weight")


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    """Three files of 4, 3 and 5 rows; every value of row r is r."""
    first = 0
    for number, rows in enumerate((4, 3, 5)):
        values = np.arange(first, first + rows, dtype=np.float32)
        with h5py.File(tmp_path / f"{number}.h5", "w") as file:
            file["data"] = np.broadcast_to(values[:, None, None], (rows, 2, 3))
            file["label"] = values.astype(np.int64)
            file.create_dataset("weight", data=values[:, None], chunks=(2, 1), compression="gzip")
        first += rows
    path = tmp_path / "list.txt"
    path.write_text("0.h5\n\n1.h5\n2.h5\n")
    return path


def data(source: Path, more: str = "batch_size: 5", tops: tuple[str, ...] = TOPS) -> object:
    return layer("HDF5Data", f'hdf5_data_param {{ source: "{source}" {more} }}', tops)


def labels(found: list[list[np.ndarray]]) -> list[list[int]]:
    return [batch[1].astype(int).tolist() for batch in found]


def test_rows_in_order_across_files(listed: Path) -> None:
    assert probe(data(listed), "TRAIN") == ((5, 2, 3), (5,), (5, 1))
    found = read(data(listed), 3)
    assert labels(found) == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9], [10, 11, 0, 1, 2]]
    for image, label, weight in found:
        np.testing.assert_array_equal(image, np.broadcast_to(label[:, None, None], (5, 2, 3)))
        np.testing.assert_array_equal(weight[:, 0], label)


def test_shuffling_keeps_files_together(listed: Path) -> None:
    epochs = labels(read(data(listed, "batch_size: 12 shuffle: true"), 8))
    files = [{0, 1, 2, 3}, {4, 5, 6}, {7, 8, 9, 10, 11}]
    starts = set()
    for rows in epochs:
        assert sorted(rows) == list(range(12))
        first = next(file for file in files if rows[0] in file)
        assert set(rows[: len(first)]) == first
        starts.add(tuple(rows))
    assert len(starts) == 8


@pytest.mark.parametrize("shuffle", ["true", "false"])
def test_goes_on_from_its_state(listed: Path, shuffle: str) -> None:
    record = data(listed, f"batch_size: 5 shuffle: {shuffle}")
    source = open_source(record, "TRAIN", 4)
    batches(source, 4)
    state, expected = source.state(), batches(source, 4)
    other = open_source(record, "TRAIN", 9)
    other.restore(state)
    assert same(batches(other, 4), expected)


def test_large_files_are_read_in_blocks(listed: Path) -> None:
    for shuffled in (False, True):
        reader = Hdf5Reader(read_files(listed, TOPS), TOPS, shuffled)
        reader._whole, reader._block = 0, 1 if shuffled else 2
        assert [int(reader.fetch(n)[1]) for n in (0, 1, 3, 2, 4, 11, 5)] == [0, 1, 3, 2, 4, 11, 5]


def test_slashes_are_groups(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["loss/label"] = np.arange(3)
    (tmp_path / "list.txt").write_text(f"{tmp_path}/a.h5\n")
    ((label,),) = read(data(tmp_path / "list.txt", "batch_size: 3", ("loss/label",)))
    assert label.tolist() == [0, 1, 2]


# ---------------------------------------------------------------- what is refused


def problem(folder: Path, tops: tuple[str, ...] = ("data",)) -> tuple[str, str]:
    (folder / "list.txt").write_text("bad.h5\n")
    diagnostic = refused(open_source, data(folder / "list.txt", tops=tops), "TRAIN", 1)
    return diagnostic.code.id, diagnostic.message


def test_thirteen_gibibytes_in_a_small_file(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "bad.h5", "w") as file:
        file.create_dataset("data", (13 << 28,), np.float32, chunks=(1 << 16,))
    assert (tmp_path / "bad.h5").stat().st_size < 4096
    code, message = problem(tmp_path)
    assert code == "DAT008"
    assert 'says that "data" (3489660928) has 13,958,643,712 bytes, but stores 0' in message


def test_links_to_elsewhere(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["data"] = np.arange(3.0)
    with h5py.File(tmp_path / "bad.h5", "w") as file:
        file["data"] = h5py.ExternalLink("other.h5", "data")
        file["soft"] = h5py.SoftLink("/data")
        file.create_dataset("raw", (3,), "u1", external=[("/etc/hostname", 0, 3)])
        layout = h5py.VirtualLayout((3,), "f8")
        layout[:] = h5py.VirtualSource("other.h5", "data", (3,))
        file.create_virtual_dataset("virtual", layout)
    for top, message in (
        ("data", 'has a link in the place of "data"; links are not followed'),
        ("soft", 'has a link in the place of "soft"'),
        ("raw", 'keeps the values of "raw" in other files'),
        ("virtual", 'keeps the values of "virtual" in other files'),
    ):
        code, found = problem(tmp_path, (top,))
        assert code == "DAT008"
        assert message in found


def test_datasets_that_do_not_fit(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "bad.h5", "w") as file:
        file["data"], file["label"] = np.zeros((3, 2)), np.zeros(4)
        file["text"], file["one"] = [b"a", b"b", b"c"], 5.0
        file.create_group("group")
    assert "different numbers of rows (data: 3, label: 4)" in problem(tmp_path, ("data", "label"))[1]
    assert 'has no dataset "nothing"; it has data, group, label, one, text' in problem(tmp_path, ("nothing",))[1]
    assert "no array of numbers" in problem(tmp_path, ("text",))[1]
    assert "no array of numbers" in problem(tmp_path, ("one",))[1]
    assert 'has a group in the place of dataset "group"' in problem(tmp_path, ("group",))[1]


def test_files_of_a_list_must_agree(listed: Path) -> None:
    with h5py.File(listed.parent / "1.h5", "a") as file:
        del file["weight"]
        file["weight"] = np.zeros((3, 2))
    diagnostic = refused(open_source, data(listed), "TRAIN", 1)
    assert "1.h5 has rows of 2x3, scalar, 2, " in diagnostic.message


def test_damaged_and_missing_files(listed: Path) -> None:
    whole = (listed.parent / "1.h5").read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"no HDF5"):
        (listed.parent / "1.h5").write_bytes(content)
        assert refused(open_source, data(listed), "TRAIN", 1).code.id in {"DAT003", "DAT008"}
    (listed.parent / "1.h5").unlink()
    assert refused(open_source, data(listed), "TRAIN", 1).code.id == "DAT016"
    listed.write_text("\n")
    assert refused(open_source, data(listed), "TRAIN", 1).code.id == "DAT008"
    assert probe(data(listed.parent / "none.txt"), "TRAIN") is None
