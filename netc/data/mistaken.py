"""What is at a path where a source expects something else, and what to write to read it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from netc.data.codes import NOT_DATA
from netc.errors import Diagnostic, NetError
from netc.files import open_regular, text_of
from netc.formats import format_of

SUFFIXES = frozenset((".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"))
"""How the names of image files end."""
HDF5_SUFFIXES = (".h5", ".hdf5")
_HEAD = 4096  # bytes that tell a file from others
_MOST_ENTRIES = 200  # of a folder
_LMDB_MAGIC, _IDX_TYPES = b"\xde\xc0\xef\xbe", (8, 9, 11, 12, 13, 14)


class Found(NamedTuple):
    """What is at a path ("an HDF5 file"), and how it is read."""

    what: str
    use: str


def not_this(path: Path, wanted: str, otherwise: str, where: Path | None = None) -> NetError:
    """That what is at a path is not what is wanted ("an LMDB database"): DAT012, with what it is and what reads it.

    otherwise: the message if nobody can tell what it is. where: the path that the message names, if that is another.
    """
    found = _what_is(path)
    if found is None or found.what == wanted or (found.what == _FOLDER and wanted.startswith(_FOLDER)):
        return NetError(Diagnostic(NOT_DATA, otherwise))
    return NetError(Diagnostic(NOT_DATA, f"{where or path} is {found.what}, not {wanted}", help=found.use))


def check_kind(path: Path, wanted: str) -> None:
    """Raise NetError(DAT012) if what is at a path is known to be something else than what is wanted."""
    found = _what_is(path)
    if found is not None and found.what not in (wanted, _ANY_TEXT.what):
        raise not_this(path, wanted, "")


def is_leveldb(path: Path) -> bool:
    """Whether a folder is a LevelDB database."""
    return path.is_dir() and not (path / "data.mdb").exists() and (path / "CURRENT").exists()


def is_lmdb(path: Path) -> bool:
    """Whether a folder is an LMDB database, or a file is one's data."""
    return (path / "data.mdb").exists() or (path.is_file() and _head(path)[16:20] == _LMDB_MAGIC)


def _what_is(path: Path) -> Found | None:
    with suppress(OSError):
        return _folder(path) if path.is_dir() else _file(path)
    return None


# ---------------------------------------------------------------- folders

_FOLDER = "a folder"  # of which no more can be said


def _folder(path: Path) -> Found:
    if is_lmdb(path):
        return Found("an LMDB database", "a Data layer reads it: `data_param { source: ... backend: LMDB }`")
    if is_leveldb(path):
        return Found("a LevelDB database", "convert it once into an LMDB: `netc explain DAT005` has the six lines")
    inner = [entry for _, entry in zip(range(_MOST_ENTRIES), sorted(path.iterdir()), strict=False)]
    if any(map(_is_image, inner)):
        use = "write a list with a path and a label in each line, which ImageData reads (or `netc data images`)"
        return Found("a folder of images", use)
    folders = [entry for entry in inner if entry.is_dir()]
    if within := next((entry for entry in folders if is_lmdb(entry)), None):
        return Found("a folder that has an LMDB database in it", f'give that: source: "{within}"')
    if any(_is_image(image) for folder in folders for image in _some(folder)):
        use = "an ImageFolder layer reads it, or make a database of it: `netc data images FOLDER LMDB`"
        return Found("a folder with folders of images", use)
    return Found(_FOLDER, "give the path of the file, or of the database, in it" if inner else "it is empty")


def _some(folder: Path) -> Iterator[Path]:
    with suppress(OSError):
        yield from (entry for _, entry in zip(range(_MOST_ENTRIES), folder.iterdir(), strict=False))


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and path.is_file()


# ---------------------------------------------------------------- files

_FORMATS: dict[str, Found] = {
    "HDF5": Found(
        "an HDF5 file", "write its path into a text file, a line for each such file, and give that to HDF5Data"
    ),
    "ZIP": Found("an archive", "an ArrayData layer reads NPZ files; unpack others"),
    "NumPy": Found("an array of NumPy's", "save it with `np.savez`: an ArrayData layer reads NPZ files"),
    "UTF-16": Found("text in UTF-16", "save it as UTF-8"),
    "HTML": Found("an HTML page", "a web page was saved instead of the file: download the file itself"),
    "Git LFS": Found("a Git LFS pointer", "get the real file with `git lfs pull`"),
}
_IMAGE = Found("an image", "write a list with its path and a label in a line, which ImageData reads")
_LMDB_FILE = Found("the data of an LMDB database", "a Data layer reads it: `data_param { source: ... backend: LMDB }`")
_IDX = Found("an IDX file (MNIST's format)", "an IDXData layer reads it")
_HDF5_LIST = Found("a list of HDF5 files", "an HDF5Data layer reads it")
_IMAGE_LIST = Found("a list of images", "an ImageData layer reads it; `netc data images` makes a database of it")
_PAIR_LIST = Found("a list of pairs of images", "a DenseImageData layer reads it")
_WINDOWS = Found("a window file", "a WindowData layer reads it")
_NET = Found("a net or a solver", "give the file that its data layer names")
_ANY_TEXT = Found("a text file", "give the path of the data itself")
_TABLE = Found("a table", "an ArrayData layer reads CSV files")


def _file(path: Path) -> Found | None:
    head = _head(path)
    if head[16:20] == _LMDB_MAGIC:
        return _LMDB_FILE
    if head[:2] == b"\0\0" and len(head) > 4 and head[2] in _IDX_TYPES and head[3]:
        return _IDX
    format = format_of(head) or ""
    if format in ("PNG", "JPEG") or (path.suffix.lower() in SUFFIXES and b"\0" in head):
        return _IMAGE
    return _FORMATS.get(format) or (_text(path, text_of(head)) if head and b"\0" not in head else None)


def _text(path: Path, text: str) -> Found:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    words = lines[0].split() if lines else []
    if path.suffix in (".prototxt", ".net"):
        return _NET
    if len(words) == 2 and words[0] == "#":
        return _WINDOWS
    if lines and lines[0].lower().endswith(HDF5_SUFFIXES):
        return _HDF5_LIST
    images = [word for word in words if Path(word.strip("\"'")).suffix.lower() in SUFFIXES]
    if images:
        return _PAIR_LIST if len(images) == len(words) == 2 else _IMAGE_LIST
    return _TABLE if path.suffix.lower() == ".csv" else _ANY_TEXT


def _head(path: Path) -> bytes:
    with suppress(OSError), open_regular(path) as file:
        return file.read(_HEAD)
    return b""
