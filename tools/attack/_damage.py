"""How files are damaged: blindly, and where their format keeps counts and sizes. All by a seeded generator."""

from __future__ import annotations

import json
import re
import struct
import zlib
from collections.abc import Callable

import numpy as np

from netc.schema.scan import BYTES, VARINT, WireError, encode_bytes, encode_key, encode_varint, scan

Random = np.random.Generator
Damage = Callable[[bytes, Random], bytes]

LIES = [0, 1, 2, 5, 127, 128, 255, 256, 32767, 32768, 65535, 2**24 + 1, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**62]
LIES += [2**63 - 1, 2**63, 2**64 - 1]
WORDS = [
    "0",
    "-1",
    "1e400",
    "nan",
    "inf",
    "99999999999",
    "9" * 5000,
    "",
    "1.5",
    "x",
    "-0",
    "1_0",
    "\N{ARABIC-INDIC DIGIT FIVE}",
]


def pick(rng: Random, below: int) -> int:
    return int(rng.integers(0, max(below, 1)))


def one(rng: Random, values: list[int]) -> int:
    return values[pick(rng, len(values))]


# ---------------------------------------------------------------- blind


def flipped(data: bytes, rng: Random) -> bytes:
    out = bytearray(data)
    for _ in range(1 + pick(rng, 8)):
        if out:
            out[pick(rng, len(out))] ^= 1 << pick(rng, 8)
    return bytes(out)


def cut(data: bytes, rng: Random) -> bytes:
    at = pick(rng, len(data) + 1)
    return data[:at] if rng.random() < 0.8 else data[at:]


def swapped(data: bytes, rng: Random) -> bytes:
    a, b, c, d = sorted(pick(rng, len(data) + 1) for _ in range(4))
    return data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]


