"""HDF5Data: rows of datasets from HDF5 files that a text file lists."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netc.data.bad import BadRecordError
from netc.data.choosing import ordered
from netc.data.codes import BAD_HDF5, BROKEN, MISSING_DATA
from netc.data.content import SAMPLES, of_parts
from netc.data.extras import h5py
from netc.data.lists import read_text
from netc.data.mistaken import check_kind
from netc.data.order import Ticket, permutation
from netc.data.paths import Root, find, meant
from netc.data.reading import Reading, blamed, missing
from netc.data.rows import shape_problem
from netc.data.source import Opening, Source, SourceType
from netc.errors import Diagnostic, NetError, Report
from netc.files import check_regular
from netc.layer import Array, Phase, Shape, format_shape
from netc.schema.record import Record
from netc.untrusted import ROOM, budget, library

_WHOLE = 1 << 28  # bytes of a file's datasets up to which they are read at once
_BLOCK = 1 << 24  # bytes that are read at once from larger ones
_MOST_PACKED = 1100  # deflate packs at most 1032 to 1


@dataclass(frozen=True, slots=True)
class Hdf5File:
    """An HDF5 file of a list: how many rows it has, the shapes of the rows of its datasets, its bytes on the disk."""

    path: Path
    rows: int
    shapes: tuple[Shape, ...]
    stored: int


def dataset(file: Any, name: str, path: Path) -> Any:
    """A dataset of an open file that is in the file itself and no larger than it can be. Raises NetError(DAT008)."""
    group = file
    parts = [part for part in name.split("/") if part]
    for depth, part in enumerate(parts):
        link = group.get(part, getlink=True) if isinstance(group, h5py().Group) else None
        if link is None or part not in group:
            raise _bad(path, f'has no dataset "{name}"; it has {", ".join(file) or "none"}')
        if not isinstance(link, h5py().HardLink):
            raise _bad(path, f'has a link in the place of "{"/".join(parts[: depth + 1])}"; links are not followed')
        group = group[part]
    if not isinstance(group, h5py().Dataset):
        raise _bad(path, f'has a group in the place of dataset "{name}"')
    check_dataset(group, name, path)
    return group


def check_dataset(found: Any, name: str, path: Path) -> None:
    """Refuse a dataset that is not numbers, or whose values are elsewhere, or are not there."""
    if found.is_virtual or found.external:
        raise _bad(path, f'keeps the values of "{name}" in other files; they are not read')
    if found.shape is None or not found.shape or found.dtype.kind not in "fiub":
        raise _bad(path, f'has in "{name}" no array of numbers with rows')
    if problem := shape_problem(found.shape):
        raise _bad(path, f'has in "{name}" {problem}')
    size, stored = prod(found.shape) * found.dtype.itemsize, found.id.get_storage_size()
    if size > ROOM and size > _MOST_PACKED * stored:
        amounts = f"{size:,} bytes, but stores {stored:,}"
        raise _bad(path, f'says that "{name}" ({format_shape(found.shape)}) has {amounts}')
    values, most = max(prod(found.shape[1:]), prod(found.chunks or (0,))), budget(path.stat().st_size)
    if values * found.dtype.itemsize > most:  # a chunk is unpacked whole for any row of it
        raise _bad(path, f'says that a row or chunk of "{name}" has more than {most:,} bytes')


def open_hdf5(path: Path) -> Any:
    """An HDF5 file, for reading. Raises NetError: DAT003, DAT004, DAT008, DAT016."""
    opener = h5py().File
    try:
        check_regular(path)
    except FileNotFoundError:
        raise NetError(Diagnostic(MISSING_DATA, f"there is no file {path}")) from None
    except OSError as error:
        raise _unreadable(path, str(error)) from None
    with library(lambda reason: _unreadable(path, reason)):
        return opener(path, "r")


def _unreadable(path: Path, reason: str) -> NetError:
    code = BROKEN if "truncated" in reason else BAD_HDF5
    return NetError(Diagnostic(code, f"{path} cannot be read as HDF5: {reason}"))


def _bad(path: Path, reason: str) -> NetError:
    return NetError(Diagnostic(BAD_HDF5, f"{path} {reason}"))


def read_files(source: Path, tops: Sequence[str]) -> list[Hdf5File]:
    """What the files of a list hold. Raises NetError with what is wrong with each."""
    report, files, root = Report(), [], Root("", source.parent)
    names = [line.strip() for line in read_text(source, "a list of HDF5 files").text.splitlines() if line.strip()]
    if not names:
        raise NetError(Diagnostic(BAD_HDF5, f"the list {source} names no files"))
    for name in names:
        try:
            files.append(_look(root.path(name), tops))
        except NetError as error:
            report.diagnostics += [_with_help(d, root, name) for d in error.diagnostics]
    if not files and all(d.code is MISSING_DATA and not d.help for d in report.diagnostics):
        check_kind(source, "a list of HDF5 files")
    report.finish()
    first = files[0]
    for file in files[1:]:
        if file.shapes != first.shapes:
            theirs, ours = (", ".join(map(format_shape, f.shapes)) for f in (file, first))
            report.diagnostics += _bad(file.path, f"has rows of {theirs}, {first.path} of {ours}").diagnostics
    report.finish()
    return files


def _with_help(found: Diagnostic, root: Root, name: str) -> Diagnostic:
    """Of a file that is not there, with what was meant."""
    return replace(found, help=meant(root, name)) if found.code is MISSING_DATA else found


def _look(path: Path, tops: Sequence[str]) -> Hdf5File:
    with open_hdf5(path) as file, library(lambda reason: _bad(path, f"cannot be read: {reason}")):
        found = [dataset(file, top, path).shape for top in tops]
    if len({shape[0] for shape in found}) > 1:
        counts = ", ".join(f"{top}: {shape[0]:,}" for top, shape in zip(tops, found, strict=True))
        raise _bad(path, f"has datasets with different numbers of rows ({counts})")
    return Hdf5File(path, found[0][0], tuple(shape[1:] for shape in found), path.stat().st_size)


class Hdf5Reader:
    """The rows of the files of a list, one after the other."""

    slow = False

    def __init__(self, files: Sequence[Hdf5File], tops: Sequence[str], shuffled: bool) -> None:
        self.files, self._tops = list(files), tuple(tops)
        self._ends = np.cumsum([file.rows for file in files])
        row = 4 * sum(prod(shape) for shape in files[0].shapes)
        self._block = max(1, (1 if shuffled else _BLOCK // max(row, 1)))
        self._whole = _WHOLE // max(row, 1)
        self._most = [(ROOM + 4 * file.stored) // max(row, 1) for file in files]
        self._loaded: tuple[int, int, int] = (-1, 0, 0)  # file, and the rows from..to of it that are in memory
        self._arrays: list[Array] = []

    @property
    def shapes(self) -> tuple[Shape, ...]:
        return self.files[0].shapes

    def __len__(self) -> int:
        return int(self._ends[-1])

    def content(self) -> Iterator[bytes]:
        most = -(-SAMPLES // len(self.files))
        for file in self.files:
            yield f"{file.rows} {file.shapes} {file.stored}".encode()
            yield from of_parts(file.path, file.stored, most)

    def labels(self) -> Array | None:
        """The second top's values, if each record has one."""
        if len(self._tops) < 2 or prod(self.files[0].shapes[1]) != 1:
            return None
        found = []
        for known in self.files:
            with library(lambda reason: _bad(known.path, f"cannot be read: {reason}")), open_hdf5(known.path) as opened:  # noqa: B023
                found.append(self._part(opened, self._tops[1], known, 0, known.rows).reshape(-1))
        return np.concatenate(found)

    def name(self, record: int) -> str:
        file, row = self._place(record)
        return f"row {row} of {self.files[file].path}"

    def fetch(self, record: int) -> list[Array]:
        file, row = self._place(record)
        if self._loaded[0] != file or not self._loaded[1] <= row < self._loaded[2]:
            self._load(file, row)
        return [array[row - self._loaded[1]] for array in self._arrays]

    def fill(self, item: list[Array], ticket: Ticket, rows: Sequence[Array]) -> None:
        for row, values in zip(rows, item, strict=True):
            row[0] = values

    def of_epoch(self, stream: int, seed: int, epoch: int) -> NDArray[np.intp]:
        """Files in a shuffled order, and the rows of each, as Caffe does: rows of different files are not mixed."""
        starts = [0, *self._ends[:-1].tolist()]
        files = permutation(len(self.files), seed, stream, epoch)
        return np.concatenate(
            [starts[f] + permutation(self.files[f].rows, seed, stream ^ (int(f) + 1) << 32, epoch) for f in files]
        )

    def _place(self, record: int) -> tuple[int, int]:
        file = int(np.searchsorted(self._ends, record, side="right"))
        return file, record - int(self._ends[file] - self.files[file].rows)

    def _load(self, file: int, row: int) -> None:
        known = self.files[file]
        whole = known.rows <= min(self._whole, self._most[file])
        first, last = (0, known.rows) if whole else (row, min(row + self._block, known.rows))
        with library(lambda reason: BadRecordError(f"it cannot be read: {reason}")), open_hdf5(known.path) as opened:
            self._arrays = [self._part(opened, top, known, first, last) for top in self._tops]
        self._loaded = (file, first, last)

    def _part(self, opened: Any, top: str, known: Hdf5File, first: int, last: int) -> Array:
        found = dataset(opened, top, known.path)
        if found.shape[0] != known.rows or found.shape[1:] != known.shapes[self._tops.index(top)]:
            raise _bad(known.path, "was changed while it was read")
        return np.asarray(found[first:last], np.float32)


def _open(opening: Opening) -> Source:
    record, p = opening.record, opening.record.hdf5_data_param
    source = find(record, p.source)
    if source is None:
        raise missing(record, f'there is no list "{p.source}"', p.source)
    with blamed(record):
        reader = Hdf5Reader(read_files(source, record.top), record.top, p.shuffle)
    order = ordered(
        opening,
        p,
        len(reader),
        reader.labels,
        shuffle=p.shuffle,
        of_epoch=(lambda seed, epoch: reader.of_epoch(opening.stream, seed, epoch)) if p.shuffle else None,
    )
    return Reading(opening, reader, order, int(p.batch_size))


def _probe(record: Record, phase: Phase) -> tuple[Shape, ...] | None:
    p = record.hdf5_data_param
    source = find(record, p.source)
    if source is None or not p.batch_size:
        return None
    with blamed(record):
        shapes = read_files(source, record.top)[0].shapes
    return tuple((int(p.batch_size), *shape) for shape in shapes)


HDF5_DATA = SourceType("HDF5Data", _open, _probe)
