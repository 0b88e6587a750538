"""Makes LMDB databases of `Datum` records: from image files, or from arrays such as MNIST's.

Records are added in the order of their keys and committed a thousand at a time, into `.NAME.part` beside the database,
which is renamed when it is whole; so a run that was stopped goes on where its last commit ended, and a database that is
there has all its records. One process at a time writes a database.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from netc import locks
from netc.data.bad import BadRecordError
from netc.data.codes import BAD_RECORD, NOT_MADE
from netc.data.datum import encode, encode_file
from netc.data.extras import lmdb
from netc.data.images import Colour, decode_image, encode_image, read_bytes
from netc.data.lists import Listed
from netc.data.lmdb_file import LmdbFile
from netc.data.paths import Root
from netc.data.resize import resize
from netc.errors import Diagnostic, NetError
from netc.files import flush_folder
from netc.layer import Array

T = TypeVar("T")
_COMMIT = 1000
_START_SIZE = 1 << 26
_AHEAD = 64
_LONGEST_KEY = 511

Item = tuple[bytes, Callable[[], bytes]]  # a key, and what makes its value; it may raise BadRecordError


@dataclass
class Made:
    """What became of the records: written now, there already, bad (name and reason); and what to warn of."""

    written: int = 0
    before: int = 0
    bad: list[tuple[str, str]] = field(default_factory=list)
    warning: Diagnostic | None = None


def make(path: Path, items: Sequence[Item], *, skip: bool, progress: Callable[[int], object], threads: int = 1) -> Made:
    """Write a database, or go on with one that the same items began. progress: called with the items done.

    Raises NetError: DAT002 for a bad record (unless they are skipped), DAT015 if the database cannot be written.
    """
    path = Path(os.path.realpath(path))
    with _alone(path) as warning:
        part = path.with_name(f".{path.name}.part")
        at = path if _is_there(path) else part
        made = Made(before=_begun(at, items), warning=warning)
        progress(made.before)
        try:
            _fill(at, items, made, skip, progress, threads)
        except NetError:
            _remove_empty(part)
            raise
        if at is part:
            _settle(part, path)
    return made


def _fill(
    path: Path, items: Sequence[Item], made: Made, skip: bool, progress: Callable[[int], object], threads: int
) -> None:
    with _database(path) as put:
        for number, (key, value) in enumerate(_values(items[made.before :], threads), made.before + 1):
            if isinstance(value, BadRecordError):
                if not skip:
                    help = value.help or "leave bad records out with --on-bad-record skip"
                    raise NetError(Diagnostic(BAD_RECORD, f"{_named(key)}: {value}", None, (), help))
                made.bad.append((_named(key), str(value)))
            else:
                put(key, value)
                made.written += 1
            progress(number)


@contextmanager
def _alone(path: Path) -> Iterator[Diagnostic | None]:
    """While this process alone writes a database; gives a warning if that cannot be told. Raises NetError(DAT015)."""
    lock, taken, warning = path.with_name(f".{path.name}.part.lock"), None, None
    try:
        taken = locks.take(lock)
    except locks.InUseError as holder:
        raise NetError(Diagnostic(NOT_MADE, f"{path} is being written by {holder}")) from None
    except OSError as error:
        warning = locks.not_taken(str(path), error)
    try:
        yield warning
    finally:
        if taken is not None:
            locks.give_back(taken, lock)


def _is_there(path: Path) -> bool:
    """Whether there is a database, or anything else that is no empty folder."""
    return path.exists() and not (path.is_dir() and not any(path.iterdir()))


def _has_just_begun(path: Path) -> bool:
    """Whether LMDB has made its files there, and written nothing yet: a run was killed at its start."""
    names = {file.name for file in path.iterdir()} if path.is_dir() else {""}
    return names <= {"lock.mdb", "data.mdb"} and not ("data.mdb" in names and (path / "data.mdb").stat().st_size)


def _remove_empty(part: Path) -> None:
    """Nothing is left of a database without a record."""
    with suppress(OSError, NetError):
        file = LmdbFile(part)
        records = len(file)
        file.close()
        if not records:
            shutil.rmtree(part)


def _settle(part: Path, path: Path) -> None:
    """Give a database that is whole its name."""
    try:
        os.replace(part, path)
        flush_folder(path.parent)
    except OSError as error:
        raise NetError(Diagnostic(NOT_MADE, f"{path} cannot be written: {(error.strerror or '').lower()}")) from None


def _named(key: bytes) -> str:
    return key.decode("utf-8", "replace")[9:] or key.decode()


def _values(items: Iterable[Item], threads: int) -> Iterator[tuple[bytes, bytes | BadRecordError]]:
    """Keys and values in order; values are made in threads."""

    def make_value(item: Item) -> bytes | BadRecordError:
        try:
            return item[1]()
        except BadRecordError as error:
            return error

    for (key, _), value in ahead(make_value, items, threads):
        yield key, value


def ahead(function: Callable[[Any], T], items: Iterable[Any], threads: int) -> Iterator[tuple[Any, T]]:
    """What a function makes of items, each with its item, in order; threads work on a few items ahead."""
    if threads < 2:
        for item in items:
            yield item, function(item)
        return
    with ThreadPoolExecutor(threads) as pool:
        waiting: list[tuple[Any, Future[T]]] = []
        rest = iter(items)
        try:
            while True:
                waiting += [(item, pool.submit(function, item)) for item in islice(rest, _AHEAD - len(waiting))]
                if not waiting:
                    return
                item, future = waiting.pop(0)
                yield item, future.result()
        finally:
            for _, future in waiting:
                future.cancel()


def _begun(path: Path, items: Sequence[Item]) -> int:
    """How many of the items a database holds (or has left out) already; 0 if there is none.

    Raises NetError(DAT015) if what is there was not made from these items.
    """
    if not _is_there(path) or _has_just_begun(path):
        return 0
    if not (path / "data.mdb").exists():
        raise NetError(Diagnostic(NOT_MADE, f"{path} is there already, and is no database"))
    file = LmdbFile(path)
    try:
        if not len(file):
            return 0
        places = {key: index for index, (key, _) in enumerate(items)}
        for number in (0, len(file) - 1):
            key, value = file.read(number)
            if key not in places or _remade(items[places[key]]) != value:
                message = f"{path} is there already, and its record {_named(key)!r} is another than would be written"
                raise NetError(Diagnostic(NOT_MADE, message))
        return places[key] + 1
    finally:
        file.close()


def _remade(item: Item) -> bytes | None:
    try:
        return item[1]()
    except BadRecordError:
        return None


@contextmanager
def _database(path: Path) -> Iterator[Callable[[bytes, bytes], None]]:
    """A database that grows as it needs to; what was put is committed at the end, also after an exception."""
    library = lmdb()
    pending: list[tuple[bytes, bytes]] = []
    try:
        size = max(_START_SIZE, 2 * (path / "data.mdb").stat().st_size if (path / "data.mdb").exists() else 0)
        environment = library.open(str(path), map_size=size, subdir=True, max_dbs=0)
    except (OSError, library.Error) as error:
        raise NetError(Diagnostic(NOT_MADE, f"{path} cannot be written: {error}")) from None

    def commit() -> None:
        while pending:
            try:
                with environment.begin(write=True) as transaction:
                    for key, value in pending:
                        if not transaction.put(key, value, append=True):
                            message = f"{path} has records behind {_named(key)!r} already: something else writes it"
                            raise NetError(Diagnostic(NOT_MADE, message))
                pending.clear()
            except library.MapFullError:
                environment.set_mapsize(environment.info()["map_size"] * 2)
            except (OSError, library.Error) as error:
                raise NetError(Diagnostic(NOT_MADE, f"{path} cannot be written: {error}")) from None

    def put(key: bytes, value: bytes) -> None:
        pending.append((key, value))
        if len(pending) >= _COMMIT:
            commit()

    try:
        yield put
    finally:
        try:
            commit()
            environment.sync(True)
        finally:
            environment.close()


# ---------------------------------------------------------------- items


def array_items(images: Array, labels: Array) -> list[Item]:
    """Items of images (N x channels x height x width) and their labels, with Caffe's keys: `00000000`..."""

    def value(index: int) -> Callable[[], bytes]:
        return lambda: encode(np.asarray(images[index]), int(labels[index]))

    return [(f"{index:08}".encode(), value(index)) for index in range(len(images))]


