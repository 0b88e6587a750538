"""What is in a source of data, whatever its kind: counts, shapes, labels, and which records are bad."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from netc.data import annotated_datum
from netc.data.array_files import read_csv, read_npz
from netc.data.bad import BadRecordError
from netc.data.codes import BAD_HDF5, MISSING_DATA, NOT_DATA
from netc.data.database import open_lmdb
from netc.data.datum import Datum, parse
from netc.data.hdf5 import check_dataset, open_hdf5
from netc.data.idx import is_idx, read_idx
from netc.data.images import decode_image, opened, read_bytes
from netc.data.lists import Listed, read_folder, read_list, read_text
from netc.data.mistaken import HDF5_SUFFIXES, is_leveldb
from netc.data.paths import Root, beside
from netc.data.writing import ahead
from netc.errors import Diagnostic, NetError
from netc.layer import Array, Shape
from netc.untrusted import library

_BLOCK = 1 << 24


class Looked(NamedTuple):
    """What a record holds: the shape of its image or row, and its label, or the classes of its boxes."""

    shape: Shape
    labels: tuple[int, ...] = ()


Record = tuple[str, Callable[[], Looked]]  # a name, and what looks at it; it may raise BadRecordError


@dataclass
class Dataset:
    """A source: its kind, how many records it has, the records, and what else there is to say about it."""

    kind: str
    count: int
    records: Iterator[Record]
    facts: list[tuple[str, str]] = field(default_factory=list)
    slow: bool = False


@dataclass
class Survey:
    """The records of a source: shapes and labels with how often they occur, and the bad ones with the reason."""

    kind: str
    count: int
    facts: list[tuple[str, str]]
    shapes: Counter[Shape] = field(default_factory=Counter)
    labels: Counter[int] = field(default_factory=Counter)
    bad: list[tuple[str, str]] = field(default_factory=list)


def survey(path: Path, *, decode: bool, classes: int | None, progress: Callable[[int, int], object]) -> Survey:
    """Look at every record. decode: decode images too. classes: labels outside 0..classes-1 are bad.

    progress: called with the records done and their number. Raises NetError if the source as a whole cannot be read.
    """
    found = open_dataset(path, decode)
    result = Survey(found.kind, found.count, found.facts)
    for done, ((name, _), looked) in enumerate(ahead(_look, found.records, 4 if found.slow else 1), 1):
        progress(done, found.count)
        if isinstance(looked, BadRecordError):
            result.bad.append((name, f"{looked} ({looked.help})" if looked.help else str(looked)))
            continue
        result.shapes[looked.shape] += 1
        result.labels.update(looked.labels)
        outside = [label for label in looked.labels if classes is not None and not 0 <= label < classes]
        if outside and classes is not None:
            result.bad.append((name, f"its label is {outside[0]}, but the classes are 0 to {classes - 1}"))
    return result


def _look(record: Record) -> Looked | BadRecordError:
    try:
        return record[1]()
    except BadRecordError as error:
        return error


def open_dataset(path: Path, decode: bool) -> Dataset:
    """A source of whatever kind is at a path. Raises NetError: DAT012, DAT016, and those of its kind."""
    if not path.exists():
        raise NetError(Diagnostic(MISSING_DATA, f"there is nothing at {path}"))
    if path.name == "data.mdb" or (path / "data.mdb").exists() or is_leveldb(path):
        return _database(path, decode)
    if path.is_dir():
        listed, classes = read_folder(path)
        facts = [("classes", ", ".join(classes))]
        return Dataset("folder of images", len(listed), _files(listed, path, decode), facts, slow=True)
    suffix = path.suffix.lower()
    if suffix in HDF5_SUFFIXES:
        return _hdf5(path)
    if suffix == ".npz":
        return _rows("NPZ", path, read_npz(path))
    if suffix == ".csv":
        table, columns = read_csv(path)
        found = _rows("CSV", path, {"table": table})
        found.facts.append(("columns", ", ".join(columns)))
        return found
    if is_idx(path):
        return _rows("IDX", path, {"label" if "idx1" in path.name else "data": read_idx(path)})
    if names := _hdf5_names(path):
        return _hdf5_list([beside(name, path.parent) for name in names])
    return _list(path, decode)


# ---------------------------------------------------------------- kinds


def _database(path: Path, decode: bool) -> Dataset:
    file = open_lmdb(path)
    boxes = _has_boxes(file.read(0)[1]) if len(file) else False

    def records() -> Iterator[Record]:
        for key, value in file:
            yield f"record {key.decode('utf-8', 'replace')!r}", partial(_noted if boxes else _datum, value, decode)

    slow = False
    if len(file):
        with suppress(BadRecordError):
            first = file.read(0)[1]
            slow = (annotated_datum.parse(first).datum if boxes else parse(first)).image is None
    facts = [("stored as", "image files" if slow else "pixels")]
    kind = "LMDB of images with boxes" if boxes else "LMDB"
    return Dataset(kind, len(file), records(), facts, slow=slow and decode)


def _has_boxes(value: bytes) -> bool:
    """Whether a record is an AnnotatedDatum, which no Datum is."""
    try:
        annotated_datum.parse(value)
    except BadRecordError:
        return False
    return True


def _noted(value: bytes, decode: bool) -> Looked:
    found = annotated_datum.parse(value)
    looked = _image(found.datum, decode)
    return looked if found.boxes is None else Looked(looked.shape, tuple(found.boxes[:, 0].astype(int).tolist()))


def _datum(value: bytes, decode: bool) -> Looked:
    return _image(parse(value), decode)


def _image(datum: Datum, decode: bool) -> Looked:
    if datum.image is None:
        return Looked(_encoded(datum.encoded, decode), (datum.label,))
    if datum.image.dtype != np.uint8 and not np.isfinite(datum.image).all():
        raise BadRecordError("it holds values that are not finite")
    return Looked(datum.image.shape, (datum.label,))


def _encoded(data: bytes, decode: bool) -> Shape:
    """Channels, height and width of an encoded image."""
    if decode:
        height, width, channels = decode_image(data, "as is").shape
        return channels, height, width
    if not data:
        raise BadRecordError("it is empty (0 bytes)")
    with opened(data) as image:
        return (1 if image.mode in ("1", "L", "LA", "I", "I;16") else 3), image.size[1], image.size[0]


def _files(listed: list[Listed], folder: Path, decode: bool) -> Iterator[Record]:
    root = Root("", folder)

    def look(entry: Listed) -> Looked:
        label = entry.label if not entry.more else None  # only classes are counted: one whole number
        with root.reading(entry.path) as path:
            shape = _encoded(read_bytes(path), decode)
        return Looked(shape, (label,) if isinstance(label, int) else ())

    for entry in listed:
        yield str(root.path(entry.path)), partial(look, entry)


def _list(path: Path, decode: bool) -> Dataset:
    try:
        listed = read_list(path)
    except NetError as error:
        if error.diagnostics[0].code is not NOT_DATA:
            raise
        kinds = "an LMDB, a folder of images, a list of images or of HDF5 files, HDF5, IDX, NPZ or CSV"
        raise NetError(Diagnostic(NOT_DATA, f"{path} is none of what netc reads: {kinds}")) from None
    return Dataset("list of images", len(listed), _files(listed, path.parent, decode), slow=True)


def _rows(kind: str, path: Path, arrays: dict[str, Array]) -> Dataset:
    facts = [(name, f"{'x'.join(map(str, array.shape))} {array.dtype.name}") for name, array in arrays.items()]

    def records() -> Iterator[Record]:
        for name, array in arrays.items():
            for row in range(len(array)):
                yield f'row {row} of "{name}"', partial(_row, array[row], name)

    return Dataset(kind, max(map(len, arrays.values()), default=0), records(), facts)


def _row(values: Any, name: str) -> Looked:
    values = np.asarray(values)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise BadRecordError("it holds values that are not finite")
    if values.size == 1 and "label" in name:
        return Looked(values.shape, (int(values.reshape(-1)[0]),))
    return Looked(values.shape)


def _hdf5_names(path: Path) -> list[str]:
    """The files that a list of HDF5 files names, as HDF5Data reads it; none if it is another list, or none."""
    try:
        names = [line.strip() for line in read_text(path).text.splitlines() if line.strip()]
    except NetError:
        return []
    return names if all(name.lower().endswith(HDF5_SUFFIXES) for name in names) else []


def _hdf5_list(paths: list[Path]) -> Dataset:
    """The rows of several files, one after the other; facts and names say of which."""
    files = [_hdf5(path) for path in paths]
    facts = [(f"{path}: {name}", said) for path, file in zip(paths, files, strict=True) for name, said in file.facts]

    def records() -> Iterator[Record]:
        for path, file in zip(paths, files, strict=True):
            yield from ((f"{path}: {name}", look) for name, look in file.records)

    kind = f"list of {len(files):,} HDF5 file{'s' * (len(files) != 1)}"
    return Dataset(kind, sum(file.count for file in files), records(), facts)


def _hdf5(path: Path) -> Dataset:
    found, facts = dict[str, Any](), []

    def bad(reason: str) -> NetError:
        return NetError(Diagnostic(BAD_HDF5, f"{path} cannot be read: {reason}"))

    file = open_hdf5(path)
    with library(bad):
        for name in file:
            link = type(file.get(name, getlink=True)).__name__
            if link != "HardLink":
                facts.append((name, f"{link}: not followed"))
            elif hasattr(file[name], "shape"):
                check_dataset(file[name], name, path)
                found[name] = file[name]
                facts.append((name, f"{'x'.join(map(str, found[name].shape))} {found[name].dtype.name}"))

    def records() -> Iterator[Record]:
        for name, data in found.items():
            step = max(1, _BLOCK // max(1, data.dtype.itemsize * int(np.prod(data.shape[1:]))))
            for first in range(0, len(data), step):
                with library(bad):
                    block = data[first : first + step]
                for row in range(len(block)):
                    yield f'row {first + row} of "{name}"', partial(_row, block[row], name)

    return Dataset("HDF5", max(map(len, found.values()), default=0), records(), facts)
