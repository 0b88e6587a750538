"""Where an import leads, and that it may."""

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
    """The file that an import means, or why it may not be imported. Symbolic links count as where they lead."""
    if not written or "\\" in written or "\0" in written:
        return "write a relative path with `/`"
    if PurePosixPath(written).is_absolute() or Path(written).is_absolute() or Path(written).drive:
        return "absolute paths are not imported; write it relative to this file"
    folder = Path(importer).parent
    saved = os.path.exists(importer) or (folder.is_absolute() and folder.is_dir())  # or will be, says an editor
    base = folder if saved else root
    found = Path(os.path.realpath(base / written))
    if not found.is_relative_to(os.path.realpath(root)):
        return "it lies outside the project's root"
    return found
