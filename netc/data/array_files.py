"""ArrayData: rows of the arrays in an NPZ file, or of a CSV table."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from netc.data.bad import BadRecordError
from netc.data.choosing import ordered
from netc.data.codes import BAD_ARRAY, BAD_TRANSFORM
from netc.data.content import of_arrays
from netc.data.lists import read_text
from netc.data.order import Ticket
from netc.data.paths import find
from netc.data.reading import Reading, blamed, missing
from netc.data.rows import parse_npy, shape_problem
from netc.data.source import Opening, Source, SourceType
from netc.data.transform import Transform, transformed
from netc.data.transform_fields import PIXELS
from netc.errors import Diagnostic, NetError, suggest
from netc.files import open_regular
from netc.layer import Array, Phase, Shape, format_shape
from netc.schema.record import Record
from netc.untrusted import bomb, budget, library


class RowReader:
    """Rows of arrays that are all in memory; array k goes to top k. Those of the first may be images, transformed."""

    def __init__(self, opening: Opening, path: Path, arrays: Sequence[Array]) -> None:
        self._path, self._arrays = path, arrays
        self._transform = Transform(opening, arrays[0].shape[1:]) if opening.record.has("transform_param") else None
        self.slow = self._transform is not None and self._transform.slow

    @property
    def shapes(self) -> tuple[Shape, ...]:
        first, *others = (array.shape[1:] for array in self._arrays)
        return (first if self._transform is None else self._transform.shape, *others)

    def __len__(self) -> int:
        return len(self._arrays[0])

    def content(self) -> Iterator[bytes]:
        return of_arrays(self._arrays)

    def labels(self) -> Array | None:
        return self._arrays[1] if len(self._arrays) > 1 and self._arrays[1].ndim == 1 else None

    def name(self, record: int) -> str:
        return f"row {record} of {self._path}"

    def fetch(self, record: int) -> int:
        return record

    def fill(self, item: int, ticket: Ticket, rows: Sequence[Array]) -> None:
        for row, array in zip(rows, self._arrays, strict=True):
            if row is rows[0] and self._transform is not None:
                self._transform(array[item], row[0], ticket)
            else:
                row[0] = array[item]


def read_npz(path: Path, names: Iterable[str] | None = None) -> dict[str, Array]:
    """Arrays of an NPZ file by name, all if no names are given. Raises NetError(DAT014)."""
    with _archive(path) as (members, size):
        infos = {info.filename.removesuffix(".npy"): info for info in members.infolist()}
        names = list(infos if names is None else dict.fromkeys(names))
        declared = sum(infos[name].file_size for name in names if name in infos)
        if declared > budget(size):
            raise _bad(f"{path} is no NPZ file that can be read: {bomb(declared, size)}")
        found = {}
        for name in names:
            if name not in infos:
                raise _bad(f'{path} has no array "{name}"; it has {", ".join(infos) or "none"}')
            found[name] = _member(members.read(infos[name]), f'"{name}" in {path}')
        return found


@contextmanager
def _archive(path: Path) -> Iterator[tuple[zipfile.ZipFile, int]]:
    def refuse(reason: str) -> NetError:
        return _bad(f"{path} is no NPZ file that can be read: {reason}")

    with library(refuse), open_regular(path) as file, zipfile.ZipFile(file) as members:
        yield members, os.fstat(file.fileno()).st_size


def _member(data: bytes, what: str) -> Array:
    try:
        array = parse_npy(data)
    except BadRecordError as error:
        raise _bad(f"{what} is no array of numbers with rows: {error}") from None
    if problem := shape_problem(array.shape):
        raise _bad(f"{what} is no array of numbers with rows: it has {problem}")
    return array


def read_csv(path: Path) -> tuple[Array, list[str]]:
    """The numbers of a table (float32), and the names of its columns: those of its first line, if that is no numbers.

    Columns end at commas, semicolons or tabs. Raises NetError: DAT012 if it is no text, DAT014.
    """
    text = read_text(path, "a table").text
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        raise _bad(f"{path} is empty")
    mark = next((m for m in ",;\t" if m in lines[0]), ",")
    cells = [cell.strip().strip('"') for cell in lines[0].split(mark)]
    header = not all(_is_number(cell) for cell in cells)
    names = cells if header else [str(number) for number in range(len(cells))]
    with library(lambda reason: _bad(f"{path}: {reason} (rows and columns count from 0, without the names)")):
        table = np.loadtxt(lines[header:], np.float32, delimiter=mark, ndmin=2, comments=None, quotechar='"')
    if table.shape[1] not in (len(names), 0):
        raise _bad(f"{path} has {len(names)} names of columns, but {table.shape[1]} columns")
    return table.reshape(-1, len(names)), names


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _bad(message: str, help: str | None = None) -> NetError:
    return NetError(Diagnostic(BAD_ARRAY, message, None, (), help))


def _columns(path: Path, label: str, tops: int) -> list[Array]:
    """A table as features (N x columns) and, for a second top, the label column (N): the last, if none is named."""
    table, names = read_csv(path)
    if tops > 2:
        raise _bad(f"{path} is a table, which fills one top or two; the layer has {tops}")
    if tops == 1 and not label:
        return [table]
    if label and label not in names:
        near = suggest(label, names)
        help = f'did you mean "{near}"?' if near else f"it has {', '.join(names)}"
        raise _bad(f'{path} has no column "{label}"', help)
    at = names.index(label) if label else len(names) - 1
    return [np.delete(table, at, axis=1), table[:, at]][:tops]


def _read(record: Record) -> tuple[Path, list[Array]] | None:
    p = record.array_data_param
    path = find(record, p.source)
    if path is None:
        return None
    with blamed(record):
        if path.suffix.lower() == ".npz":
            found = read_npz(path, record.top)
            arrays = [found[top] for top in record.top]
        else:
            arrays = _columns(path, p.label, len(record.top))
        if len({len(array) for array in arrays}) > 1:
            counts = ", ".join(f"{top}: {len(a):,}" for top, a in zip(record.top, arrays, strict=True))
            raise _bad(f"the arrays of {path} have different numbers of rows ({counts})")
    if record.has("transform_param") and arrays[0].ndim != 4:
        rows = format_shape(arrays[0].shape[1:])
        message = f'transform_param is for images (channels x height x width), but rows of "{record.top[0]}" are {rows}'
        raise NetError(Diagnostic.of_layer(record, BAD_TRANSFORM, message, record.span_of("transform_param")))
    return path, arrays


def _open(opening: Opening) -> Source:
    record, p = opening.record, opening.record.array_data_param
    found = _read(record)
    if found is None:
        raise missing(record, f'there is no "{p.source}"', p.source)
    reader = RowReader(opening, *found)
    order = ordered(opening, p, len(reader), reader.labels, shuffle=p.shuffle, stream=opening.stream)
    return Reading(opening, reader, order, int(p.batch_size))


def _probe(record: Record, phase: Phase) -> tuple[Shape, ...] | None:
    size = int(record.array_data_param.batch_size)
    found = _read(record) if size else None
    if found is None:
        return None
    first, *others = (array.shape[1:] for array in found[1])
    first = transformed(record, first) if record.has("transform_param") else first
    return tuple((size, *shape) for shape in (first, *others))


ARRAY_DATA = SourceType("ArrayData", _open, _probe, transform=PIXELS)
