"""What the records of a source are, told from a part of them: a run that goes on notices that they are others now.

Counted is what is cheap to read: all names and labels of a list, and of up to 64 records, evenly apart, their bytes.
So a record that is none of these may change unnoticed; the same data in another place, or copied, counts as the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

import numpy as np

from netc.data.bad import BadRecordError
from netc.data.lmdb_file import LmdbFile
from netc.errors import NetError
from netc.files import open_regular
from netc.layer import Array

SAMPLES = 64
_MOST_BYTES = 1 << 20  # of one file


def digest(parts: Iterable[bytes]) -> str:
    """A few letters that are others where a part is."""
    found = blake2b(digest_size=8)
    with suppress(NetError, BadRecordError, OSError):  # whoever reads the record says what is wrong with it
        for part in parts:
            found.update(len(part).to_bytes(8, "little"))
            found.update(part)
    return found.hexdigest()


def sampled(count: int) -> list[int]:
    """Up to `SAMPLES` of the numbers 0..count-1, evenly apart, the first and the last among them."""
    return sorted(set(np.linspace(0, count - 1, min(count, SAMPLES)).round().astype(int).tolist())) if count else []


def of_database(path: Path) -> Iterator[bytes]:
    """Keys and values of sampled records; read by a reader of its own, for the other one is elsewhere in the tree."""
    file = LmdbFile(path)
    try:
        for record in sampled(len(file)):
            yield from file.read(record)
    finally:
        file.close()


def of_files(paths: Iterable[Path]) -> Iterator[bytes]:
    """The first bytes of files, and how many they have; nothing for one that cannot be read."""
    for path in paths:
        with suppress(OSError), open_regular(path) as file:
            yield file.read(_MOST_BYTES) + str(file.seek(0, 2)).encode()


def of_parts(path: Path, size: int, most: int) -> Iterator[bytes]:
    """Up to `most` pages of a file of `size` bytes, evenly apart."""
    pages = -(-size // 4096)
    with open_regular(path) as file:
        for page in sorted({pages * part // most for part in range(most)}):
            file.seek(4096 * page)
            yield file.read(4096)


def of_arrays(arrays: Iterable[Array]) -> Iterator[bytes]:
    """All numbers of vectors (labels), and sampled rows of other arrays."""
    for array in arrays:
        yield f"{array.dtype} {array.shape}".encode()
        yield np.ascontiguousarray(array if array.ndim == 1 else array[sampled(len(array))]).tobytes()