@dataclass(frozen=True, slots=True)
class ImageOptions:
    """How image files become records. store: "raw" pixels, "png" or "jpg" files, or the "file" as it is."""

    folder: Path
    prefix: str = ""
    size: tuple[int, int] | None = None
    colour: Colour = "color"
    store: str = "raw"


def image_items(listed: Sequence[Listed], options: ImageOptions) -> list[Item]:
    """Items of image files, with the keys of Caffe's convert_imageset: `00000000_path`."""

    def value(entry: Listed) -> Callable[[], bytes]:
        return lambda: image_record(entry, options)

    return [(record_key(index, entry.path), value(entry)) for index, entry in enumerate(listed)]


def record_key(index: int, path: str) -> bytes:
    """`00000000_path`; LMDB takes keys of 511 bytes, so the end of a longer path is cut."""
    return f"{index:08}_{path}".encode("utf-8", "surrogateescape")[:_LONGEST_KEY]


def image_record(entry: Listed, options: ImageOptions) -> bytes:
    """The Datum of an image file. Raises BadRecordError."""
    with Root(options.prefix, options.folder, tools=True).reading(entry.path) as path:
        data = read_bytes(path)
    pixels = decode_image(data, options.colour)
    if options.store == "file":
        return encode_file(data, int(entry.label))
    if options.size:
        pixels = resize(pixels, *options.size)
    if options.store == "raw":
        return encode(pixels.transpose(2, 0, 1), int(entry.label))
    return encode_file(encode_image(pixels, options.store), int(entry.label))
