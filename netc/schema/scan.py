"""Protobuf's wire format: the fields of a message, one after the other, without copying anything.

The format is that of https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

from collections.abc import Iterator

from netc.errors import Refusal

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_SIZES = {FIXED64: 8, FIXED32: 4}
_GROUP, _END_GROUP = 3, 4
_DEEPEST = 100


class WireError(Refusal):
    """Bytes that are not a protobuf message; `truncated` when they end in the middle of one."""

    def __init__(self, message: str, offset: int, truncated: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset
        self.truncated = truncated


def varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """The unsigned integer at an offset, and the offset after it."""
    value = shift = 0
    while True:
        if at >= end:
            raise WireError("the bytes end inside a number", at, truncated=True)
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at
        shift += 7
        if shift > 63:
            raise WireError("a number is longer than ten bytes", at)


def scan(data: bytes, start: int = 0, end: int | None = None) -> Iterator[tuple[int, int, int, int]]:
    """The fields of the message in `data[start:end]`: number, wire type, and two integers.

    For a varint these are its value and 0; for the others the offsets where the field's bytes start and end. Groups, a
    form of fields that no message of Caffe has, are skipped. Raises WireError.
    """
    at, end = start, len(data) if end is None else end
    while at < end:
        tag, at = varint(data, at, end)
        number, wire = tag >> 3, tag & 7
        if number == 0:
            raise WireError("a field has number 0", at)
        if wire == VARINT:
            value, at = varint(data, at, end)
            yield number, wire, value, 0
            continue
        if wire == BYTES:
            size, at = varint(data, at, end)
        elif wire in _SIZES:
            size = _SIZES[wire]
        elif wire == _GROUP:
            at = _after_group(data, at, end, number)
            continue
        else:
            raise WireError(f"a field has wire type {wire}", at)
        if size > end - at:
            raise WireError(f"a field needs {size} bytes, but {end - at} are left", at, truncated=True)
        yield number, wire, at, at + size
        at += size


def _after_group(data: bytes, at: int, end: int, number: int) -> int:
    """The offset after a group whose start has been read."""
    open_groups = [number]
    while open_groups:
        tag, at = varint(data, at, end)
        number, wire = tag >> 3, tag & 7
        if wire == _END_GROUP and number == open_groups[-1]:
            open_groups.pop()
        elif wire == _GROUP and len(open_groups) < _DEEPEST:
            open_groups.append(number)
        elif wire == VARINT:
            _, at = varint(data, at, end)
        elif wire == BYTES or wire in _SIZES:
            size, at = varint(data, at, end) if wire == BYTES else (_SIZES[wire], at)
            at += size
        else:
            raise WireError(f"a field has wire type {wire}", at)
    return at


def signed(value: int, bits: int = 64) -> int:
    """A varint as a signed integer of so many bits."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def encode_varint(value: int) -> bytes:
    """An integer as a varint; negative ones take ten bytes."""
    value &= 0xFFFFFFFFFFFFFFFF
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def encode_key(number: int, wire: int) -> bytes:
    """What stands before a field's value."""
    return encode_varint(number << 3 | wire)


def encode_bytes(number: int, value: bytes) -> bytes:
    """A field of bytes, text or a message."""
    return encode_key(number, BYTES) + encode_varint(len(value)) + value
