"""Where the files are that a data layer names, or a list; and what was meant where there is none."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache, lru_cache
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from netc.data.bad import BadRecordError
from netc.files import near
from netc.schema.record import Record

SAMPLES = "sklearn:"
_SLASHES = "write / between folders, not \\"
_MOST_ENTRIES = 10_000  # of a folder that is looked through
_ESCAPES = {"\a": "a", "\b": "b", "\f": "f", "\n": "n", "\r": "r", "\t": "t", "\v": "v"}


def find(record: Record, name: str) -> Path | None:
    """The path of a data layer's file, or None if it is nowhere.

    It is tried from the current directory, as Caffe does, then from that of the net's file and from those above it. A
    name that begins with `sklearn:` is one of the sample images that scikit-learn has: china.jpg, flower.jpg.
    """
    if name.startswith(SAMPLES):
        return _sample(name.removeprefix(SAMPLES))
    return near(name, _folder_of(record), folders=True) if name else None


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


def _folder_of(record: Record) -> Path | None:
    return Path(record.span.source.path).absolute().parent if record.span is not None else None


def beside(path: str, folder: Path) -> Path:
    """A path that stands in a list file: from the current directory, or else from the list's own; or a sample image."""
    plain = (_sample(path.removeprefix(SAMPLES)) if path.startswith(SAMPLES) else None) or Path(path)
    if plain.is_absolute() or _exists(plain):
        return plain
    return folder / plain if _exists(folder / plain) else plain


class Root(NamedTuple):
    """Where the files of a list are: `prefix` is put before each name as it is, as Caffe does; `folder` is the list's.

    tools: Caffe's tools take a prefix that is a folder as one, whatever it ends with.
    """

    prefix: str
    folder: Path
    tools: bool = False

    def path(self, name: str) -> Path:
        """The file that a name of the list means."""
        if self.tools and self.prefix and Path(self.prefix).is_dir():
            return beside(str(Path(self.prefix, name)), self.folder)
        return beside(self.prefix + name, self.folder)

    @contextmanager
    def reading(self, name: str) -> Iterator[Path]:
        """Within `with`, a BadRecordError about a file that is not there says what is, where that can be told."""
        path = self.path(name)
        try:
            yield path
        except BadRecordError as error:
            if error.help or _exists(path):
                raise
            raise BadRecordError(str(error), meant(self, name)) from None


# ---------------------------------------------------------------- what was meant


def meant(root: Root, name: str) -> str | None:
    """What to write instead of a name of a list at which nothing is, if something is at what it looks like."""
    for said, prefix, other in _guesses(root.prefix, name):
        if said and _exists(beside(prefix + other, root.folder)):
            return "; ".join(said)
    plain = root.prefix + _plain(name)
    if found := _other_case(plain, root.folder):
        return f'it is called "{found}": small and capital letters differ'
    bare, parts = name.strip("\"'"), Path(_plain(name)).parts
    for count in range(1, len(parts)):
        rest = str(Path(*parts[count:]))
        for before in dict.fromkeys((root.prefix, "")):
            if _plain(name).endswith(rest) and _exists(path := beside(before + rest, root.folder)):
                slashes = f", and {_SLASHES}" if "\\" in bare[-len(rest) :] else ""
                return f'there is {path}: take "{bare[: -len(rest)]}" off the paths of the list{slashes}'
    return None


def meant_source(record: Record, name: str) -> str | None:
    """As `meant`, of a path in the net's file."""
    folder = _folder_of(record)
    if any(escape in name for escape in _ESCAPES):
        whole = "".join(f"\\{_ESCAPES[c]}" if c in _ESCAPES else c for c in name)
        return f'in quotes a backslash begins a special character: write "{_plain(whole)}"'
    for said, _, other in _guesses("", name):
        if said and near(other, folder, folders=True) is not None:
            return f'write "{other}"'
    found = _other_case(_plain(name), folder or Path())
    return f'it is called "{found}": small and capital letters differ' if found else None


def _guesses(prefix: str, name: str) -> Iterator[tuple[list[str], str, str]]:
    """What was meant, from the likeliest on: what to do about it, and the prefix and the name then."""
    unquoted = name.strip("\"'")
    for quotes in (False, True):
        for slashes in (False, True):
            for between in (False, True):
                other = unquoted if quotes else name
                said = ["leave out the quotes around the paths"] if quotes and other != name else []
                if slashes:
                    said += [_SLASHES] if "\\" in prefix + other else []
                    other, root = other.replace("\\", "/"), prefix.replace("\\", "/")
                else:
                    root = prefix
                if between and root and not root.endswith("/"):
                    said.append(f'write root_folder: "{root}/": it is put before each path as it is')
                    root += "/"
                yield said, root, other


def _plain(name: str) -> str:
    return name.strip("\"'").replace("\\", "/")


def _other_case(path: str, folder: Path) -> str:
    """The path of a file that differs from this in small and capital letters only, or ""."""
    for start in (Path(), folder):
        at, found = (Path("/") if path.startswith("/") else start), list[str]()
        for part in Path(path).parts[path.startswith("/") :]:
            name = part if _exists(at / part) else _names(at).get(part.lower(), "")
            if not name or not _exists(at / name):
                break
            at, found = at / name, [*found, name]
        else:
            other = ("/" if path.startswith("/") else "") + "/".join(found)
            return other if Path(other) != Path(path) else ""
    return ""


@lru_cache(64)  # all files of a list may be missing
def _names(folder: Path) -> dict[str, str]:
    """What is in a folder, by its name in small letters."""
    with suppress(OSError), os.scandir(folder) as entries:
        return {entry.name.lower(): entry.name for entry in islice(entries, _MOST_ENTRIES)}
    return {}


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that no file can have
        return False
