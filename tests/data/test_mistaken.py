"""What is given in the place of something else is called by its name, with what to write to read it."""

from __future__ import annotations

import gzip
from pathlib import Path

import h5py
import numpy as np
import pytest

from netc.data import open_source
from netc.data.images import encode_image
from netc.data.survey import open_dataset
from netc.errors import NetError
from netc.schema.record import Record
from tests.data.common import image_lmdb, images, layer

(PIXELS,) = images(1, (6, 5, 3))


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One of everything that people have."""
    folder = tmp_path_factory.mktemp("there")
    image = encode_image(PIXELS, "png")
    image_lmdb(folder / "lmdb", images(2))
    (folder / "above").mkdir()
    image_lmdb(folder / "above/train_lmdb", images(2))
    for name in ("level/CURRENT", "photos/a.png", "classes/cats/a.png", "other/readme.txt", "empty/x"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(image if name.endswith("png") else b"something")
    (folder / "empty/x").unlink()
    with h5py.File(folder / "rows.h5", "w") as file:
        file["data"] = np.zeros((2, 3))
    np.savez(folder / "rows.npz", data=np.zeros((2, 3)))
    np.save(folder / "rows.npy", np.zeros((2, 3)))
    (folder / "image.jpg").write_bytes(encode_image(PIXELS, "jpg"))
    (folder / "train-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03" + b"\0\0\0\1" * 3 + b"\7")
    texts = {
        "images.txt": "photos/a.png 1\n",
        "quoted.txt": '"photos/a.png" 1\n',
        "pairs.txt": "photos/a.png photos/a.png\n",
        "list.txt": "rows.h5\n",
        "windows.txt": "# 0\nphotos/a.png\n3 6 5 0\n",
        "net.prototxt": 'name: "x"\n',
        "table.csv": "a,b\n1,2\n",
        "page.txt": "<!DOCTYPE html><html></html>",
        "pointer.txt": "version https://git-lfs.github.com/spec/v1\n",
        "words.txt": "one\ntwo\n",
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    (folder / "utf16.txt").write_text("photos/a.png 1\n", encoding="utf-16")
    (folder / "binary").write_bytes(b"\x01\0\x02\0" * 50)
    return folder


SOURCES = {
    "Data": ("data_param", "an LMDB database"),
    "AnnotatedData": ("data_param", "an LMDB database"),
    "ImageData": ("image_data_param", "a list of images"),
    "DenseImageData": ("dense_image_data_param", "a list of pairs of images"),
    "WindowData": ("window_data_param", "a window file"),
    "HDF5Data": ("hdf5_data_param", "a list of HDF5 files"),
    "ImageFolder": ("image_folder_param", "a folder with folders of images"),
    "IDXData": ("idx_data_param", "an IDX file"),
}


def reading(type: str, source: Path) -> Record:
    """A layer of this type that reads what is at a path."""
    fields = f'{SOURCES[type][0]} {{ source: "{source}" batch_size: 1 }} transform_param {{ crop_size: 2 }}'
    return layer(type, fields, ("data",) if type == "IDXData" else ("data", "label"))


LMDB_HELP = "a Data layer reads it: `data_param { source: ... backend: LMDB }`"
GIVEN: tuple[tuple[str, str, str, str], ...] = (  # layer, what is given, what it is called, the help
    ("Data", "above", "a folder that has an LMDB database in it", 'give that: source: "THERE/above/train_lmdb"'),
    ("Data", "photos", "a folder of images", "write a list with a path and a label in each line"),
    ("Data", "classes", "a folder with folders of images", "an ImageFolder layer reads it"),
    ("Data", "other", "a folder", "give the path of the file"),
    ("Data", "empty", "a folder", "it is empty"),
    ("Data", "images.txt", "a list of images", "an ImageData layer reads it"),
    ("Data", "quoted.txt", "a list of images", "an ImageData layer reads it"),
    ("Data", "rows.h5", "an HDF5 file", "write its path into a text file"),
    ("Data", "image.jpg", "an image", "write a list"),
    ("Data", "net.prototxt", "a net or a solver", "give the file that its data layer names"),
    ("AnnotatedData", "photos", "a folder of images", "write a list"),
    ("ImageData", "lmdb", "an LMDB database", LMDB_HELP),
    ("ImageData", "lmdb/data.mdb", "the data of an LMDB database", LMDB_HELP),
    ("ImageData", "level", "a LevelDB database", "convert it once into an LMDB"),
    ("ImageData", "photos", "a folder of images", "write a list"),
    ("ImageData", "classes", "a folder with folders of images", "an ImageFolder layer reads it"),
    ("ImageData", "image.jpg", "an image", "write a list with its path and a label in a line"),
    ("ImageData", "rows.h5", "an HDF5 file", "write its path into a text file"),
    ("ImageData", "utf16.txt", "text in UTF-16", "save it as UTF-8"),
    ("ImageData", "rows.npz", "an archive", "an ArrayData layer reads NPZ files"),
    ("DenseImageData", "lmdb", "an LMDB database", LMDB_HELP),
    ("WindowData", "lmdb", "an LMDB database", LMDB_HELP),
    ("HDF5Data", "rows.h5", "an HDF5 file", "write its path into a text file, a line for each such file"),
    ("HDF5Data", "lmdb", "an LMDB database", LMDB_HELP),
    ("HDF5Data", "images.txt", "a list of images", "an ImageData layer reads it"),
    ("HDF5Data", "table.csv", "a table", "an ArrayData layer reads CSV files"),
    ("HDF5Data", "page.txt", "an HTML page", "download the file itself"),
    ("HDF5Data", "pointer.txt", "a Git LFS pointer", "`git lfs pull`"),
    ("ImageFolder", "photos", "a folder of images", "write a list"),
    ("ImageFolder", "lmdb", "an LMDB database", LMDB_HELP),
    ("ImageFolder", "images.txt", "a list of images", "an ImageData layer reads it"),
    ("IDXData", "images.txt", "a list of images", "an ImageData layer reads it"),
    ("IDXData", "rows.npy", "an array of NumPy's", "np.savez"),
    ("IDXData", "lmdb", "an LMDB database", LMDB_HELP),
)


@pytest.mark.parametrize(("type", "name", "what", "help"), GIVEN, ids=[f"{g[0]}-{g[1]}" for g in GIVEN])
def test_it_is_called_by_its_name(there: Path, type: str, name: str, what: str, help: str) -> None:
    wanted = SOURCES[type][1]
    record = reading(type, there / name)
    with pytest.raises(NetError) as caught:
        open_source(record, "TRAIN", 1)
    (found,) = caught.value.diagnostics
    assert found.code.id == "DAT012"
    assert found.span is not None
    assert found.span.source.text[found.span.start : found.span.end].strip('"') == str(there / name)
    assert found.message == f'layer "d" ({type}): {there / name} is {what}, not {wanted}'
    assert help.replace("THERE", str(there)) in (found.help or "")


@pytest.mark.parametrize("type", SOURCES)
def test_nothing_is_said_of_what_nobody_knows(there: Path, type: str) -> None:
    record = reading(type, there / "binary")
    with pytest.raises(NetError) as caught:
        open_source(record, "TRAIN", 1)
    assert [(d.code.id, d.help) for d in caught.value.diagnostics] == [("DAT012", None)]


def test_commands_name_it_as_well(there: Path) -> None:
    said = {
        "photos": "is a folder of images, not a folder with folders of images",
        "other": "has no folders; it needs one for each class, with its images",
        "empty": "has no folders; it needs one for each class, with its images",
    }
    for name, what in said.items():
        with pytest.raises(NetError) as caught:
            open_dataset(there / name, decode=False)
        assert [(d.code.id, d.message) for d in caught.value.diagnostics] == [("DAT012", f"{there / name} {what}")]


def test_packed_idx_is_read(there: Path, tmp_path: Path) -> None:
    packed = tmp_path / "images.gz"
    packed.write_bytes(gzip.compress((there / "train-images-idx3-ubyte").read_bytes()))
    record = layer("IDXData", f'idx_data_param {{ source: "{packed}" batch_size: 1 }}', ("data",))
    assert open_source(record, "TRAIN", 1).shapes() == ((1, 1, 1, 1),)
