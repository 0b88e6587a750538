"""A source that has as many records as before, but others, says so; one that was moved, copied or touched does not."""

from __future__ import annotations

import gzip
import importlib
import os
import pkgutil
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

import netc.data
from netc.data import open_source
from netc.data.content import SAMPLES, sampled
from netc.data.datum import encode
from netc.data.images import encode_image
from netc.data.reading import Reader
from netc.schema.record import Record
from tests.data.common import Array, images, layer, refused, write_lmdb

COUNT = 6
Make = Callable[[Path, Array, Array], Record]
"""Writes images (N x 3 x 6 x 5) and their labels into a folder; the layer that reads them."""


def _database(folder: Path, pixels: Array, labels: Array) -> Record:
    write_lmdb(folder / "db", (encode(image, int(label)) for image, label in zip(pixels, labels, strict=True)))
    return layer("Data", f'data_param {{ source: "{folder}/db" batch_size: 2 backend: LMDB }}')


def _files(folder: Path, pixels: Array) -> None:
    for i, image in enumerate(pixels):
        (folder / f"{i}.png").write_bytes(encode_image(image.transpose(1, 2, 0), "png"))


def _list(folder: Path, pixels: Array, labels: Array) -> Record:
    _files(folder, pixels)
    (folder / "list.txt").write_text("".join(f"{i}.png {label}\n" for i, label in enumerate(labels)))
    return layer("ImageData", f'image_data_param {{ source: "{folder}/list.txt" batch_size: 2 }}')


def _dense(folder: Path, pixels: Array, labels: Array) -> Record:
    _files(folder, pixels)
    for i, label in enumerate(labels):
        (folder / f"l{i}.png").write_bytes(encode_image(np.full((6, 5, 1), label, np.uint8), "png"))
    (folder / "list.txt").write_text("".join(f"{i}.png l{i}.png\n" for i in range(len(labels))))
    return layer("DenseImageData", f'dense_image_data_param {{ source: "{folder}/list.txt" batch_size: 2 }}')


def _windows(folder: Path, pixels: Array, labels: Array) -> Record:
    _files(folder, pixels)
    lines = "".join(
        f"# {i}\n{i}.png\n3\n6\n5\n2\n{1 + int(label)} 0.9 0 0 3 3\n0 0.1 1 1 4 4\n" for i, label in enumerate(labels)
    )
    (folder / "windows.txt").write_text(lines)
    own = f'window_data_param {{ source: "{folder}/windows.txt" batch_size: 2 fg_threshold: 0.5 bg_threshold: 0.5 }}'
    return layer("WindowData", f"{own} transform_param {{ crop_size: 4 }}")


def _idx(folder: Path, pixels: Array, labels: Array) -> Record:
    for name, values in (("images", pixels[:, 0]), ("labels", labels.astype(np.uint8))):
        head = struct.pack(f">4B{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
        (folder / name).write_bytes(gzip.compress(head + values.tobytes()))
    own = f'source: "{folder}/images" labels: "{folder}/labels" batch_size: 2'
    return layer("IDXData", f"idx_data_param {{ {own} }}")


def _arrays(folder: Path, pixels: Array, labels: Array) -> Record:
    np.savez(folder / "data.npz", data=pixels, label=labels)
    return layer("ArrayData", f'array_data_param {{ source: "{folder}/data.npz" batch_size: 2 }}')


def _hdf5(folder: Path, pixels: Array, labels: Array) -> Record:
    with h5py.File(folder / "data.h5", "w") as file:
        file["data"], file["label"] = pixels.astype(np.float32), labels.astype(np.float32)
    (folder / "list.txt").write_text("data.h5\n")
    return layer("HDF5Data", f'hdf5_data_param {{ source: "{folder}/list.txt" batch_size: 2 }}')


KINDS: list[Make] = [_database, _list, _dense, _windows, _idx, _arrays, _hdf5]
every_kind = pytest.mark.parametrize("make", KINDS, ids=lambda make: make.__name__)


def data(count: int = COUNT) -> tuple[Array, Array]:
    return images(count), np.arange(count) % 3


def made(make: Make, folder: Path, pixels: Array, labels: Array) -> Record:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return make(folder, pixels, labels)


@every_kind
@pytest.mark.parametrize("what", ["an image", "a label", "their order"])
def test_other_records_are_noticed(make: Make, what: str, tmp_path: Path) -> None:
    pixels, labels = data()
    state = open_source(made(make, tmp_path / "a", pixels, labels), "TRAIN", 1).state()
    if what == "an image":
        pixels[COUNT - 2] ^= 1
    elif what == "a label":
        labels[COUNT - 2] += 1
    else:
        pixels, labels = pixels[::-1].copy(), labels[::-1].copy()
    source = open_source(made(make, tmp_path / "a", pixels, labels), "TRAIN", 1)
    before = source.state()
    said = refused(source.restore, state)
    assert said.code.id == "DAT010"
    assert f"{state['count']:,} records as when the snapshot was made, but others" in said.message
    assert source.state() == before


@every_kind
def test_the_same_records_elsewhere_are_the_same(make: Make, tmp_path: Path) -> None:
    source = open_source(made(make, tmp_path / "a", *data()), "TRAIN", 1)
    source.next([np.empty(shape, np.float32) for shape in source.shapes()])
    state = source.state()
    (tmp_path / "b").mkdir()
    other = open_source(made(make, tmp_path / "b/c", *data()), "TRAIN", 1)
    for path in (tmp_path / "b/c").iterdir():
        os.utime(path, (1, 1))
    other.restore(state)
    assert other.state() == state


def test_a_state_of_before_this_was_noted_is_taken(tmp_path: Path) -> None:
    source = open_source(made(_list, tmp_path / "a", *data()), "TRAIN", 1)
    state = source.state()
    del state["content"]
    source.restore(state)


def test_every_reader_tells_its_records_from_others() -> None:
    modules = [importlib.import_module(f"netc.data.{each.name}") for each in pkgutil.iter_modules(netc.data.__path__)]
    readers = {value for module in modules for value in vars(module).values() if hasattr(value, "fetch")}
    assert len(readers - {Reader}) >= 7
    assert [each for each in readers - {Reader} if not hasattr(each, "content")] == []


def test_samples() -> None:
    assert sampled(0) == []
    assert sampled(1) == [0]
    assert sampled(5) == [0, 1, 2, 3, 4]
    many = sampled(10**6)
    assert (many[0], many[-1], len(many)) == (0, 10**6 - 1, SAMPLES)


def test_a_source_that_has_become_unreadable_has_a_state_all_the_same(tmp_path: Path) -> None:
    """Whoever reads the records says what is wrong with them."""
    source = open_source(made(_hdf5, tmp_path / "a", *data()), "TRAIN", 1)
    (tmp_path / "a/data.h5").unlink()
    assert source.state()["count"] == COUNT
