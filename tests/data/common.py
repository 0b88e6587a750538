"""Small data of every kind, made by the tests, and what it takes to read it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pytest

from netc.data import open_source
from netc.data.datum import encode
from netc.errors import Diagnostic, NetError
from netc.schema.record import Record
from tests.layers.harness import layers_of

Array = np.ndarray


def layer(type: str, fields: str, tops: Sequence[str] = ("data", "label")) -> Record:
    """A data layer of these fields."""
    names = " ".join(f'top: "{top}"' for top in tops)
    (record,) = layers_of(f'layer {{ name: "d" type: "{type}" {names} {fields} }}')
    return record


def batches(source: Any, count: int) -> list[list[Array]]:
    """The next batches of a source."""
    found = []
    for _ in range(count):
        out = [np.full(shape, np.nan, np.float32) for shape in source.shapes()]
        source.next(out)
        found.append(out)
    return found


def read(record: Record, count: int = 1, phase: Any = "TRAIN", seed: int = 1, **options: Any) -> list[list[Array]]:
    """The first batches of a layer."""
    return batches(open_source(record, phase, seed, **options), count)


def same(a: list[list[Array]], b: list[list[Array]]) -> bool:
    """Whether two runs of batches are the same to the bit."""
    return len(a) == len(b) and all(
        x.tobytes() == y.tobytes()
        for first, second in zip(a, b, strict=True)
        for x, y in zip(first, second, strict=True)
    )


def refused(call: Any, *arguments: Any, **options: Any) -> Diagnostic:
    """The one diagnostic that a call raises."""
    with pytest.raises(NetError) as caught:
        call(*arguments, **options)
    (diagnostic,) = caught.value.diagnostics
    return diagnostic


def images(count: int, shape: tuple[int, ...] = (3, 6, 5), seed: int = 0) -> Array:
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)


def write_lmdb(path: Path, records: Iterable[bytes]) -> Path:
    """A database of these records, in this order."""
    with lmdb.open(str(path), map_size=1 << 26) as env, env.begin(write=True) as txn:
        for index, record in enumerate(records):
            txn.put(f"{index:08}".encode(), record)
    return path


def image_lmdb(path: Path, pixels: Array) -> Path:
    """A database of raw images; their labels are their numbers."""
    return write_lmdb(path, (encode(image, label) for label, image in enumerate(pixels)))
