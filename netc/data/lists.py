"""Text files that list images, and folders of images by class."""

from __future__ import annotations

import math
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Literal, NamedTuple

from netc.data.codes import BAD_LIST
from netc.data.labels import label_problem
from netc.data.mistaken import SUFFIXES, not_this
from netc.errors import Diagnostic, NetError, Report, Source, Span
from netc.files import read_regular, text_of
from netc.formats import format_of

Split = Literal["all", "train", "test"]
_CLASSES = "a folder with folders of images"
_MOST_SHOWN = 20
_MOST_BYTES = 1 << 29  # of a text file: lists of ten million images have fewer


class Listed(NamedTuple):
    """An image file and its labels: several, or one that is no whole number, where a list has them."""

    path: str
    label: float
    more: tuple[float, ...] = ()

    @property
    def labels(self) -> tuple[float, ...]:
        return (self.label, *self.more)


def read_list(path: Path) -> list[Listed]:
    """The lines of an ImageData list: a path, which may have spaces, and its labels after it.

    As in Caffe the last word is the label; but if the first line has several numbers after the name of an image file
    ("a.png 1 0.5"), they all are, and each line has as many.
    Raises NetError: DAT009 with all lines that make no sense, DAT012 if it is no text file.
    """
    source = read_text(path, "a list of images")
    found: list[Listed] = []
    report, count = Report(), 0
    for number, line in enumerate(source.text.split("\n"), 1):
        if not line.strip():
            continue
        count = count or _labels_in(line)
        name, *labels = line.strip().rsplit(maxsplit=count)
        reason = _labels_problem(name if len(labels) == count else "", labels, count)
        if reason:
            bad_line(report, source, number, reason)
        else:
            first, *more = map(_number, labels)
            found.append(Listed(name, first, tuple(more)))
    report.finish()
    return found


def _labels_in(line: str) -> int:
    """How many labels a line has: a path may end in numbers, too, but not after the ending of an image file."""
    words = line.split()
    count = next((i for i, word in enumerate(reversed(words)) if not _is_number(word)), 0)
    return count if count > 1 and Path(words[-count - 1]).suffix.lower() in SUFFIXES else 1


def _is_number(word: str) -> bool:
    try:
        return math.isfinite(float(word)) and "_" not in word
    except ValueError:
        return False


def _number(word: str) -> float:
    """A label: an int where it is written as one, so that none is rounded unseen."""
    try:
        return int(word)
    except ValueError:
        return float(word)


def check_whole(path: Path, listed: Sequence[Listed]) -> None:
    """Refuse a list whose labels a Datum cannot hold: it has one whole number. Raises NetError(DAT009)."""
    wrong = next((entry for entry in listed if entry.more or not isinstance(entry.label, int)), None)
    if wrong is not None:
        shown = " ".join(map(str, wrong.labels))
        message = f"{path}: the labels of {wrong.path} are {shown}; a record of a database has one whole number"
        raise NetError(Diagnostic(BAD_LIST, message, help="train on the list (ImageData), or keep the labels in HDF5"))


def read_text(path: Path, what: str = "a text file") -> Source:
    """A text file, without a byte order mark. what: it is to be. Raises NetError(DAT012)."""
    try:
        data = read_regular(path, _MOST_BYTES)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise not_this(path, what, f"{path} cannot be read: {reason}") from None
    if b"\0" in data or format_of(data) == "UTF-16":
        raise not_this(path, what, f"{path} is not a text file")
    return Source(str(path), text_of(data))


def bad_line(report: Report, source: Source, number: int, reason: str) -> None:
    """Report a line of a list file (the first twenty of them)."""
    if len(report.diagnostics) < _MOST_SHOWN:
        start = source.line_starts[number - 1]
        span = Span(source, start, start + len(source.line(number)))
        report.error(BAD_LIST, f"line {number} of {source.path}: {reason}", span)


def _labels_problem(name: str, labels: Sequence[str], count: int) -> str:
    if not name:
        several = f"it needs a path and {count} labels, as the first line has"
        return several if count > 1 else "it needs a path, a space and a label"
    wrong = next((label for label in labels if not _is_number(label)), None)
    if wrong is not None:
        return f'the label "{wrong}" is not a number'
    return next((problem for label in labels if (problem := label_problem(_number(label)))), "")


def read_folder(path: Path) -> tuple[list[Listed], list[str]]:
    """The image files below the class folders of a folder (label: the class's place by name), and the classes.

    Raises NetError(DAT012) if there are no folders in it.
    """
    try:
        classes = sorted(p.name for p in path.iterdir() if p.is_dir() and not p.name.startswith("."))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise not_this(path, _CLASSES, f"{path} cannot be read: {reason}") from None
    if not classes:
        raise not_this(path, _CLASSES, f"{path} has no folders; it needs one for each class, with its images")
    found = []
    for label, name in enumerate(classes):
        files = sorted(p for p in (path / name).rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
        found += [Listed(file.relative_to(path).as_posix(), label) for file in files]
    return found, classes


def part_of(listed: Sequence[Listed], split: Split, test_share: float) -> list[Listed]:
    """The images of a split of a folder, in their order.

    Of each class, `test_share` of the images are the test split, but at least one, and never all; a class of one image
    has none there. Which ones follows from hashes of their paths: a photo that is added moves few others.
    """
    if split == "all":
        return list(listed)
    classes: dict[float, list[Listed]] = {}
    for image in listed:
        classes.setdefault(image.label, []).append(image)
    test = {
        image.path
        for images in classes.values()
        for image in sorted(images, key=_draw)[: min(len(images) - 1, max(1, round(test_share * len(images))))]
    }
    return [image for image in listed if (image.path in test) == (split == "test")]


def _draw(image: Listed) -> bytes:
    return blake2b(image.path.encode("utf-8", "surrogateescape"), digest_size=8).digest()
