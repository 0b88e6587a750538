"""AnnotatedData: images and their boxes from an LMDB of `AnnotatedDatum` records, as SSD prepares them."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from netc.data import samples
from netc.data.annotated_datum import Annotated, parse
from netc.data.bad import BadRecordError
from netc.data.codes import BAD_TRANSFORM, TOO_MANY_BOXES
from netc.data.content import of_database
from netc.data.database import first_record, image_of, open_lmdb, open_records, undecoded
from netc.data.distort import distorted
from netc.data.draws import EXPAND, Draws
from netc.data.images import Colour, check_size
from netc.data.lmdb_file import LmdbFile
from netc.data.moved_boxes import moved
from netc.data.order import Ticket
from netc.data.paths import find
from netc.data.reading import Reading, blamed, problem
from netc.data.source import Opening, Source, SourceType
from netc.data.transform import Transform, colour, mean_of, transformed
from netc.data.transform_fields import BOXES
from netc.errors import Diagnostic, NetError
from netc.layer import Array, Phase, Shape
from netc.schema.record import Record

_LARGEST_RATIO = 64


class View(NamedTuple):
    """A part of an image (height x width x channels, uint8) and what is noted about it."""

    image: Array
    boxes: Array


class AnnotatedReader:
    """The records of a database. boxes: whether they have boxes, or only a label.

    A record's row of the second top is a number and so many boxes; `AnnotatedReading` puts those of a batch together.
    """

    slow = True

    def __init__(self, opening: Opening, file: LmdbFile) -> None:
        record = opening.record
        self._file, self._lock = file, threading.Lock()
        self._p, self._own = record.transform_param, record.annotated_data_param
        self._stream, self._labels = opening.stream, len(record.top) > 1
        self._colour: Colour = _colour(record)
        _check(record)
        first, image = first_record(record, file, lambda raw: _readable(record, raw))
        shape = image.shape
        self._transform = Transform(opening, shape)
        self._mean = _filling(record, shape[0]) if self._p.has("expand_param") else np.zeros(0)
        self.boxes = first.boxes is not None
        self.most = rows_of(record)

    @property
    def shapes(self) -> tuple[Shape, ...]:
        return (self._transform.shape, (self.most + 1, 8) if self.boxes else ())[: 2 if self._labels else 1]

    def __len__(self) -> int:
        return len(self._file)

    def content(self) -> Iterator[bytes]:
        return of_database(self._file.path)

    def name(self, record: int) -> str:
        with self._lock:
            return f"record {self._file.read(record)[0].decode('utf-8', 'replace')!r} of {self._file.path.parent}"

    def fetch(self, record: int) -> bytes:
        with self._lock:
            return self._file.read(record)[1]

    def fill(self, item: bytes, ticket: Ticket, rows: Sequence[Array]) -> None:
        found = parse(item, boxes=self._own.has("anno_type"))
        if self.boxes and found.boxes is None:
            raise BadRecordError("it has no boxes: its type is missing, and the first record has one")
        image = np.ascontiguousarray(_image(found, self._colour).transpose(1, 2, 0))
        view = View(image, np.empty((0, 7), np.float32) if found.boxes is None else found.boxes)
        view = self._changed(view, Draws(self._stream, ticket))
        boxes = self._placed(view, rows[0][0], ticket)
        if self._labels and self.boxes:
            _note(rows[1][0], boxes, self.most)
        elif self._labels:
            rows[1][0] = found.datum.label

    def _changed(self, view: View, draws: Draws) -> View:
        """Colours, a larger image around it, a part of it: each if it is asked for."""
        if self._p.has("distort_param"):
            view = view._replace(image=distorted(self._p.distort_param, view.image, draws))
        if self._p.has("expand_param"):
            view = self._expanded(view, draws)
        part = samples.drawn(self._own.batch_sampler, view.boxes[:, 2:6], draws)
        return view if part is None else self._cut(view, part)

    def _expanded(self, view: View, draws: Draws) -> View:
        """The image somewhere in one up to `max_expand_ratio` times as high and wide, filled with the mean."""
        p = self._p.expand_param
        u = draws.uniforms(EXPAND, 4)
        if u[0] > p.prob or abs(p.max_expand_ratio - 1) < 1e-2:
            return view
        height, width = view.image.shape[:2]
        ratio = 1 + (p.max_expand_ratio - 1) * u[1]
        rows, columns = int(height * ratio), int(width * ratio)
        check_size((columns, rows))
        row, column = int(u[2] * (rows - height)), int(u[3] * (columns - width))
        image = np.empty((rows, columns, view.image.shape[2]), np.uint8)
        image[...] = self._mean
        image[row : row + height, column : column + width] = view.image
        corners = (-column / width, -row / height, (columns - column) / width, (rows - row) / height)
        return View(image, moved(view.boxes, np.array(corners, np.float32), self._p))

    def _cut(self, view: View, part: Array) -> View:
        height, width = view.image.shape[:2]
        part = np.clip(part, 0, 1)
        corners = part * np.array([width, height] * 2, np.float32)
        column, row = (int(c) for c in corners[:2])
        columns, rows = (max(1, int(side)) for side in corners[2:] - corners[:2])
        return View(view.image[row : row + rows, column : column + columns], moved(view.boxes, part, self._p))

    def _placed(self, view: View, out: Array, ticket: Ticket) -> Array:
        """Write the image; returns its boxes."""
        place = self._transform(view.image.transpose(2, 0, 1), out, ticket)
        (rows, columns), (height, width) = place.window, place.size
        crop = np.array([columns.start / width, rows.start / height, columns.stop / width, rows.stop / height])
        how = {"mirror": place.mirror, "sizing": self._transform.sizing, "size": view.image.shape[:2]}
        return moved(view.boxes, crop.astype(np.float32), self._p, **how)  # type: ignore[arg-type]


class AnnotatedReading(Reading):
    """Batches whose second top holds the boxes of all their images, and -1 in the rows after them."""

    reader: AnnotatedReader

    def shapes(self) -> tuple[Shape, ...]:
        shapes = super().shapes()
        return (shapes[0], (1, 1, self.reader.most, 8)) if len(shapes) > 1 and self.reader.boxes else shapes

    def give(self, out: Sequence[Array], tops: Sequence[Array]) -> None:
        if len(tops) == 1 or not self.reader.boxes:
            super().give(out, tops)
            return
        super().give(out[:1], tops[:1])
        target = out[1].reshape(-1, 8)
        target[...] = -1
        at, counts = 0, tops[1][:, 0, 0].astype(np.int64)
        if counts.sum() > len(target):
            raise NetError(_too_many(self.layer, int(counts.sum()), len(target), len(counts)))
        for item, count in enumerate(counts):
            target[at : at + count] = tops[1][item, 1 : count + 1]
            target[at : at + count, 0] = item
            at += count


def _note(row: Array, boxes: Array, most: int) -> None:
    """A record's number of boxes, and its boxes (no more than fit; the number tells)."""
    row[0, 0] = len(boxes)
    row[1 : len(boxes) + 1, 1:] = boxes[:most]


