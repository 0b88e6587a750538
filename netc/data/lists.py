"""Text files that list images, and folders of images by class."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from netc.data.codes import BAD_LIST, NOT_DATA
from netc.data.labels import label_problem
from netc.errors import Diagnostic, NetError, Report, Source, Span
from netc.files import read_regular

SUFFIXES = frozenset((".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"))
_MOST_SHOWN = 20
_MOST_BYTES = 1 << 29  # of a text file: lists of ten million images have fewer


class Listed(NamedTuple):
    """An image file and its label."""

    path: str
    label: int


def read_list(path: Path) -> list[Listed]:
    """The lines of an ImageData list: a path, which may have spaces, and a label after the last one.

    Raises NetError: DAT009 with all lines that make no sense, DAT012 if it is no text file.
    """
    source = read_text(path)
    found, report = [], Report()
    for number, line in enumerate(source.text.split("\n"), 1):
        if not line.strip():
            continue
        name, _, label = line.rstrip("\r\t ").rpartition(" ")
        reason = _label_problem(name.strip(), label)
        if reason:
            bad_line(report, source, number, reason)
        else:
            found.append(Listed(name.strip(), int(label)))
    report.finish()
    return found


def read_text(path: Path) -> Source:
    """A text file. Raises NetError(DAT012)."""
    try:
        data = read_regular(path, _MOST_BYTES)
        text = data.decode("utf-8", "surrogateescape")
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", "") or str(error)).lower()
        raise NetError(Diagnostic(NOT_DATA, f"{path} cannot be read: {reason}")) from None
    if "\0" in text:
        raise NetError(Diagnostic(NOT_DATA, f"{path} is not a text file"))
    return Source(str(path), text)


def bad_line(report: Report, source: Source, number: int, reason: str) -> None:
    """Report a line of a list file (the first twenty of them)."""
    if len(report.diagnostics) < _MOST_SHOWN:
        start = source.line_starts[number - 1]
        span = Span(source, start, start + len(source.line(number)))
        report.error(BAD_LIST, f"line {number} of {source.path}: {reason}", span)


def _label_problem(name: str, label: str) -> str:
    if not name:
        return "it needs a path, a space and a label"
    try:
        value = int(label)
    except ValueError:
        return f'the label "{label}" is not a whole number'
    return label_problem(value)


def read_folder(path: Path) -> tuple[list[Listed], list[str]]:
    """The image files below the class folders of a folder (label: the class's place by name), and the classes.

    Raises NetError(DAT012) if there are no folders in it.
    """
    try:
        classes = sorted(p.name for p in path.iterdir() if p.is_dir() and not p.name.startswith("."))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise NetError(Diagnostic(NOT_DATA, f"{path} cannot be read: {reason}")) from None
    if not classes:
        raise NetError(Diagnostic(NOT_DATA, f"{path} has no folders; it needs one for each class, with its images"))
    found = []
    for label, name in enumerate(classes):
        files = sorted(p for p in (path / name).rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
        found += [Listed(file.relative_to(path).as_posix(), label) for file in files]
    return found, classes
