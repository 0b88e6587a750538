"""IDXData: MNIST's files, plain or compressed with gzip (format: http://yann.lecun.com/exdb/mnist)."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from netc.data.choosing import by_class, ordered, part
from netc.data.codes import BAD_ARRAY, BROKEN
from netc.data.content import of_arrays
from netc.data.labels import labels_problem
from netc.data.mistaken import not_this
from netc.data.order import Ticket
from netc.data.paths import find
from netc.data.reading import Reading, blamed, missing
from netc.data.rows import shape_problem
from netc.data.source import Opening, Source, SourceType
from netc.data.transform import Transform, transformed
from netc.data.transform_fields import PIXELS
from netc.errors import Diagnostic, NetError
from netc.files import open_regular
from netc.formats import LONGEST, format_of
from netc.layer import Array, Phase, Shape, format_shape
from netc.schema.record import Record
from netc.untrusted import bomb, budget, library

_TYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


def is_idx(path: Path) -> bool:
    """Whether a file begins as IDX files do."""
    try:
        with _opened(path) as (file, _):
            head = file.read(4)
    except NetError:
        return False
    return len(head) == 4 and head[:2] == b"\0\0" and head[2] in _TYPES and head[3] > 0


def read_idx(path: Path, *, shape_only: bool = False) -> Array:
    """The array of an IDX file; with `shape_only` an array of its shape that holds nothing.

    Raises NetError: DAT003 if it is cut or too long, or unpacks to too much; DAT012 if it is no IDX file.
    """
    with _opened(path) as (file, size):
        shape, dtype = _header(file, path)
        need = prod(shape) * dtype.itemsize
        if need > budget(size):
            raise _broken(path, f"a {format_shape(shape)} array: {bomb(need, size)}")
        if shape_only:
            return np.broadcast_to(np.zeros((), dtype), shape)
        data = file.read(need)
        more = file.read(1)
    if len(data) < need or more:
        have = f"has {'more' if more else f'{len(data):,}'}"
        message = f"{path} is damaged: a {format_shape(shape)} array needs {need:,} bytes, the file {have}"
        raise NetError(Diagnostic(BROKEN, message))
    return np.frombuffer(data, dtype).reshape(shape)


def _header(file: BinaryIO, path: Path) -> tuple[Shape, np.dtype[Any]]:
    head = file.read(4)
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in _TYPES or not head[3]:
        raise not_this(path, "an IDX file", f"{path} is not an IDX file")
    sizes = file.read(4 * head[3])
    if len(sizes) < 4 * head[3]:
        raise NetError(Diagnostic(BROKEN, f"{path} is damaged: it ends in its header"))
    shape, dtype = tuple(np.frombuffer(sizes, ">u4").tolist()), np.dtype(_TYPES[head[2]])
    if problem := shape_problem(shape):
        raise _broken(path, f"it says that it holds {problem}")
    return shape, dtype


@contextmanager
def _opened(path: Path) -> Iterator[tuple[BinaryIO, int]]:
    """A file, unpacked if gzip has packed it, and its size on the disk. Raises NetError: DAT003, DAT012."""
    try:
        file = open_regular(path)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise not_this(path, "an IDX file", f"{path} cannot be read: {reason}") from None
    with file, library(lambda reason: _broken(path, reason.lower())):
        size = os.fstat(file.fileno()).st_size
        zipped = format_of(file.read(LONGEST)) == "gzip"
        file.seek(0)
        yield (cast(BinaryIO, gzip.GzipFile(fileobj=file)) if zipped else file), size


def _broken(path: Path, reason: str) -> NetError:
    return NetError(Diagnostic(BROKEN, f"{path} is damaged: {reason}"))


def read_images(images: Path, labels: Path | None, *, shape_only: bool = False) -> tuple[Array, Array | None]:
    """Images (N x channels x height x width) and labels (N). Raises NetError: as `read_idx`, or DAT014."""
    pixels = read_idx(images, shape_only=shape_only)
    if pixels.ndim == 3:
        pixels = pixels[:, None]
    if pixels.ndim != 4 or 0 in pixels.shape[1:]:
        raise NetError(Diagnostic(BAD_ARRAY, f"{images} holds a {format_shape(pixels.shape)} array, no images"))
    if labels is None:
        return pixels, None
    numbers = read_idx(labels, shape_only=shape_only)
    if numbers.shape != pixels.shape[:1]:
        have = f"{labels} has {format_shape(numbers.shape)} labels"
        raise NetError(Diagnostic(BAD_ARRAY, f"{images} has {len(pixels):,} images, {have}"))
    if problem := labels_problem(numbers):
        raise NetError(Diagnostic(BAD_ARRAY, f"{labels}: {problem}"))
    return pixels, numbers


class IdxReader:
    """The images of an IDX file, transformed, and the labels of another."""

    def __init__(self, opening: Opening, path: Path, images: Array, labels: Array | None) -> None:
        self._path, self._images, self._labels = path, images, labels
        self._tops = len(opening.record.top)
        self._transform = Transform(opening, images.shape[1:])
        self.slow = self._transform.slow

    @property
    def shapes(self) -> tuple[Shape, ...]:
        return (self._transform.shape, ())[: self._tops]

    def __len__(self) -> int:
        return len(self._images)

    def content(self) -> Iterator[bytes]:
        return of_arrays([self._images] if self._labels is None else [self._images, self._labels])

    def labels(self) -> Array | None:
        return self._labels

    def name(self, record: int) -> str:
        return f"image {record} of {self._path}"

    def fetch(self, record: int) -> int:
        return record

    def fill(self, item: int, ticket: Ticket, rows: Sequence[Array]) -> None:
        self._transform(self._images[item], rows[0][0], ticket)
        if self._tops > 1 and self._labels is not None:
            rows[1][0] = self._labels[item]


def _read(record: Record, *, shape_only: bool) -> tuple[Path, Array, Array | None] | None:
    p = record.idx_data_param
    labelled = len(record.top) > 1 or bool(p.labels and by_class(p))
    paths = [find(record, p.source), find(record, p.labels) if labelled else None]
    if paths[0] is None or (labelled and paths[1] is None):
        return None
    with blamed(record):
        images, labels = read_images(paths[0], paths[1], shape_only=shape_only)
    part(record, p, len(images))
    return paths[0], images, labels


def _open(opening: Opening) -> Source:
    record, p = opening.record, opening.record.idx_data_param
    found = _read(record, shape_only=False)
    if found is None:
        lost = next(name for name in (p.source, p.labels) if find(record, name) is None)
        raise missing(record, f'there is no "{lost}"', lost)
    reader = IdxReader(opening, *found)
    order = ordered(opening, p, len(reader), reader.labels, shuffle=p.shuffle, stream=opening.stream)
    return Reading(opening, reader, order, int(p.batch_size))


def _probe(record: Record, phase: Phase) -> tuple[Shape, ...] | None:
    size = int(record.idx_data_param.batch_size)
    found = _read(record, shape_only=True)
    if found is None or not size:
        return None
    return ((size, *transformed(record, found[1].shape[1:])), (size,))[: len(record.top)]


IDX_DATA = SourceType("IDXData", _open, _probe, transform=PIXELS)
