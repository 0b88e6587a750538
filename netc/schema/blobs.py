"""The arrays in the bytes of BlobProto messages, in every form that Caffe and NVIDIA's fork have written.

Values are views of the bytes where their form allows it. Sizes are compared with the bytes that are there before
anything is made of them, and the time grows with the bytes, however they are arranged.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netc.schema.scan import BYTES, FIXED32, FIXED64, VARINT, WireError, encode_key, scan, signed, varint

Array = NDArray[Any]

MOST_AXES = 32
"""Axes that a blob may have (Caffe's kMaxBlobAxes)."""

HALF = 2
"""The number of FLOAT16 among NVCaffe's types."""

SPARSE = 1001
"""The field of which values are in `data`, a bit each."""
RAW_DATA, RAW_DIFF = 12, 13
RAW_DATA_TYPE, RAW_DIFF_TYPE = 10, 11
_RAW_TYPES = {RAW_DATA: RAW_DATA_TYPE, RAW_DIFF: RAW_DIFF_TYPE}
_RAW = (("<f8", "DOUBLE"), ("<f4", "FLOAT"), ("<f2", "FLOAT16"), ("<i4", "INT"), ("<u4", "UINT"), ("?", "BOOL"))
"""NVCaffe's `Type`, by its number: DOUBLE, which is also what an unset type reads as, to BOOL."""

_SIZES = {1: 0, 2: 1, 3: 2, 4: 3}  # num, channels, height, width
_VALUES = {5: (FIXED32, "<f4"), 6: (FIXED32, "<f4"), 8: (FIXED64, "<f8"), 9: (FIXED64, "<f8")}
"""Field number -> wire type of a single value, and its type: data, diff, double_data, double_diff."""


class BlobError(WireError):
    """A blob that contradicts itself."""


def blob(data: bytes, start: int, end: int, what: str) -> tuple[Array, Array | None]:
    """The values, and the gradients if there are some, of the BlobProto in `data[start:end]`.

    Floats of 2, 4 or 8 bytes stay as they are stored; raw integers become floats that hold them exactly. Fields with a
    number or wire type that the message does not have are skipped, as protobuf does. Raises WireError.
    """
    shape: tuple[int, ...] = ()
    sizes: list[int] | None = None
    parts: dict[int, list[Array]] = {}
    types = {RAW_DATA_TYPE: 0, RAW_DIFF_TYPE: 0}
    there: Array | None = None
    for number, wire, first, last in _fields(data, start, end, parts):
        if number == 7 and wire == BYTES:
            shape += _dims(data, first, last, MOST_AXES - len(shape), what)
        elif number in _SIZES and wire == VARINT:
            sizes = sizes or [0, 0, 0, 0]
            sizes[_SIZES[number]] = signed(first, 32)
        elif number in types and wire == VARINT:
            types[number] = first
        elif number == SPARSE and wire == BYTES:
            there = np.frombuffer(data, np.uint8, last - first, first)
        elif number in _RAW_TYPES and wire == BYTES:
            parts[number] = [np.frombuffer(data, np.uint8, last - first, first)]
    for number, type in _RAW_TYPES.items():
        if number in parts:
            parts[number] = [_raw(parts[number][0], types[type], what)]
    if sizes is not None:
        shape = tuple(sizes)
    diffs = _joined(parts, RAW_DIFF, 9, 6)
    if diffs is not None:
        diffs = _shaped(diffs, shape, what, "gradients")
    values = _joined(parts, RAW_DATA, 8, 5)
    if there is not None:
        values = _spread(np.empty(0, np.float32) if values is None else values, there, shape, what)
    return _shaped(np.empty(0, np.float32) if values is None else values, shape, what, "values"), diffs


def _spread(values: Array, there: Array, shape: tuple[int, ...], what: str) -> Array:
    """All values of a sparse blob, of which those are given that have a bit."""
    size = prod(shape) if all(n >= 0 for n in shape) else -1
    if len(there) != (size + 7) // 8:
        raise BlobError(f"{what} says of {8 * len(there)} values whether they are there, but its shape has {size}", 0)
    bits = np.unpackbits(there, count=size, bitorder="little").view(bool)
    if int(np.count_nonzero(bits)) != values.size:
        raise BlobError(f"{what} holds {values.size} values, but says that {np.count_nonzero(bits)} are there", 0)
    found = np.zeros(size, values.dtype)
    found[bits] = values
    return found


def _raw(values: Array, type: int, what: str) -> Array:
    """Raw bytes as the numbers that they are."""
    if type >= len(_RAW):
        raise BlobError(f"{what} has raw values of type {type}; netc knows 0 (DOUBLE) to {len(_RAW) - 1} (BOOL)", 0)
    dtype, name = np.dtype(_RAW[type][0]), _RAW[type][1]
    if values.nbytes % dtype.itemsize:
        raise BlobError(f"{what} has {values.nbytes} bytes of {name}, which takes {dtype.itemsize} each", 0)
    if dtype.kind == "b":
        dtype, values = np.dtype(np.float32), (values != 0).astype("<f4").view(np.uint8)
    found = values.view(dtype)
    made: Array = found if dtype.kind == "f" else found.astype(np.float64)
    return made


def _joined(parts: dict[int, list[Array]], *numbers: int) -> Array | None:
    """The values of the first of these fields that has some."""
    there = [parts[number] for number in numbers if number in parts]
    found = next((p for p in there if any(a.size for a in p)), there[0] if there else None)
    if found is None:
        return None
    return found[0] if len(found) == 1 else np.concatenate(found)


def _shaped(array: Array, shape: tuple[int, ...], what: str, kind: str) -> Array:
    if any(size < 0 for size in shape):
        raise BlobError(f"{what} has the shape {shape}, with a negative size", 0)
    if prod(shape) != array.size:
        sizes = " x ".join(map(str, shape)) or "no axes (a single value)"
        raise BlobError(f"{what} holds {array.size} {kind}, but its shape is {sizes}", 0)
    return array.reshape(shape)


def _dims(data: bytes, start: int, end: int, most: int, what: str) -> tuple[int, ...]:
    """A BlobShape: dim 1, packed or not."""
    dims: list[int] = []
    for number, wire, first, last in scan(data, start, end):
        if number == 1 and wire == VARINT:
            dims.append(signed(first))
        at = first
        while number == 1 and wire == BYTES and at < last and len(dims) <= most:
            value, at = varint(data, at, last)
            dims.append(signed(value))
        if len(dims) > most:
            raise BlobError(f"{what} has more than {MOST_AXES} axes", 0)
    return tuple(dims)


def _fields(data: bytes, start: int, end: int, parts: dict[int, list[Array]]) -> Iterator[tuple[int, int, int, int]]:
    """The fields of a BlobProto as `scan` gives them; those with values go to `parts`, by number.

    Values that are stored one by one are taken a whole run at a time.
    """
    at = start
    while at < end:
        for number, wire, first, last in scan(data, at, end):
            single, dtype = _VALUES.get(number, (None, ""))
            if single is None:
                yield number, wire, first, last
            elif wire == single:
                array, at = _run(data, first, end, encode_key(number, wire), dtype)
                parts.setdefault(number, []).append(array)
                break
            elif wire == BYTES:
                size = np.dtype(dtype).itemsize
                if (last - first) % size:
                    raise WireError("packed values are cut", first, truncated=True)
                parts.setdefault(number, []).append(np.frombuffer(data, dtype, (last - first) // size, first))
        else:
            return


def _run(data: bytes, first: int, end: int, key: bytes, dtype: str) -> tuple[Array, int]:
    """The values that are stored one by one, each after its key, the first at an offset; and where the run ends."""
    size = np.dtype(dtype).itemsize
    step = 1 + size
    rest = np.frombuffer(data, np.uint8, (end - first - size) // step * step, first + size).reshape(-1, step)
    count = _leading(rest[:, 0], key[0])
    values = np.empty((1 + count, size), np.uint8)
    values[0] = np.frombuffer(data, np.uint8, size, first)
    values[1:] = rest[:count, 1:]
    return values.view(dtype).reshape(-1), first + size + count * step


def _leading(keys: Array, key: int) -> int:
    """How many keys from the first on are this one, looked at in parts that grow, so that short runs take short."""
    at, size = 0, 64
    while at < len(keys):
        other = np.flatnonzero(keys[at : at + size] != key)
        if other.size:
            return at + int(other[0])
        at, size = at + size, 2 * size
    return len(keys)