def rows_of(record: Record) -> int:
    """Rows of the second top."""
    return int(record.data_param.batch_size) * int(record.annotated_data_param.max_boxes)


def _too_many(layer: Record, count: int, room: int, images: int) -> Diagnostic:
    message = f"a batch of {images} images has {count:,} boxes, its top has room for {room:,}"
    help = f"annotated_data_param {{ max_boxes: {2 * -(-count // images)} }}"
    return problem(layer, TOO_MANY_BOXES, message, help, "max_boxes")


# ---------------------------------------------------------------- opening


def _colour(record: Record) -> Colour:
    return colour(record, "color" if record.data_param.force_encoded_color else "as is")


def _image(record: Annotated, how: Colour) -> Array:
    """The image of a record, channels x height x width. Raises BadRecordError."""
    image = image_of(record.datum, how)
    if image.dtype != np.uint8:
        raise BadRecordError("its image holds floats; AnnotatedData takes bytes or encoded images")
    return image


def _filling(record: Record, channels: int) -> Array:
    """What a larger image is filled with: the mean of each channel."""
    mean = mean_of(record, channels)
    filling = np.zeros(channels) if mean is None else np.clip(np.rint(mean.mean((1, 2))), 0, 255)
    return filling.astype(np.uint8)


def _check(record: Record) -> None:
    """Raise NetError(DAT006) for fields that cannot be used."""
    p, own = record.transform_param, record.annotated_data_param
    found = []
    for message, field in _problems(p, own):
        span = next((r.span_of(field) for r in (p, own) if r.has(field)), None)
        found.append(Diagnostic.of_layer(record, BAD_TRANSFORM, message, span, field=field))
    if found:
        raise NetError(found)


def _problems(p: Any, own: Any) -> Iterator[tuple[str, str]]:
    """What is wrong with the fields, and with which."""
    for sampler in own.batch_sampler:
        if text := samples.problem(sampler):
            yield f"batch_sampler {text}", "batch_sampler"
    if p.has("expand_param") and not 1 <= p.expand_param.max_expand_ratio <= _LARGEST_RATIO:
        yield f"max_expand_ratio must be from 1 to {_LARGEST_RATIO}", "expand_param"
    if p.has("distort_param"):
        change = p.distort_param
        for name in ("contrast", "saturation"):
            low, high = getattr(change, f"{name}_lower"), getattr(change, f"{name}_upper")
            if not 0 <= low <= high:
                yield f"needs 0 <= {name}_lower <= {name}_upper, but has {low:g} and {high:g}", "distort_param"
        if min(change.brightness_delta, change.hue_delta) < 0:
            yield "brightness_delta and hue_delta must not be negative", "distort_param"
    for name in ("rotation", "min_area"):
        if p.has(name):
            yield f"{name} would move the image, but not its boxes", name
    parts = any(map(samples.takes_parts, own.batch_sampler))
    if (parts or p.has("expand_param")) and not (p.has("resize_param") or p.crop_size or p.crop_h):
        field = "batch_sampler" if parts else "expand_param"
        yield "parts of images and larger images have many sizes: add a resize_param", field


def _readable(record: Record, raw: bytes) -> tuple[Annotated, Array]:
    """A record and its image."""
    found = parse(raw, boxes=record.annotated_data_param.has("anno_type"))
    return found, _image(found, _colour(record))


def _open(opening: Opening) -> Source:
    return open_records(opening, AnnotatedReader, AnnotatedReading)


def _probe(record: Record, phase: Phase) -> tuple[Shape, ...] | None:
    p = record.data_param
    path = find(record, p.source)
    if path is None or not rows_of(record):
        return None
    with blamed(record):
        file = open_lmdb(path)
    try:
        first, image = first_record(record, file, lambda raw: _readable(record, raw))
        shape: Any = image.shape
    finally:
        file.close()
    size = int(p.batch_size)
    second = (size,) if first.boxes is None else (1, 1, rows_of(record), 8)
    return ((size, *transformed(record, shape)), second)[: len(record.top)]


def _doubts(record: Record) -> Iterator[Diagnostic]:
    return undecoded(record, lambda raw: parse(raw, boxes=record.annotated_data_param.has("anno_type")).datum)


ANNOTATED_DATA = SourceType("AnnotatedData", _open, _probe, transform=BOXES, check=_check, doubts=_doubts)
