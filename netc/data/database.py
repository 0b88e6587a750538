"""Data: images and labels from an LMDB of `Datum` records."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from netc.data.bad import BadRecordError
from netc.data.choosing import ordered
from netc.data.codes import LEVELDB, NO_RECORDS, UNREAD_TRANSFORM
from netc.data.content import of_database
from netc.data.datum import Datum, parse
from netc.data.images import Colour, decode_image
from netc.data.lists import read_text
from netc.data.lmdb_file import LmdbFile
from netc.data.mistaken import is_leveldb
from netc.data.order import Ticket, random_skip
from netc.data.paths import find
from netc.data.reading import Labelled, Reader, Reading, blamed, missing, problem
from netc.data.source import Opening, Source, SourceType
from netc.data.transform import Transform, colour, transformed
from netc.data.transform_fields import DECODED
from netc.errors import Diagnostic, NetError
from netc.layer import Array, Phase, Shape
from netc.schema.record import Record

T = TypeVar("T")
LABELS = "labels.txt"
"""Of a database: names class N in line N."""


def open_lmdb(path: Path) -> LmdbFile:
    """An LMDB database. Raises NetError: DAT003, DAT005 for a LevelDB, DAT012 for anything else."""
    if is_leveldb(path):
        help = "convert it once into an LMDB: `netc explain DAT005` has the six lines that do it"
        raise NetError(Diagnostic(LEVELDB, f"{path} is a LevelDB database, which netc does not read", None, (), help))
    return LmdbFile(path)


def image_of(datum: Datum, how: Colour) -> Array:
    """The image of a record, channels x height x width. Raises BadRecordError."""
    if datum.image is not None:
        return datum.image
    return decode_image(datum.encoded, how).transpose(2, 0, 1)


class DatumReader:
    """The records of a database, transformed."""

    def __init__(self, opening: Opening, file: LmdbFile) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._labels = len(opening.record.top) > 1
        self._colour: Colour = _colour(opening.record)
        first, image = first_record(opening.record, file, lambda raw: _readable(opening.record, raw))
        self._transform = Transform(opening, image.shape)
        self.slow = first.image is None or self._transform.slow
        self.varies = opening.record.data_param.batch_size == 1 and self._transform.any_size

    @property
    def shapes(self) -> tuple[Shape, ...]:
        return (self._transform.shape, ())[: 2 if self._labels else 1]

    def __len__(self) -> int:
        return len(self._file)

    def content(self) -> Iterator[bytes]:
        return of_database(self._file.path)

    def labels(self) -> Array:
        return np.array([self._label(record) for record in range(len(self._file))])

    def _label(self, record: int) -> float:
        with self._lock:
            raw = self._file.read(record)[1]
        try:
            return parse(raw).label
        except BadRecordError:
            return float("nan")

    def name(self, record: int) -> str:
        with self._lock:
            return f"record {self._file.read(record)[0].decode('utf-8', 'replace')!r} of {self._file.path.parent}"

    def fetch(self, record: int) -> bytes | tuple[Datum, Array]:
        with self._lock:
            raw = self._file.read(record)[1]
        return self._made(raw) if self.varies else raw

    def _made(self, raw: bytes) -> tuple[Datum, Array]:
        datum = parse(raw)
        return datum, image_of(datum, self._colour)

    def shapes_of(self, item: tuple[Datum, Array]) -> tuple[Shape, ...]:
        return (item[1].shape, ())[: len(self.shapes)]

    def fill(self, item: bytes | tuple[Datum, Array], ticket: Ticket, rows: Sequence[Array]) -> None:
        datum, image = self._made(item) if isinstance(item, bytes) else item
        self._transform(image, rows[0][0], ticket)
        if self._labels:
            rows[1][0] = datum.label


def _colour(record: Record) -> Colour:
    return colour(record, "color" if record.data_param.force_encoded_color else "as is")


def first_record(record: Record, file: LmdbFile, read: Callable[[bytes], T]) -> T:
    """The first record that can be read; the shape of a batch is that of its image. Raises NetError(DAT...)."""
    reason = "it has no records"
    for index in range(min(len(file), 100)):
        try:
            return read(file.read(index)[1])
        except BadRecordError as error:
            reason = f"its records are bad, from the first on: {error}"
    raise NetError(problem(record, NO_RECORDS, f"{file.path.parent}: {reason}"))


def open_records(
    opening: Opening, reader: Callable[[Opening, LmdbFile], Reader], reading: type[Reading] = Reading
) -> Source:
    """A source of the records of the database that `data_param` names."""
    record, p = opening.record, opening.record.data_param
    path = find(record, p.source)
    if path is None:
        raise missing(record, f'there is no database "{p.source}"', p.source)
    with blamed(record):
        file = open_lmdb(path)
    skip = random_skip(int(p.rand_skip), opening.seed, opening.stream)
    records = reader(opening, file)
    labels = records.labels if isinstance(records, Labelled) else None
    order = ordered(opening, p, len(file), labels, stream=opening.stream, start=skip)
    return reading(opening, records, order, int(p.batch_size), int(p.prefetch))


def _open(opening: Opening) -> Source:
    return open_records(opening, DatumReader)


def _readable(record: Record, raw: bytes) -> tuple[Datum, Array]:
    """A record and its image."""
    found = parse(raw)
    return found, image_of(found, _colour(record))


def _probe(record: Record, phase: Phase) -> tuple[Shape, ...] | None:
    p = record.data_param
    path = find(record, p.source)
    if path is None or not p.batch_size:
        return None
    with blamed(record):
        file = open_lmdb(path)
    try:
        _, image = first_record(record, file, lambda raw: _readable(record, raw))
    finally:
        file.close()
    size = int(p.batch_size)
    return ((size, *transformed(record, image.shape)), (size,))[: len(record.top)]


def _classes(record: Record) -> tuple[str, ...]:
    """The lines of `labels.txt` in the database's folder, which `netc data images` writes there."""
    path = find(record, record.data_param.source)
    if path is None or not (path / LABELS).is_file():
        return ()
    with blamed(record):
        return tuple(read_text(path / LABELS).text.splitlines())


def undecoded(record: Record, image_in: Callable[[bytes], Datum]) -> Iterator[Diagnostic]:
    """Warnings (DAT019) about fields that say how images are decoded, if the first record holds pixels.

    image_in: the Datum in a record's bytes.
    """
    own, transform = record.data_param, record.transform_param
    asked = [(transform, name) for name in ("force_color", "force_gray") if getattr(transform, name)]
    asked += [(own, "force_encoded_color")] if own.force_encoded_color else []
    path = find(record, own.source) if asked else None
    if path is None:
        return
    file = open_lmdb(path)
    try:
        stored = first_record(record, file, image_in)
    finally:
        file.close()
    for message, name in asked if stored.image is not None else ():
        said = f"`{name}` changes nothing: the records of {path} hold pixels, and only encoded images are decoded"
        help = "take it out; as in Caffe, pixels stay what they are"
        yield Diagnostic.of_layer(record, UNREAD_TRANSFORM, said, message.span_of(name), (), help, "warning", name)


def _doubts(record: Record) -> Iterator[Diagnostic]:
    return undecoded(record, parse)


DATA = SourceType("Data", _open, _probe, _classes, DECODED, doubts=_doubts)
