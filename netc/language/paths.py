"""Where the files are that a file names: those that it imports, and those whose lines it reads."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

MARKS = (".git", "pyproject.toml")


def project_root(path: str) -> Path:
    """The nearest directory above a file that marks a project, or the file's own."""
    here = Path(os.path.realpath(path)).parent
    for directory in (here, *here.parents):
        if any((directory / mark).exists() for mark in MARKS):
            return directory
    return here


def resolve(written: str, importer: str, root: Path) -> Path | str:
    """The file that a path in another file means, or why it may not. Symbolic links count as where they lead."""
    if not written or "\\" in written or "\0" in written:
        return "write a relative path with `/`"
    if PurePosixPath(written).is_absolute() or Path(written).is_absolute() or Path(written).drive:
        return "an absolute path is not taken; write it relative to this file"
    folder = Path(importer).parent
    saved = os.path.exists(importer) or (folder.is_absolute() and folder.is_dir())  # or will be, says an editor
    base = folder if saved else root
    found = Path(os.path.realpath(base / written))
    if not found.is_relative_to(os.path.realpath(root)):
        return "it lies outside the project's root"
    return found


def shown(written: str, importer: str) -> str:
    """A path in a file as messages name it."""
    return os.path.normpath(os.path.join(os.path.dirname(importer), written))


def is_odd(path: Path) -> bool:
    """Whether something is there that is neither a file nor a folder: reading a pipe could wait for ever."""
    return os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)
