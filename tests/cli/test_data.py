"""netc data: databases from images and from MNIST's files, their mean, what is in data, what is bad."""

import gzip
import json
import struct
from pathlib import Path
from typing import Any

import click
import h5py
import numpy as np
import pytest

from netc.cli.data import command
from netc.data import classes, writing
from netc.data.datum import parse
from netc.data.images import encode_image
from netc.data.lmdb_file import LmdbFile
from netc.data.resize import resize
from netc.errors import NetError
from netc.schema.weights import read_blob
from tests.cli.conftest import Run
from tests.data.common import image_lmdb, images, layer, write_lmdb


def call(*arguments: Any) -> int:
    """Run a subcommand in this process; its exit code."""
    return int(command.main([str(a) for a in arguments], standalone_mode=False) or 0)


def refusal(*arguments: Any) -> str:
    with pytest.raises(NetError) as caught:
        call(*arguments)
    return str(caught.value)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Two classes with three images each."""
    for number, pixels in enumerate(images(6, (8, 6, 3))):
        path = tmp_path / "pictures" / ("cat" if number < 3 else "dog") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_image(pixels, "png"))
    return tmp_path / "pictures"


def records(path: Path) -> list[tuple[bytes, Any]]:
    return [(key, parse(value)) for key, value in LmdbFile(path)]


# ---------------------------------------------------------------- images


def test_a_folder_becomes_a_database(pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "db"
    assert call("images", pictures, out) == 0
    found = records(out)
    assert [key for key, _ in found] == [f"{n:08}_{'cat' if n < 3 else 'dog'}/{n}.png".encode() for n in range(6)]
    assert [datum.label for _, datum in found] == [0, 0, 0, 1, 1, 1]
    np.testing.assert_array_equal(found[4][1].image, images(6, (8, 6, 3))[4].transpose(2, 0, 1))
    assert (out / "labels.txt").read_text() == "cat\ndog\n"
    assert classes(layer("Data", f'data_param {{ source: "{out}" batch_size: 1 }}')) == ("cat", "dog")
    assert (out / "data.mdb").stat().st_size < 1 << 17


def test_a_list_resized_gray_and_shuffled(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("".join(f"pictures/{'cat' if n < 3 else 'dog'}/{n}.png {n}\n" for n in range(6)))
    out = tmp_path / "db"
    call("images", tmp_path / "list.txt", out, "--resize", "5x4", "--gray", "--shuffle", "--seed", "3")
    labels = [datum.label for _, datum in records(out)]
    assert sorted(labels) == list(range(6))
    assert labels != list(range(6))
    assert {datum.image.shape for _, datum in records(out)} == {(1, 5, 4)}


@pytest.mark.parametrize("store", ["png", "jpg", "file"])
def test_images_can_be_stored_as_files(pictures: Path, tmp_path: Path, store: str) -> None:
    call("images", pictures, tmp_path / "db", "--store", store)
    datum = records(tmp_path / "db")[0][1]
    if store == "file":
        assert datum.encoded == (pictures / "cat" / "0.png").read_bytes()
    assert datum.encoded[:4] == (b"\xff\xd8\xff\xe0" if store == "jpg" else b"\x89PNG")


def test_a_stopped_run_is_gone_on_with(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, out = tmp_path / "whole", tmp_path / "db"
    call("images", pictures, whole)
    monkeypatch.setattr(writing, "_COMMIT", 2)
    made = []
    real = writing.image_record

    def stops(*arguments: Any) -> bytes:
        made.append(arguments)
        if len(made) == 6:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(writing, "image_record", stops)
    with pytest.raises((KeyboardInterrupt, click.Abort)):
        call("images", pictures, out)
    assert not out.exists()
    assert 2 <= len(LmdbFile(tmp_path / f".{out.name}.part")) < 6
    monkeypatch.setattr(writing, "image_record", real)
    call("images", pictures, out)
    assert list(LmdbFile(out)) == list(LmdbFile(whole))
    call("images", pictures, out)
    assert len(LmdbFile(out)) == 6


def test_other_data_is_left_alone(pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "db"
    call("images", pictures, out)
    assert "DAT015" in refusal("images", pictures, out, "--gray")
    assert "DAT015" in refusal("images", pictures, pictures)
    assert "DAT016" in refusal("images", tmp_path / "none", out)
    assert len(LmdbFile(out)) == 6


def test_bad_images_stop_or_are_left_out(pictures: Path, tmp_path: Path) -> None:
    (pictures / "cat" / "1.png").write_bytes(b"")
    message = refusal("images", pictures, tmp_path / "db")
    assert "cat/1.png: it is empty (0 bytes)" in message
    assert "DAT002" in message
    call("images", pictures, tmp_path / "db", "--on-bad-record", "skip")
    assert [datum.label for _, datum in records(tmp_path / "db")] == [0, 0, 1, 1, 1]


def test_the_database_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "_START_SIZE", 1 << 15)
    items = writing.array_items(images(500), np.arange(500))
    writing.make(tmp_path / "db", items, skip=False, progress=lambda done: None)
    assert [datum.label for _, datum in records(tmp_path / "db")] == list(range(500))


# ---------------------------------------------------------------- mnist, mean


def mnist(folder: Path, count: int = 10) -> tuple[Path, Path]:
    pixels, labels = images(count, (4, 5)), np.arange(count, dtype=np.uint8) % 3
    (folder / "i.gz").write_bytes(gzip.compress(struct.pack(">4B3I", 0, 0, 8, 3, count, 4, 5) + pixels.tobytes()))
    (folder / "l").write_bytes(struct.pack(">4BI", 0, 0, 8, 1, count) + labels.tobytes())
    return folder / "i.gz", folder / "l"


def test_mnist_split_in_two(tmp_path: Path) -> None:
    call("mnist", *mnist(tmp_path), tmp_path / "train", "--count", 8)
    call("mnist", *mnist(tmp_path), tmp_path / "test", "--first", 8, "--count", 2)
    train, test = records(tmp_path / "train"), records(tmp_path / "test")
    assert [key for key, _ in test] == [b"00000000", b"00000001"]
    assert [datum.label for _, datum in train + test] == [n % 3 for n in range(10)]
    np.testing.assert_array_equal(test[1][1].image[0], images(10, (4, 5))[9])
    assert "DAT014" in refusal("mnist", *mnist(tmp_path), tmp_path / "more", "--count", 11)


def test_the_mean_image(tmp_path: Path) -> None:
    path = image_lmdb(tmp_path / "db", images(9))
    call("mean", path, tmp_path / "mean.binaryproto")
    mean = read_blob(tmp_path / "mean.binaryproto")
    assert mean.shape == (1, 3, 6, 5)
    np.testing.assert_allclose(mean[0], images(9).mean(0), rtol=1e-6)
    assert not list(tmp_path.glob(".*"))
    assert "DAT015" in refusal("mean", path, tmp_path / "no" / "mean.binaryproto")
    other = write_lmdb(tmp_path / "two", [v for _, v in LmdbFile(path)] + [b"\x0a\xff"])
    assert "record '00000009'" in refusal("mean", other, tmp_path / "m")


# ---------------------------------------------------------------- info, check


def info(path: Path, capsys: pytest.CaptureFixture[str], what: str = "info", *more: Any) -> dict[str, Any]:
    capsys.readouterr()
    call(what, path, "--json", *more)
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_info_of_every_kind(pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = info(image_lmdb(tmp_path / "db", images(4)), capsys)
    assert found["kind"] == "LMDB"
    assert found["shapes"] == {"3x6x5": 4}
    assert found["labels"] == {"0": 1, "1": 1, "2": 1, "3": 1}
    found = info(pictures, capsys)
    assert (found["count"], found["classes"], found["shapes"]) == (6, "cat, dog", {"3x8x6": 6})
    pixels, _ = mnist(tmp_path)
    assert info(pixels, capsys)["shapes"] == {"4x5": 10}
    np.savez(tmp_path / "a.npz", data=np.zeros((3, 2)), label=np.array([1, 1, 5]))
    found = info(tmp_path / "a.npz", capsys)
    assert found["labels"] == {"1": 2, "5": 1}
    assert found["data"] == "3x2 float64"
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"], file["label"] = np.zeros((3, 2, 2), np.float32), np.array([0, 7, 7])
        file["away"] = h5py.ExternalLink("b.h5", "data")
    found = info(tmp_path / "a.h5", capsys)
    assert found["labels"] == {"0": 1, "7": 2}
    assert found["away"] == "ExternalLink: not followed"
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    assert info(tmp_path / "t.csv", capsys)["columns"] == "a, b"
    assert "DAT016" in refusal("info", tmp_path / "none")
    (tmp_path / "x.bin").write_bytes(b"\0\0\0")
    assert "DAT012" in refusal("info", tmp_path / "x.bin")


def test_check_names_what_is_bad(pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = [v for _, v in LmdbFile(image_lmdb(tmp_path / "db", images(4)))]
    values[1] = values[1][:-3]
    path = write_lmdb(tmp_path / "bad", values)
    assert call("check", path) == 1
    assert "record '00000001': it is not a Datum: a field needs" in capsys.readouterr().out
    found = info(path, capsys, "check", "--classes", 3)
    assert [bad["record"] for bad in found["bad"]] == ["record '00000001'", "record '00000003'"]
    assert found["bad"][1]["reason"] == "its label is 3, but the classes are 0 to 2"
    assert call("check", tmp_path / "db") == 0
    (pictures / "dog" / "4.png").write_bytes((pictures / "dog" / "4.png").read_bytes()[:60])
    found = info(pictures, capsys, "check")
    assert [Path(bad["record"]).name for bad in found["bad"]] == ["4.png"]
    np.savez(tmp_path / "a.npz", data=np.array([[1.0], [np.nan]]))
    assert info(tmp_path / "a.npz", capsys, "check")["bad"] == [
        {"record": 'row 1 of "data"', "reason": "it holds values that are not finite"}
    ]


# ---------------------------------------------------------------- as a person would


NET = """
layer {{ name: "data" type: "Data" top: "data" top: "label" data_param {{ source: "db" batch_size: 4 backend: LMDB }}
  transform_param {{ scale: 0.004 crop_size: 5 mirror: true noise: 2 }} }}