def doubled(data: bytes, rng: Random) -> bytes:
    a, b = sorted(pick(rng, len(data) + 1) for _ in range(2))
    times = min(one(rng, [2, 3, 50, 1000]), 1 + 500_000 // max(b - a, 1))
    return data[:a] + data[a:b] * times + data[b:]


def filled(data: bytes, rng: Random) -> bytes:
    a, b = sorted(pick(rng, len(data) + 1) for _ in range(2))
    b = min(b, a + 64)
    return data[:a] + bytes([one(rng, [0, 255, pick(rng, 256)])]) * (b - a) + data[b:]


def lied(data: bytes, rng: Random, first: int = 0, last: int | None = None) -> bytes:
    """A number of 1 to 8 bytes somewhere becomes one that is rarely expected."""
    size, order = one(rng, [1, 2, 4, 8]), "<>"[pick(rng, 2)]
    end = len(data) if last is None else min(last, len(data))
    if end - first < size:
        return data
    at = first + pick(rng, end - first - size + 1)
    at -= at % size if rng.random() < 0.7 else 0
    value = one(rng, [*LIES, len(data), len(data) + 1, len(data) - 1]) & (1 << 8 * size) - 1
    return data[:at] + struct.pack(order + {1: "B", 2: "H", 4: "I", 8: "Q"}[size], value) + data[at + size :]


def headed(data: bytes, rng: Random) -> bytes:
    """A lie in the first bytes, where headers are."""
    return lied(data, rng, 0, 128)


BLIND: list[Damage] = [flipped, cut, swapped, doubled, filled, lied, headed]


# ---------------------------------------------------------------- by format

Field = tuple[int, int, "int | bytes | list[Field]"]  # number, wire type, value


def _fields(data: bytes, depth: int = 0) -> list[Field] | None:
    """A protobuf message as a tree, or None if the bytes are none."""
    found: list[Field] = []
    try:
        for number, wire, first, last in scan(data):
            if wire == VARINT:
                found.append((number, wire, first))
                continue
            content = data[first:last]
            inner = _fields(content, depth + 1) if wire == BYTES and content and depth < 6 else None
            found.append((number, wire, content if inner is None else inner))
    except WireError:
        return None
    return found


def _written(fields: list[Field]) -> bytes:
    out = []
    for number, wire, value in fields:
        if isinstance(value, int):
            out.append(encode_key(number, wire) + encode_varint(value))
        elif wire == BYTES:
            out.append(encode_bytes(number, _written(value) if isinstance(value, list) else value))
        else:
            out.append(encode_key(number, wire) + (_written(value) if isinstance(value, list) else value))
    return b"".join(out)


def _lists(fields: list[Field]) -> list[list[Field]]:
    return [fields, *(inner for _, _, value in fields if isinstance(value, list) for inner in _lists(value))]


def message(data: bytes, rng: Random) -> bytes:
    """A field somewhere in a protobuf message is changed; the lengths around it stay right."""
    tree = _fields(data)
    if not tree:
        return lied(data, rng)
    places = [fields for fields in _lists(tree) if fields]
    fields = places[pick(rng, len(places))]
    at = pick(rng, len(fields))
    number, wire, value = fields[at]
    match pick(rng, 7):
        case 0:
            fields[at] = (number, VARINT, one(rng, LIES))
        case 1:
            del fields[at]
        case 2:
            fields[at : at + 1] = [fields[at]] * one(rng, [2, 10, 1000])
        case 3:
            other = pick(rng, len(fields))
            fields[at], fields[other] = fields[other], fields[at]
        case 4:
            fields[at] = (one(rng, [*range(1, 16), 100, 1001, 2**28]), wire, value)
        case 5:
            fields[at] = (number, BYTES, rng.bytes(one(rng, [0, 1, 3, 4, 8, 100])))
        case _:
            fields[at] = (number, VARINT, value ^ 1 << pick(rng, 64)) if isinstance(value, int) else fields[at]
    made = _written(tree)
    return made if rng.random() < 0.8 else lied(made, rng)


def chunked(data: bytes, rng: Random) -> bytes:
    """PNG: a chunk is changed, its checksum is right."""
    chunks, at = [], 8
    while at + 12 <= len(data):
        (size,) = struct.unpack_from(">I", data, at)
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
        at += 12 + size
    if not chunks:
        return lied(data, rng)
    index = pick(rng, len(chunks))
    kind, content = chunks[index]
    match pick(rng, 5):
        case 0 if index == 0:
            content = struct.pack(">II", *(one(rng, LIES) & 0xFFFFFFFF for _ in range(2))) + content[8:]
        case 1:
            content = lied(content, rng)
        case 2:
            chunks[index:index] = [chunks[index]] * one(rng, [1, 1000])
        case 3:
            kind = [b"IHDR", b"IDAT", b"PLTE", b"tRNS", b"zTXt", b"iCCP", b"eXIf", b"acTL"][pick(rng, 8)]
        case _:
            content = zlib.compress(bytes(one(rng, [0, 100, 1 << 20])))
    chunks[index] = (kind, content)
    parts = [struct.pack(">I", len(c)) + k + c + struct.pack(">I", zlib.crc32(k + c)) for k, c in chunks]
    return data[:8] + b"".join(parts)


def frame(data: bytes, rng: Random) -> bytes:
    """JPEG: the size in a frame header, or a segment's length, is a lie."""
    at = 2
    places = []
    while at + 9 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        places.append((at + 2, 2))
        if data[at + 1] in (0xC0, 0xC1, 0xC2):
            places += [(at + 5, 2), (at + 7, 2), (at + 4, 1), (at + 9, 1)]
        at += 2 + struct.unpack_from(">H", data, at + 2)[0]
    if not places:
        return lied(data, rng)
    where, size = places[pick(rng, len(places))]
    value = one(rng, LIES) & (1 << 8 * size) - 1
    return data[:where] + value.to_bytes(size, "big") + data[where + size :]


def paged(data: bytes, rng: Random) -> bytes:
    """LMDB: a word of a page's header, its offsets, a node, or a meta page is a lie, or another page's number."""
    pages = max(1, len(data) // 4096)
    at = pick(rng, pages) * 4096
    if rng.random() < 0.3:  # whole numbers of the meta pages: sizes, flags, entries, root, last page, transaction
        at, size = pick(rng, 2) * 4096 + one(rng, [16, 20, 40, 88, 92, 120, 128, 136, 144]), 8
    else:
        places = [(0, 8), (10, 2), (12, 2), (14, 2), (16, 2), (18, 2)]
        (node,) = struct.unpack_from("<H", data.ljust(at + 18), at + 16)
        places += [(node + k, 2) for k in (0, 2, 4, 6)] + [(node + 16, 8)] if node < 4000 else []
        where, size = places[pick(rng, len(places))]
        at += where
    value = one(rng, [*LIES, *range(pages), pages, len(data)]) & (1 << 8 * size) - 1
    return data[:at] + value.to_bytes(size, "little") + data[at + size :]


def dimensioned(data: bytes, rng: Random) -> bytes:
    """IDX: type, number of axes and sizes are lies."""
    out = bytearray(data)
    if rng.random() < 0.3:
        out[2:4] = bytes([one(rng, [8, 9, 11, 12, 13, 14, 0]), one(rng, [0, 1, 2, 3, 4, 31, 32, 33, 64, 65, 255])])
    for _ in range(1 + pick(rng, 3)):
        at = 4 + 4 * pick(rng, max(out[3], 1))
        out[at : at + 4] = struct.pack(">I", one(rng, LIES) & 0xFFFFFFFF)
    return bytes(out)


def declared(data: bytes, rng: Random) -> bytes:
    """NPY: shape, type or order in the header are lies; the header's length is right."""
    (size,) = struct.unpack_from("<H", data.ljust(10), 8)
    header = data[10 : 10 + size].decode("latin-1")
    shapes = ["()", "(0,)", "(5, 0)", "(-1, 3)", f"({2**62}, 4)", f"({2**32}, {2**32})", "(1,) * 9", str((1,) * 65)]
    types = ["|O", "<f8", "|V0", "<U9", "|S0", "<c16", "|b1", ">i8", "<f2", "<M8[s]", "[('a', '<f4')]", "<f1000"]
    if rng.random() < 0.5:
        header = re.sub(r"\([^)]*\)", lambda _: shapes[pick(rng, len(shapes))], header, count=1)
    else:
        header = re.sub(r"'[<>|=]?[a-z]\d+'", lambda _: repr(types[pick(rng, len(types))]), header, count=1)
    raw = header.encode("latin-1")
    return data[:8] + struct.pack("<H", len(raw)) + raw + data[10 + size :]


def tensors(data: bytes, rng: Random) -> bytes:
    """safetensors: a value in the header is a lie; the header's length is right."""
    (size,) = struct.unpack_from("<Q", data.ljust(8))
    try:
        header = json.loads(data[8 : 8 + size])
        name = list(header)[pick(rng, len(header))]
        key = list(header[name])[pick(rng, len(header[name]))]
    except (ValueError, TypeError, IndexError):
        return lied(data, rng)
    lies: list[object] = [
        [],
        [0],
        [2**62, 4],
        [-1],
        "F64",
        "BF16",
        "I8",
        [0, 2**62],
        {},
        None,
        "[]",
        "{",
        '[["a"]]',
        1e400,
    ]
    header[name][key] = lies[pick(rng, len(lies))]
    if rng.random() < 0.2:
        header[["x", "/0", "ip/0/0", "ip/1000000"][pick(rng, 4)]] = header[name]
    raw = json.dumps(header).encode()
    return struct.pack("<Q", len(raw)) + raw + data[8 + size :]


def worded(data: bytes, rng: Random) -> bytes:
    """Text: a number or a word becomes another, lines come again and again or go."""
    text = data.decode("utf-8", "surrogateescape")
    match pick(rng, 4):
        case 0:
            found = list(re.finditer(r"-?\d+(\.\d+)?", text))
            if found:
                number = found[pick(rng, len(found))]
                text = text[: number.start()] + WORDS[pick(rng, len(WORDS))] + text[number.end() :]
        case 1:
            lines = text.splitlines(keepends=True)
            if lines:
                at = pick(rng, len(lines))
                lines[at : at + 1] = [lines[at]] * one(rng, [0, 2, 1000])
            text = "".join(lines)
        case 2:
            a, b = pick(rng, len(text)), pick(rng, len(text))
            text = text[:a] + text[b : b + 1] * one(rng, [1, 1000, 100_000]) + text[a:]
        case _:
            marks = [" ", ",", "\t", "\r", "\0", '"', "<!DOCTYPE x>", "\ud800", "\ufeff"]
            a = pick(rng, len(text))
            text = text[:a] + marks[pick(rng, len(marks))] + text[a:]
    return text.encode("utf-8", "surrogatepass") if rng.random() < 0.9 else text.encode("utf-16", "surrogatepass")
