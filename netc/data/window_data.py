"""WindowData: windows of images, warped to squares, for training detectors as R-CNN does (Girshick et al. 2014)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from netc.data.bad import BadRecordError
from netc.data.choosing import ordered
from netc.data.codes import BAD_LIST, BAD_TRANSFORM, MEAN_FILE, NO_RECORDS
from netc.data.content import of_files, sampled
from netc.data.draws import Draws
from netc.data.images import decode_image, read_bytes
from netc.data.labels import label_problem
from netc.data.lists import read_text
from netc.data.order import Order, Ticket
from netc.data.paths import Root, find
from netc.data.reading import Reading, blamed, missing, problem
from netc.data.resize import resize
from netc.data.source import Opening, Source, SourceType
from netc.data.transform import mean_of
from netc.data.transform_fields import WINDOWS, check_fields
from netc.errors import Diagnostic, NetError
from netc.layer import Array, Phase, Shape
from netc.schema.record import Record

_PICK, _MIRROR = 0, 1  # numbers of draws


class Window(NamedTuple):
    """A box (corners included) of an image, its class and how much it overlaps an object."""

    image: str
    label: int
    overlap: float
    box: tuple[int, int, int, int]


class Warp(NamedTuple):
    """Which rows and columns of an image are taken, to what size they are warped, and where in the square they go."""

    box: tuple[int, int, int, int]
    height: int
    width: int
    top: int
    left: int


def read_windows(path: Path) -> list[Window]:
    """The windows of a file: `# INDEX`, path, channels, height, width, number, and so many lines of
    `CLASS OVERLAP X1 Y1 X2 Y2`. Raises NetError(DAT009)."""
    source = read_text(path, "a window file")
    words = iter(source.text.split())
    found: list[Window] = []
    for mark in words:
        try:
            if mark != "#":
                raise ValueError(f'"#" and the number of an image are expected, not "{mark}"')
            next(words)
            found += _of_image(words)
        except (ValueError, StopIteration) as error:
            reason = "the file ends too early" if isinstance(error, StopIteration) else str(error)
            message = f"{path}, after {len(found)} windows: {reason}"
            raise NetError(Diagnostic(BAD_LIST, message)) from None
    return found


def _of_image(words: Iterator[str]) -> list[Window]:
    image = next(words)
    sizes = [int(next(words)) for _ in range(3)]
    found = []
    for _ in range(int(next(words))):
        label, overlap = int(next(words)), float(next(words))
        x1, y1, x2, y2 = [int(next(words)) for _ in range(4)]
        if not (0 <= x1 <= x2 < sizes[2] and 0 <= y1 <= y2 < sizes[1]):
            raise ValueError(f"the window {x1} {y1} {x2} {y2} is not inside {image}, {sizes[1]} x {sizes[2]}")
        if problem := label_problem(label, "class"):
            raise ValueError(problem)
        found.append(Window(image, label, overlap, (x1, y1, x2, y2)))
    return found


def warp(
    box: tuple[int, int, int, int], rows: int, columns: int, *, crop: int, pad: int, square: bool, mirror: bool
) -> Warp:
    """How a box of an image is warped to crop x crop with `pad` pixels of context on each side, as Caffe does it."""
    x1, y1, x2, y2 = box
    if not pad and not square:
        return Warp(box, crop, crop, 0, 0)
    grow = crop / (crop - 2 * pad)
    half_height, half_width = (y2 - y1 + 1) / 2, (x2 - x1 + 1) / 2
    centre_x, centre_y = x1 + half_width, y1 + half_height
    if square:
        half_height = half_width = max(half_height, half_width)
    x1, x2 = _round(centre_x - half_width * grow), _round(centre_x + half_width * grow)
    y1, y2 = _round(centre_y - half_height * grow), _round(centre_y + half_height * grow)
    scale_x, scale_y = crop / (x2 - x1 + 1), crop / (y2 - y1 + 1)
    left, right = max(0, -x1), max(0, x2 - columns + 1)
    top, bottom = max(0, -y1), max(0, y2 - rows + 1)
    x1, x2, y1, y2 = x1 + left, x2 - right, y1 + top, y2 - bottom
    width, height = _round((x2 - x1 + 1) * scale_x), _round((y2 - y1 + 1) * scale_y)
    at_x, at_y = _round((right if mirror else left) * scale_x), _round(top * scale_y)
    return Warp((x1, y1, x2, y2), min(height, crop - at_y), min(width, crop - at_x), at_y, at_x)


def _round(value: float) -> int:
    """Half away from zero, as C rounds."""
    return int(np.floor(abs(value) + 0.5)) * (1 if value >= 0 else -1)


class WindowReader:
    """Windows drawn at random. Item k of each batch is background for k below batch_size * (1 - fg_fraction)."""

    slow = True

    def __init__(self, opening: Opening, path: Path, windows: Sequence[Window]) -> None:
        record, p = opening.record, opening.record.window_data_param
        transform = record.transform_param
        self._p, self._path, self._stream = p, path, opening.stream
        self._root = Root(p.root_folder, path.parent)
        self._crop = _crop(record)
        self._mirror = bool(transform.mirror or p.mirror)
        self._scale = np.float32(transform.scale if transform.has("scale") else p.scale)
        self._square = p.crop_mode == "square"
        self._mean = _mean(record, self._crop)
        self._foreground = [w for w in windows if w.overlap >= p.fg_threshold]
        self._background = [w for w in windows if w.overlap < min(p.bg_threshold, p.fg_threshold)]
        self._first_foreground = p.batch_size - int(np.float32(p.batch_size) * np.float32(p.fg_fraction))
        self._kept: dict[Path, bytes] = {}
        self._check(record)

    def _check(self, record: Record) -> None:
        check_fields(record)
        if self._crop <= 2 * self._p.context_pad:
            message = f"context_pad: {self._p.context_pad} leaves nothing of crop_size: {self._crop}"
            raise NetError(problem(record, BAD_TRANSFORM, message, field="context_pad"))
        for windows, kind, needed in (
            (self._foreground, "foreground", self._first_foreground < self._p.batch_size),
            (self._background, "background", self._first_foreground > 0),
        ):
            if needed and not windows:
                raise NetError(problem(record, NO_RECORDS, f"{self._path} has no {kind} window"))
        for window in self._foreground:
            if window.label <= 0:
                message = f"{self._path} has a foreground window of {window.image} with class {window.label}; "
                raise NetError(problem(record, BAD_LIST, message + "classes count from 1, 0 is the background"))

    @property
    def shapes(self) -> tuple[Shape, ...]:
        return (3, self._crop, self._crop), ()

    def __len__(self) -> int:
        return int(self._p.batch_size)

    def content(self) -> Iterator[bytes]:
        windows = [*self._foreground, *self._background]
        yield "\n".join(f"{Path(w.image).name} {w[1:]}" for w in windows).encode("utf-8", "surrogateescape")
        images = sorted({window.image for window in windows})
        chosen = (images[at] for at in sampled(len(images)))
        yield from of_files(map(self._root.path, chosen))

    def name(self, record: int) -> str:
        return f"window drawn for item {record} of a batch from {self._path}"

    def fetch(self, record: int) -> int:
        return record

    def fill(self, item: int, ticket: Ticket, rows: Sequence[Array]) -> None:
        draws = Draws(self._stream, ticket)
        windows = self._foreground if item >= self._first_foreground else self._background
        window = windows[draws.below(_PICK, len(windows))]
        mirror = self._mirror and draws.below(_MIRROR, 2) == 1
        path = self._root.path(window.image)
        try:
            with self._root.reading(window.image):
                image = decode_image(self._bytes(path), "color")
        except BadRecordError as error:
            raise BadRecordError(f"{path}: {error}", error.help) from None
        if window.box[2] >= image.shape[1] or window.box[3] >= image.shape[0]:
            raise BadRecordError(f"{path}: it is smaller than {self._path} says")
        self._warp(window, image, mirror, rows[0][0])
        rows[1][0] = window.label if item >= self._first_foreground else 0

    def _warp(self, window: Window, image: Array, mirror: bool, out: Array) -> None:
        crop, pad = self._crop, int(self._p.context_pad)
        w = warp(window.box, *image.shape[:2], crop=crop, pad=pad, square=self._square, mirror=mirror)
        x1, y1, x2, y2 = w.box
        part = resize(image[y1 : y2 + 1, x1 : x2 + 1], w.height, w.width).transpose(2, 0, 1)
        place = (slice(None), slice(w.top, w.top + w.height), slice(w.left, w.left + w.width))
        out[...] = 0
        np.subtract(part[:, :, ::-1] if mirror else part, self._mean[place], out=out[place])
        np.multiply(out, self._scale, out=out)

    def _bytes(self, path: Path) -> bytes:
        if not self._p.cache_images:
            return read_bytes(path)
        if path not in self._kept:
            self._kept[path] = read_bytes(path)
        return self._kept[path]


def _crop(record: Record) -> int:
    return int(record.transform_param.crop_size or record.window_data_param.crop_size)


def _mean(record: Record, crop: int) -> Array:
    """What is subtracted from a warped window: the mean values, or the centre of the mean image."""
    mean = mean_of(record, 3)
    if mean is None:
        return np.zeros((3, crop, crop), np.float32)
    if mean.shape[1:] == (1, 1):
        return np.ascontiguousarray(np.broadcast_to(mean, (3, crop, crop)))
    start = (mean.shape[2] - crop) // 2
    if start < 0 or mean.shape[0] != 3 or start + crop > mean.shape[1]:
        sizes = "x".join(map(str, mean.shape))
        message = f"the mean image is {sizes}, too small for crop_size: {crop} and 3 channels"
        raise NetError(problem(record, MEAN_FILE, message, field="mean_file"))
    return mean[:, start : start + crop, start : start + crop]


def _open(opening: Opening) -> Source:
    record, p = opening.record, opening.record.window_data_param
    path = find(record, p.source)
    if path is None:
        raise missing(record, f'there is no window file "{p.source}"', p.source)
    with blamed(record):
        windows = read_windows(path)
    chosen = ordered(opening, p, len(windows), lambda: np.array([window.label for window in windows]))
    windows = [windows[record] for record in sorted(chosen.take(chosen.count))]
    reader = WindowReader(opening, path, windows)
    return Reading(opening, reader, Order(len(reader), seed=opening.seed, stream=opening.stream), len(reader))


def _probe(record: Record, phase: Phase) -> tuple[Shape, ...] | None:
    p: Any = record.window_data_param
    crop = _crop(record)
    if find(record, p.source) is None or not p.batch_size or not crop:
        return None
    return (int(p.batch_size), 3, crop, crop), (int(p.batch_size),)


WINDOW_DATA = SourceType("WindowData", _open, _probe, transform=WINDOWS)