layer {{ name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param {{ num_output: {classes} weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "drop" type: "Dropout" bottom: "ip" top: "drop" }}
layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "drop" bottom: "label" top: "loss" }}
solver {{ base_lr: 0.01 max_iter: 9 snapshot: 4 snapshot_prefix: "n" random_seed: 3 }}
"""


def test_a_run_on_a_database_is_resumed_to_the_bit(run: Run, pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "n.net").write_text(NET.format(classes=2))
    done = run("data", "images", "pictures", "db")
    assert (done.code, done.out, done.err) == (0, "", "wrote 6 records to db\n")
    assert run("train", "n.net").code == 0
    whole = (tmp_path / "n_iter_9.caffemodel").read_bytes()
    (tmp_path / "n_iter_9.caffemodel").unlink()
    assert run("train", "n.net", "--snapshot", "n_iter_4.solverstate").code == 0
    assert (tmp_path / "n_iter_9.caffemodel").read_bytes() == whole


def test_a_bad_record_ends_a_run_with_its_name(run: Run, pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "n.net").write_text(NET.format(classes=2))
    values = [writing.encode(pixels.transpose(2, 0, 1), 0) for pixels in images(6, (8, 6, 3))]
    values[3] = values[3][:50]
    write_lmdb(tmp_path / "db", values)
    done = run("train", "n.net")
    assert done.code == 1
    assert "error[DAT002]" in done.err
    assert "record '00000003' of" in done.err
    done = run("train", "n.net", "--on-bad-record", "skip")
    assert done.code == 0
    assert "left out record '00000003' of db: it is not a Datum" in done.err


def test_resizing_is_that_of_the_layer(pictures: Path, tmp_path: Path) -> None:
    call("images", pictures, tmp_path / "db", "--resize", "16x12")
    np.testing.assert_array_equal(
        records(tmp_path / "db")[2][1].image.transpose(1, 2, 0), resize(images(6, (8, 6, 3))[2], 16, 12)
    )


def test_a_label_out_of_range_is_that_of_a_named_record(run: Run, pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "n.net").write_text(NET.format(classes=3))
    values = [writing.encode(pixels.transpose(2, 0, 1), label) for label, pixels in enumerate(images(4, (8, 6, 3)))]
    write_lmdb(tmp_path / "db", values)
    done = run("train", "n.net")
    assert done.code == 1
    assert "error[LAY100]" in done.err
    assert "note: item 3 of the batch that layer \"data\" gave is record '00000003' of" in done.err


def test_training_without_its_data_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "n.net").write_text(NET.format(classes=3).replace("crop_size", "force_gray: true crop_size"))
    done = run("train", "n.net")
    assert done.code == 1
    assert 'error[DAT016]: layer "data" (Data): there is no database "db"' in done.err
