"""Records as protobuf bytes and as protobuf messages, and back."""

from __future__ import annotations

import struct
from typing import Any

from netc.schema.record import FieldType, MessageType, Record
from netc.schema.scan import (
    BYTES,
    FIXED32,
    FIXED64,
    VARINT,
    WireError,
    encode_bytes,
    encode_key,
    encode_varint,
    scan,
    signed,
    varint,
)
from netc.schema.values import single

MAX_DEPTH = 100
"""How many messages may be nested; protobuf's own limit."""


def encode(record: Record) -> bytes:
    """The record as protobuf bytes, fields by ascending number."""
    out = []
    type = record.message_type
    fields = sorted((type.field(name) for name in record.values), key=lambda field: field.tag)
    for field in fields:
        value = record.values[field.name]
        if field.declaration.packed:
            if value:
                out.append(encode_bytes(field.tag, b"".join(_payload(field, item) for item in value)))
            continue
        for item in value if field.repeated else (value,):
            payload = _payload(field, item)
            if field.kind in ("string", "bytes", "message"):
                out.append(encode_bytes(field.tag, payload))
            else:
                out.append(encode_key(field.tag, _wire(field)) + payload)
    return b"".join(out)


def decode(data: bytes, type: MessageType) -> Record:
    """The record in protobuf bytes; as in protobuf, fields the schema does not have, or has with another wire type, are
    left out. Raises WireError."""
    return _decode(data, 0, len(data), type, 0)


def _wire(field: FieldType) -> int:
    if field.type == "float":
        return FIXED32
    return FIXED64 if field.type == "double" else VARINT


def _payload(field: FieldType, value: Any) -> bytes:
    kind = field.kind
    if kind == "message":
        return encode(value)
    if kind == "string":
        return bytes(value.encode("utf-8", "surrogateescape"))
    if kind == "bytes":
        return bytes(value)
    if kind == "float":
        return struct.pack("<f", single(value)) if field.type == "float" else struct.pack("<d", value)
    if kind == "enum":
        assert field.enum is not None
        return encode_varint(field.enum.values[value])
    return encode_varint(int(value))


def _decode(data: bytes, start: int, end: int, type: MessageType, depth: int) -> Record:
    """The record in `data[start:end]`; fields whose number or wire type the message does not have are skipped."""
    if depth > MAX_DEPTH:
        raise WireError(f"messages are nested deeper than {MAX_DEPTH} levels", start)
    values: dict[str, Any] = {}
    parts: dict[FieldType, list[tuple[int, int]]] = {}  # of singular messages
    for number, wire, first, last in scan(data, start, end):
        field = type.by_tag.get(number)
        if field is None or wire not in _wires(field):
            continue
        if field.message is not None and not field.repeated:
            values.setdefault(field.name, None)  # its place in the order
            parts.setdefault(field, []).append((first, last))
            continue
        items = _items(data, field, wire, first, last, depth)
        if field.repeated:
            values.setdefault(field.name, []).extend(items)
        elif items:
            values[field.name] = items[-1]
    for field, places in parts.items():
        assert field.message is not None
        values[field.name] = _decode(*_joined(data, places), field.message, depth + 1)
    return Record(type, {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()})


def _joined(data: bytes, places: list[tuple[int, int]]) -> tuple[bytes, int, int]:
    """The bytes of a message and where it stands in them; one that stands twice is merged: its bytes are joined."""
    if len(places) == 1:
        return data, *places[0]
    joined = b"".join(data[first:last] for first, last in places)
    return joined, 0, len(joined)


def _wires(field: FieldType) -> tuple[int, ...]:
    """The wire types that a field may be stored with."""
    if field.kind in ("message", "string", "bytes"):
        return (BYTES,)
    return (_wire(field), BYTES) if field.repeated else (_wire(field),)


def _items(data: bytes, field: FieldType, wire: int, first: int, last: int, depth: int) -> list[Any]:
    """The values in one field of the wire: one, or many if it is packed; none for a number that no enum value has."""
    if field.message is not None:
        return [_decode(data, first, last, field.message, depth + 1)]
    if field.kind in ("string", "bytes"):
        content = data[first:last]
        return [content.decode("utf-8", "surrogateescape") if field.kind == "string" else bytes(content)]
    if field.kind == "float":
        return _floats(data, field, first, last)
    if wire == BYTES:
        return _packed(data, field, first, last)
    return [v for v in (_integer(field, first),) if v is not None]


def _packed(data: bytes, field: FieldType, first: int, last: int) -> list[Any]:
    out = []
    while first < last:
        value, first = varint(data, first, last)
        item = _integer(field, value)
        if item is not None:
            out.append(item)
    return out


def _floats(data: bytes, field: FieldType, first: int, last: int) -> list[float]:
    size, letter = (4, "f") if field.type == "float" else (8, "d")
    if (last - first) % size:
        raise WireError(f"{field.name} does not hold whole numbers of {size} bytes", first, truncated=True)
    found = struct.unpack(f"<{(last - first) // size}{letter}", data[first:last])
    return [single(v) for v in found] if letter == "f" else list(found)


def _integer(field: FieldType, value: int) -> Any:
    """A varint as the field's value; None for an enum's number that has no name."""
    if field.kind == "bool":
        return value != 0
    if field.enum is not None:
        return field.enum.names.get(signed(value, 32))
    if field.type == "uint32":
        return value & 0xFFFFFFFF
    if field.type == "uint64":
        return value
    return signed(value, 32 if field.type == "int32" else 64)
