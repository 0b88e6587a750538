"""A look at a folder of photos before there is a net for them: classes, sizes, colours, mean and spread."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from netc.data.bad import BadRecordError
from netc.data.images import opened, read_bytes, read_image
from netc.data.lists import Listed, part_of, read_folder
from netc.data.resize import resize
from netc.layer import Array

TEST_SHARE = 0.2
TRAIN_FOLDERS = ("train", "training")
TEST_FOLDERS = ("test", "testing", "val", "valid", "validation")
MOST_SIZES = 5000
"""Of more photos, so many, evenly spread, are opened for their sizes..."""
MOST_PIXELS = 200
"""...and so many are decoded for their mean."""
_SIDE = 64  # that photos are made before their pixels are counted


@dataclass(frozen=True)
class Part:
    """A folder that has a folder for each class, and its photos by class."""

    folder: Path
    counts: dict[str, int]

    @property
    def count(self) -> int:
        return sum(self.counts.values())


@dataclass(frozen=True)
class Look:
    """What was seen of photos.

    train, test: their parts; of one folder, both are parts of it. divided: whether there are two folders. heights,
    widths: sorted, of those opened. mean: for each channel, blue first (one, if all are grey); deviation: of all
    channels together. bad: names of files, and why they cannot be read.
    """

    train: Part
    test: Part
    divided: bool
    heights: list[int]
    widths: list[int]
    gray: bool
    mean: list[float]
    deviation: float
    bad: list[tuple[str, str]] = field(default_factory=list)


def look_at(folder: Path, progress: Callable[[int, int], None] = lambda done, total: None) -> Look:
    """Look at the photos of a folder that has a folder for each class; or folders `train` and `test` (`val`) that do.

    Raises NetError(DAT012) if it is no such folder.
    """
    train_folder, test_folder = _parts(folder)
    listed, names = read_folder(train_folder)
    if test_folder is None:
        pieces = (part_of(listed, "train", TEST_SHARE), part_of(listed, "test", TEST_SHARE))
        train, test = (Part(folder, _counts(piece, names)) for piece in pieces)
    else:
        train = Part(train_folder, _counts(listed, names))
        test = Part(test_folder, _counts(*read_folder(test_folder)))
    paths = [train_folder / image.path for image in listed]
    sizes, gray, bad = _sizes(_spread(paths, MOST_SIZES), progress)
    unread = {name for name, _ in bad}
    mean, deviation = _pixels(_spread([p for p in paths if str(p) not in unread], MOST_PIXELS), gray)
    heights, widths = (sorted(side) for side in zip(*sizes, strict=True)) if sizes else ([], [])
    return Look(train, test, test_folder is not None, heights, widths, gray, mean, deviation, bad)


def _parts(folder: Path) -> tuple[Path, Path | None]:
    """The folders to train and to test on; None where one folder is both."""
    inside = {path.name.lower(): path for path in sorted(folder.iterdir()) if path.is_dir()} if folder.is_dir() else {}
    train = next((inside[name] for name in TRAIN_FOLDERS if name in inside), None)
    test = next((inside[name] for name in TEST_FOLDERS if name in inside), None)
    return (folder, None) if train is None or test is None else (train, test)


def _counts(listed: Sequence[Listed], names: Sequence[str]) -> dict[str, int]:
    counted = Counter(image.label for image in listed)
    return {name: counted[label] for label, name in enumerate(names)}


def _spread(paths: Sequence[Path], most: int) -> list[Path]:
    """At most so many, evenly spread over all classes."""
    step = max(1.0, len(paths) / most)
    return [paths[int(i * step)] for i in range(min(len(paths), most))]


def _sizes(
    paths: Sequence[Path], progress: Callable[[int, int], None]
) -> tuple[list[tuple[int, int]], bool, list[tuple[str, str]]]:
    """Heights and widths, whether all are grey, and what cannot be opened."""
    sizes, bad, gray = [], [], True
    for done, path in enumerate(paths, 1):
        try:
            with opened(read_bytes(path)) as image:
                sizes.append((image.size[1], image.size[0]))
                gray = gray and image.mode in ("1", "L", "LA", "I", "I;16")
        except BadRecordError as error:
            bad.append((str(path), str(error)))
        progress(done, len(paths))
    return sizes, gray and bool(sizes), bad


def _pixels(paths: Sequence[Path], gray: bool) -> tuple[list[float], float]:
    """The mean of each channel, and the standard deviation of all pixels from it (at least 1)."""
    seen: list[Array] = []
    for path in paths:
        try:
            image = resize(read_image(path, "gray" if gray else "color"), _SIDE, _SIDE)
        except BadRecordError:  # a file that opens and does not decode is named when it is trained on
            continue
        seen.append(image.reshape(-1, image.shape[2]))
    if not seen:
        return [0.0] * (1 if gray else 3), 1.0
    pixels = np.concatenate(seen).astype(np.float64)
    mean = pixels.mean(axis=0)
    return [float(m) for m in mean], max(1.0, float(np.sqrt(((pixels - mean) ** 2).mean())))
