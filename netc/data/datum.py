"""`Datum`: one record of Caffe's databases, an image with a label."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from netc.data.bad import BadRecordError
from netc.data.labels import label_problem
from netc.layer import Array
from netc.schema.scan import BYTES, FIXED32, VARINT, WireError, encode_bytes, encode_key, encode_varint, scan, signed

_LARGEST = 1 << 31  # values in a record


class Datum(NamedTuple):
    """An image (channels x height x width, uint8 or float32) or, if `encoded` is not empty, an image file; a label."""

    image: Array | None
    encoded: bytes
    label: int


def parse(data: bytes) -> Datum:
    """A serialized Datum. Raises BadRecordError."""
    numbers, content, floats = {1: 0, 2: 0, 3: 0, 5: 0, 7: 0}, b"", []
    try:
        for number, wire, first, last in scan(data):
            if number in numbers and wire == VARINT:
                numbers[number] = signed(first, 32)
            elif number == 4 and wire == BYTES:
                content = data[first:last]
            elif number == 6 and wire in (FIXED32, BYTES):
                if (last - first) % 4:
                    raise BadRecordError("its float_data is cut")
                floats.append(data[first:last])
            elif number <= 7:
                raise BadRecordError(f"field {number} has wire type {wire}: it is not a Datum")
    except WireError as error:
        raise BadRecordError(f"it is not a Datum: {error.message}") from None
    label = numbers[5]
    if problem := label_problem(label):
        raise BadRecordError(problem)
    if numbers[7]:
        if not content:
            raise BadRecordError("it says that it holds an encoded image, but has no data")
        return Datum(None, content, label)
    shape = (numbers[1], numbers[2], numbers[3])
    if min(shape) < 1 or shape[0] * shape[1] * shape[2] > _LARGEST:
        raise BadRecordError(f"its image is {_sizes(shape)}")
    values = np.frombuffer(content, np.uint8) if content else np.frombuffer(b"".join(floats), "<f4")
    if values.size != shape[0] * shape[1] * shape[2]:
        raise BadRecordError(f"it says that its image is {_sizes(shape)}, but holds {values.size:,} values")
    return Datum(values.reshape(shape), b"", label)


def encode(image: Array, label: int) -> bytes:
    """An image (channels x height x width, uint8 or floats) and its label as a serialized Datum."""
    head = b"".join(encode_key(n, VARINT) + encode_varint(size) for n, size in enumerate(image.shape, 1))
    if image.dtype == np.uint8:
        return head + encode_bytes(4, image.tobytes()) + _label(label)
    return head + _label(label) + b"".join(encode_key(6, FIXED32) + v.tobytes() for v in image.astype("<f4").ravel())


def encode_file(content: bytes, label: int) -> bytes:
    """The bytes of an image file and its label as a serialized Datum."""
    return encode_bytes(4, content) + _label(label) + encode_key(7, VARINT) + b"\1"


def _label(label: int) -> bytes:
    return encode_key(5, VARINT) + encode_varint(label)


def _sizes(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
