"""Arrays whose first axis counts records: which shapes can be that, and the bytes of an NPY file as one."""

from __future__ import annotations

import io
from math import prod
from typing import Any

import numpy as np

from netc.data.bad import BadRecordError
from netc.layer import Array, Shape, format_shape
from netc.untrusted import library

MOST_AXES = 32
"""Axes that a blob may have."""

MOST_VALUES = 1 << 31
"""Values that a row may have: no blob has more."""


def shape_problem(shape: Shape) -> str:
    """Why an array of this shape is no rows of values, or ""."""
    if not shape:
        return "a single value, no rows"
    if len(shape) > MOST_AXES:
        return f"{len(shape)} axes; a blob has at most {MOST_AXES}"
    if prod(shape[1:]) > MOST_VALUES:
        return f"rows of {format_shape(shape[1:])} values"
    return f"rows without values ({format_shape(shape)})" if 0 in shape[1:] else ""


def parse_npy(data: bytes) -> Array:
    """The numbers in the bytes of an NPY file, as a view. Raises BadRecordError.

    Only what the header declares is compared with what is there: numpy itself makes the array first.
    """
    file = io.BytesIO(data)
    with library(lambda reason: BadRecordError(f"it is no NPY file that can be read: {reason}")):
        version = np.lib.format.read_magic(file)
        if version not in ((1, 0), (2, 0)):
            raise BadRecordError(f"it has version {version[0]}.{version[1]} of the NPY format; netc reads 1.0 and 2.0")
        lib: Any = np.lib.format
        read = lib.read_array_header_1_0 if version == (1, 0) else lib.read_array_header_2_0
        shape, columns_first, dtype = read(file)
        if dtype.kind not in "fiub":
            raise BadRecordError(f"it holds {dtype}, not numbers")
        need, have = prod(shape) * dtype.itemsize, len(data) - file.tell()
        if len(shape) > MOST_AXES or any(size < 0 for size in shape) or need != have:
            raise BadRecordError(f"it has {have:,} bytes of values, but a {format_shape(shape)} {dtype} array {need:,}")
        values = np.frombuffer(data, dtype, prod(shape), file.tell())
        return values.reshape(shape, order="F" if columns_first else "C")
