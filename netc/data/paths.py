"""Where the files are that a data layer names."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from netc.files import near
from netc.schema.record import Record

SAMPLES = "sklearn:"


def find(record: Record, name: str) -> Path | None:
    """The path of a data layer's file, or None if it is nowhere.

    It is tried from the current directory, as Caffe does, then from that of the net's file and from those above it. A
    name that begins with `sklearn:` is one of the sample images that scikit-learn has: china.jpg, flower.jpg.
    """
    if name.startswith(SAMPLES):
        return _sample(name.removeprefix(SAMPLES))
    folder = Path(record.span.source.path).absolute().parent if record.span is not None else None
    return near(name, folder, folders=True) if name else None


@cache
def samples() -> Path | None:
    """The folder of scikit-learn's images, if it is installed; found without importing it, which takes a second."""
    package = find_spec("sklearn")
    folders = package.submodule_search_locations or [] if package else []
    return next((Path(folder) / "datasets" / "images" for folder in folders), None)


def _sample(name: str) -> Path | None:
    folder = samples()
    path = folder / Path(name).name if folder else None
    return path if path and path.is_file() else None


def beside(path: str, folder: Path) -> Path:
    """A path that stands in a list file: from the current directory, or else from the list's own."""
    plain = Path(path)
    if plain.is_absolute() or _exists(plain):
        return plain
    return folder / plain if _exists(folder / plain) else plain


def rooted(root: str, path: str) -> str:
    """A path behind a root: a folder, or just what it starts with, as Caffe's tools take it."""
    return str(Path(root, path)) if root and Path(root).is_dir() else root + path


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that no file can have
        return False
