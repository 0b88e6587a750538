"""Writing weight files and solver states: bytes that protobuf reads as the same message, without a copy of the arrays.

Fields go out by ascending number, as protobuf itself writes them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

import numpy as np

from netc.errors import Diagnostic, NetError
from netc.schema import codes
from netc.schema.blobs import HALF, RAW_DATA, RAW_DIFF, SPARSE, Array
from netc.schema.record import Record
from netc.schema.scan import BYTES, FIXED32, VARINT, encode_bytes, encode_key, encode_varint, scan
from netc.schema.weights import LayerWeights, SolverState
from netc.schema.wire import encode

LIMIT = 2**31 - 1
"""Bytes that a protobuf message may have."""

Chunk = bytes | memoryview

_FORMS: dict[np.dtype[Any], tuple[str, int, int]] = {
    np.dtype(np.float16): ("<f2", RAW_DATA, RAW_DIFF),
    np.dtype(np.float64): ("<f8", 8, 9),
}
"""How arrays are stored that are not floats of four bytes: their type, the fields of values and of gradients."""


class _Message:
    """A message under construction: its pieces, and their size."""

    def __init__(self) -> None:
        self.chunks: list[Chunk] = []
        self.size = 0

    def add(self, chunk: Chunk) -> None:
        self.chunks.append(chunk)
        self.size += len(chunk)

    def nest(self, number: int, inner: _Message) -> None:
        self.add(encode_key(number, BYTES) + encode_varint(inner.size))
        self.chunks += inner.chunks
        self.size += inner.size


def write_weights(file: BinaryIO, name: str, layers: Iterable[LayerWeights], definition: Record | None = None) -> int:
    """Write a NetParameter message with these layers' parameters; gives the number of bytes.

    `definition`, a NetParameter, adds everything else that the net and its layers (by name) say, as Caffe's own
    snapshots do. Raises NetError (SNP005) for 2 GiB or more, before anything is written; OSError is the file's own.
    """
    return _write(file, _weights(name, layers, definition))


def dump_weights(name: str, layers: Iterable[LayerWeights], definition: Record | None = None) -> bytes:
    """As `write_weights`, but gives the bytes."""
    return b"".join(weights_parts(name, layers, definition))


def weights_parts(
    name: str, layers: Iterable[LayerWeights], definition: Record | None = None
) -> tuple[bytes | memoryview, ...]:
    """As `write_weights`, but gives what the file is made of, one part after the other; arrays are not copied."""
    return tuple(_checked(_weights(name, layers, definition)))


def _weights(name: str, layers: Iterable[LayerWeights], definition: Record | None) -> _Message:
    net = _Message()
    rest = _definition(net, name, definition)
    for layer in layers:
        own = rest.get(layer.name)
        net.nest(100, _layer(layer, own.popleft() if own else None))
    return net


def write_solver_state(file: BinaryIO, state: SolverState) -> int:
    """Write a SolverState message; gives the number of bytes. Raises as `write_weights`."""
    message = _Message()
    message.add(encode_key(1, VARINT) + encode_varint(state.iter))
    if state.learned_net:
        message.add(encode_bytes(2, state.learned_net.encode("utf-8", "surrogateescape")))
    for array in state.history:
        message.nest(3, blob_message(array))
    message.add(encode_key(4, VARINT) + encode_varint(state.current_step))
    if state.minimum_loss is not None:
        message.add(encode_key(5, FIXED32) + np.array(state.minimum_loss, "<f4").tobytes())
        message.add(encode_key(6, VARINT) + encode_varint(state.iter_last_event))
    return _write(file, message)


def write_blob(file: BinaryIO, array: Array) -> int:
    """Write a BlobProto message (a `.binaryproto` file, say); gives the number of bytes."""
    return _write(file, blob_message(array))


def blob_message(array: Array, diff: Array | None = None) -> _Message:
    """An array as a BlobProto: float16 as NVCaffe's raw values, float64 as doubles, all else as floats."""
    message = _Message()
    shape = _shape(array)
    dtype, *numbers = _FORMS.get(array.dtype, ("<f4", 5, 6))
    if numbers[0] > 7:
        message.add(shape)
    given = [(number, values) for number, values in zip(numbers, (array, diff), strict=True) if values is not None]
    if numbers[0] == RAW_DATA:
        message.add(b"".join(encode_key(number - 2, VARINT) + encode_varint(HALF) for number, _ in given))
    for number, values in given:
        flat = np.ascontiguousarray(values, dtype).reshape(-1)
        message.add(encode_key(number, BYTES) + encode_varint(flat.nbytes))
        if flat.size:
            message.add(flat.view(np.uint8).data)
    if numbers[0] < 7:
        message.add(shape)
    return message


def sparse_message(array: Array) -> _Message:
    """An array as a BlobProto that holds only the values that are not zero (as floats), and which these are.

    Caffe knows no such blobs, and refuses them.
    """
    flat = np.ascontiguousarray(array, "<f4").reshape(-1)
    there = flat.view(np.uint32) != 0  # a zero with a sign is kept
    values, message = flat[there], _Message()
    message.add(encode_key(5, BYTES) + encode_varint(values.nbytes))
    if values.size:
        message.add(values.view(np.uint8).data)
    message.add(_shape(array))
    message.add(encode_bytes(SPARSE, np.packbits(there, bitorder="little").tobytes()))
    return message


def _shape(array: Array) -> bytes:
    return encode_bytes(7, encode_bytes(1, b"".join(encode_varint(size) for size in array.shape)))


def _definition(net: _Message, name: str, definition: Record | None) -> dict[str, deque[bytes]]:
    """Add the net's own fields to the message; the bytes of its layers, those of one name in their order."""
    if definition is None:
        net.add(encode_bytes(1, name.encode("utf-8", "surrogateescape")))
        return {}
    own: dict[str, Any] = {
        k: v for k, v in definition.values.items() if k not in ("layer", "layers", "solver", "generate")
    }
    net.add(encode(Record(definition.message_type, {**own, "name": name})))
    rest: dict[str, deque[bytes]] = {}
    for layer in definition.layer:
        rest.setdefault(layer.name, deque()).append(encode(layer.replace(blobs=None)))
    return rest


def _layer(layer: LayerWeights, rest: bytes | None) -> _Message:
    message = _Message()
    if rest is None:
        message.add(encode_bytes(1, layer.name.encode("utf-8", "surrogateescape")))
        message.add(encode_bytes(2, layer.type.encode("utf-8", "surrogateescape")))
        cut, rest = 0, b""
    else:
        cut = _where(rest, 7)
    message.add(rest[:cut])
    for index, blob in enumerate(layer.blobs):
        diff = layer.diffs[index] if index < len(layer.diffs) else None
        message.nest(7, sparse_message(blob) if index in layer.sparse and diff is None else blob_message(blob, diff))
    message.add(rest[cut:])
    return message


def _where(data: bytes, number: int) -> int:
    """The offset in a message, written by ascending number, where a field of this number belongs."""
    end = 0
    for found, wire, first, last in scan(data):
        if found > number:
            break
        end = end + len(encode_key(found, wire) + encode_varint(first)) if wire == VARINT else last
    return end


def _checked(message: _Message) -> Iterator[Chunk]:
    if message.size > LIMIT:
        text = f"the file would have {message.size} bytes; protobuf allows {LIMIT}"
        raise NetError(Diagnostic(codes.TOO_LARGE, text))
    return iter(message.chunks)


def _write(file: BinaryIO, message: _Message) -> int:
    for chunk in _checked(message):
        file.write(chunk)
    return message.size
