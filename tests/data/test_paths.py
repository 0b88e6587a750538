"""Paths in lists and in nets: as Caffe takes them; and where nothing is, what was meant."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from netc.cli import cli
from netc.data import open_source
from netc.data.images import encode_image
from netc.data.paths import Root, meant, meant_source
from netc.errors import NetError
from tests.data.common import images, layer, read, refused
from tests.data.test_window_data import FILE

(PIXELS,) = images(1, (20, 30, 3))
LABELS = PIXELS[..., :1] % 5
SLASHES = "write / between folders, not \\"
QUOTES = "leave out the quotes around the paths"


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Images, labels and rows in `here/data`; the list is in `here`, and the current directory is another."""
    folder = tmp_path / "here" / "data"
    folder.mkdir(parents=True)
    (folder / "Cat 1.png").write_bytes(encode_image(PIXELS, "png"))
    (folder / "cat.png").write_bytes(encode_image(PIXELS, "png"))
    (folder / "labels.png").write_bytes(encode_image(LABELS, "png"))
    with h5py.File(folder / "rows.h5", "w") as file:
        file["data"], file["label"] = np.zeros((4, 2)), np.zeros(4)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return tmp_path / "here"


CASES: tuple[tuple[str, str, str], ...] = (  # root_folder, the name of the list for data/cat.png, the help
    ("", '"data/cat.png"', QUOTES),
    ("", "'data/cat.png'", QUOTES),
    ("", "data\\cat.png", SLASHES),
    ("", '"data\\cat.png"', f"{QUOTES}; {SLASHES}"),
    ("data", "cat.png", 'write root_folder: "data/": it is put before each path as it is'),
    ("data", '"cat.png"', f'{QUOTES}; write root_folder: "data/": it is put before each path as it is'),
    ("", "Data/CAT.png", 'it is called "data/cat.png": small and capital letters differ'),
    ("", "/home/someone/data/cat.png", 'take "/home/someone/" off the paths of the list'),
    ("data/", "train/cat.png", 'take "train/" off the paths of the list'),
    (
        "",
        "C:\\photos\\data\\cat.png",
        'take "C:\\photos\\" off the paths of the list, and write / between folders, not \\',
    ),
)


def image_data(folder: Path, root: str, name: str) -> object:
    (folder / "list.txt").write_text(f"{name} 0\n")
    return layer("ImageData", f'image_data_param {{ source: "{folder}/list.txt" root_folder: "{root}" }}')


def dense(folder: Path, root: str, name: str) -> object:
    (folder / "list.txt").write_text(f"{name} {name}\n")
    return layer("DenseImageData", f'dense_image_data_param {{ source: "{folder}/list.txt" root_folder: "{root}" }}')


def windows(folder: Path, root: str, name: str) -> object:
    text = FILE.replace("{folder}/0.png", name).replace("{folder}/1.png", name)
    (folder / "list.txt").write_text(text)
    fields = f'source: "{folder}/list.txt" root_folder: "{root}" batch_size: 2'
    return layer("WindowData", f"window_data_param {{ {fields} }} transform_param {{ crop_size: 6 }}")


@pytest.mark.parametrize(("root", "name", "help"), CASES)
@pytest.mark.parametrize(("make", "code"), [(image_data, "DAT011"), (dense, "DAT011"), (windows, "DAT002")])
def test_lists_of_images(
    files: Path, make: Callable[[Path, str, str], object], code: str, root: str, name: str, help: str
) -> None:
    found = refused(read, make(files, root, name))
    assert found.code.id == code
    assert found.span is not None
    assert (found.help or "").endswith(help)


def test_labels_that_are_not_there(files: Path) -> None:
    (files / "list.txt").write_text("data/cat.png data\\labels.png\n")
    source = open_source(
        layer("DenseImageData", f'dense_image_data_param {{ source: "{files}/list.txt" }}'), "TRAIN", 1
    )
    out = [np.zeros(shape, np.float32) for shape in source.shapes()]
    assert refused(source.next, out).help == SLASHES


@pytest.mark.parametrize(
    ("name", "help"),
    [
        (name.replace("cat.png", "rows.h5").replace("CAT.png", "ROWS.h5"), help)
        for root, name, help in CASES
        if not root
    ],
)
def test_lists_of_hdf5_files(files: Path, name: str, help: str) -> None:
    (files / "list.txt").write_text(f"{name}\n")
    found = refused(read, layer("HDF5Data", f'hdf5_data_param {{ source: "{files}/list.txt" batch_size: 2 }}'))
    assert found.code.id == "DAT016"
    assert (found.help or "").endswith(help.replace("cat.png", "rows.h5"))


def test_a_later_image_is_explained_as_well(files: Path) -> None:
    (files / "list.txt").write_text('data/cat.png 0\n"data/cat.png" 1\n')
    record = layer("ImageData", f'image_data_param {{ source: "{files}/list.txt" batch_size: 2 }}')
    found = refused(read, record)
    assert (found.code.id, found.help) == ("DAT002", QUOTES)


def test_caffe_s_meaning_stays(files: Path) -> None:
    """The root is put before the path as it is; a quote is a letter; what is there is taken."""
    for root, name in (("data/", "cat.png"), ("data/c", "at.png"), ("", "data/Cat 1.png"), ("", "'q'.png")):
        (files / "'q'.png").write_bytes(encode_image(PIXELS, "png"))
        ((image, _),) = read(image_data(files, root, name))
        assert image.shape == (1, 3, 20, 30)


def test_nothing_is_guessed_where_nothing_is(files: Path) -> None:
    for root, name in (("", "data/dog.png"), ("data/", '"dog.png"'), ("", ""), ("", "\0"), ("", "data/" * 50 + "x")):
        assert meant(Root(root, files), name) is None


@pytest.mark.parametrize(
    ("name", "help"),
    [
        ("data\\\\cat.png", 'write "data/cat.png"'),
        ("DATA/cat.png", 'it is called "data/cat.png": small and capital letters differ'),
        ("\\'data/cat.png\\'", 'write "data/cat.png"'),
        ("data\\n\\tcat.png", 'in quotes a backslash begins a special character: write "data/n/tcat.png"'),
        ("data/dog.png", "put it there"),
    ],
)
def test_a_source_that_is_not_there(files: Path, name: str, help: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(files)
    for type, field in (
        ("ImageData", "image_data_param"),
        ("HDF5Data", "hdf5_data_param"),
        ("Data", "data_param"),
        ("DenseImageData", "dense_image_data_param"),
        ("WindowData", "window_data_param"),
        ("ArrayData", "array_data_param"),
        ("IDXData", "idx_data_param"),
        ("AnnotatedData", "data_param"),
        ("Text", "text_param"),
    ):
        found = refused(open_source, layer(type, f'{field} {{ source: "{name}" batch_size: 1 }}'), "TRAIN", 1)
        assert found.code.id == "DAT016", type
        assert (found.help or "").startswith(help), type


def test_the_help_on_a_source_is_of_the_net_s_folder(files: Path) -> None:
    assert meant_source(layer("Data", ""), "data\\cat.png") is None  # the text of the layer stands nowhere


def test_commands_explain_it(files: Path) -> None:
    (files / "list.txt").write_text('"data/cat.png" 0\n')
    checked = CliRunner().invoke(cli, ["data", "check", str(files / "list.txt")])
    assert QUOTES in checked.output
    for arguments in (["images", str(files / "list.txt"), "out"], ["boxes", str(files / "pairs.txt"), "out"]):
        (files / "pairs.txt").write_text('data/cat.png "data/boxes.txt"\n')
        (files / "data" / "boxes.txt").write_text("1 0 0 5 5\n")
        with pytest.raises(NetError) as caught:
            CliRunner().invoke(cli, ["data", *arguments], standalone_mode=False, catch_exceptions=False)
        assert [(d.code.id, d.help) for d in caught.value.diagnostics] == [("DAT002", QUOTES)]


@pytest.mark.skipif(sys.platform == "win32", reason="names may not end in a blank there")
def test_a_root_that_is_a_folder_of_tools(files: Path) -> None:
    """`--root` of a command takes a folder with or without its slash, as convert_imageset does."""
    for root in (f"{files}/data", f"{files}/data/"):
        assert Root(root, files, tools=True).path("cat.png") == files / "data/cat.png"
    assert Root(f"{files}/data/c", files, tools=True).path("at.png") == files / "data/cat.png"
