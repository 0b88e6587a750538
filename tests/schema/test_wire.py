"""Records as bytes, messages and text, and back."""

from __future__ import annotations

import math
from typing import Any

import pytest
from google.protobuf import text_format
from hypothesis import given, settings
from hypothesis import strategies as st

from netc.errors import Report
from netc.language.parse import parse
from netc.language.strings import quote
from netc.schema.record import FieldType, MessageType, Record
from netc.schema.registry import base_schema
from netc.schema.scan import WireError
from netc.schema.text import number, to_text
from netc.schema.typing import type_document
from netc.schema.wire import decode, encode
from tests.schema.common import from_message, to_message

SCHEMA = base_schema()
_INTEGERS = {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1), "uint32": (0, 2**32 - 1)}


def values(field: FieldType, depth: int) -> st.SearchStrategy[Any]:
    if field.message is not None:
        return records(field.message, depth - 1)
    if field.enum is not None:
        return st.sampled_from(list(field.enum.values))
    if field.kind == "int":
        return st.integers(*_INTEGERS[field.type])
    if field.kind == "float":
        return st.floats(width=32 if field.type == "float" else 64, allow_nan=False)
    if field.kind == "bool":
        return st.booleans()
    return st.binary(max_size=5) if field.kind == "bytes" else st.text(max_size=5)


@st.composite
def records(draw: st.DrawFn, type: MessageType, depth: int = 3) -> Record:
    fields = [f for f in type.fields.values() if depth > 0 or f.message is None]
    required = [f for f in fields if f.required]
    made = {}
    some = draw(st.lists(st.sampled_from(fields), max_size=4)) if fields else []
    for field in {f.name: f for f in [*some, *required]}.values():
        value = values(field, depth)
        found = draw(st.lists(value, min_size=1, max_size=3).map(tuple) if field.repeated else value)
        made[field.name] = found
    return Record(type, made)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["LayerParameter", "SolverParameter", "BlobProto", "Datum", "NetParameter"]), st.data())
def test_there_and_back(name: str, data: st.DataObject) -> None:
    record = data.draw(records(SCHEMA.message(name)))
    message = to_message(record)
    once = from_message(message, SCHEMA)
    assert to_message(once) == message
    assert from_message(to_message(once), SCHEMA) == once
    assert decode(encode(once), SCHEMA.message(name)) == once


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["LayerParameter", "SolverParameter", "Datum"]), st.data())
def test_text_is_what_protobuf_and_netc_read(name: str, data: st.DataObject) -> None:
    record = data.draw(records(SCHEMA.message(name)))
    text = to_text(record)
    message = to_message(record)
    assert text_format.Parse(text, SCHEMA.message_class(name)()) == message
    report = Report()
    again = type_document(parse(text, "net.prototxt").block, SCHEMA.message(name), report)
    assert not report.failed
    assert to_message(again) == message


def test_merging_and_packing() -> None:
    layer = SCHEMA.message("LayerParameter")
    data = encode(decode(b"", layer).replace(name="a", bottom=("x",))) + encode(layer.make(name="b", bottom=["y"]))
    assert decode(data, layer) == layer.make(name="b", bottom=["x", "y"])
    scale = layer.make(scale_param=SCHEMA.message("ScaleParameter").make(axis=2, num_axes=1))
    more = layer.make(scale_param=SCHEMA.message("ScaleParameter").make(axis=-1))
    assert decode(encode(scale) + encode(more), layer).scale_param.axis == -1
    assert decode(encode(scale) + encode(more), layer).scale_param.num_axes == 1
    shape = SCHEMA.message("BlobShape")
    assert decode(b"\x08\x02\x0a\x02\x03\x04", shape).dim == (2, 3, 4)
    assert encode(shape.make(dim=[2, 300])) == b"\x0a\x03\x02\xac\x02"


@pytest.mark.parametrize(
    "data", [b"\x0a", b"\x0a\x05a", b"\x0b", b"\x02", b"\x08" + b"\xff" * 11, b"\x0b\x08", b"\x0b" * 200]
)
def test_what_is_not_a_message(data: bytes) -> None:
    with pytest.raises(WireError):
        decode(data, SCHEMA.message("LayerParameter"))


def test_deep_bytes() -> None:
    data = b""
    for _ in range(200):
        data = b"\x32" + bytes([len(data)]) + data if len(data) < 128 else data
    deep = SCHEMA.message("NetParameter")
    nested = b""
    for depth in range(150):
        tag = b"\xca\x01" if depth % 2 else b"\xc2\x3e"  # net_param = 25, solver = 1000
        size = len(nested)
        nested = tag + (bytes([size]) if size < 128 else bytes([size & 127 | 128, size >> 7])) + nested
    with pytest.raises(WireError, match="nested deeper"):
        decode(nested, SCHEMA.message("SolverParameter"))
    assert decode(b"", deep) == deep.empty


def test_unknown_things_are_left_out() -> None:
    pooling = SCHEMA.message("PoolingParameter")
    assert decode(b"\x08\x07", pooling) == pooling.empty  # an enum's number without a name
    assert decode(b"\xf8\x7f\x01\x10\x03", pooling) == pooling.make(kernel_size=3)  # field 2047
    assert decode(b"\x10\x03\x15\x01\0\0\0\x12\x01\x05", pooling) == pooling.make(kernel_size=3)  # other wire types
    group = b"\x13\x08\x01\x1b\x0a\x01a\x1c\x14"  # group 2 with a varint and a group 3
    assert decode(group + b"\x10\x03", pooling) == pooling.make(kernel_size=3)


def test_numbers_and_strings_as_text() -> None:
    assert [number(v) for v in (1.0, 0.1, -0.0, 1e20, math.inf, -math.inf, math.nan)] == [
        "1", "0.1", "-0", "1e+20", "inf", "-inf", "nan",
    ]  # fmt: skip
    assert quote('a"\\\n\udcff\0' + "1") == r'"a\"\\\n\377\0001"'
    assert quote("é\x01\udcff\u200b\ud800") == '"é\\001\\377\\342\\200\\213\\000"'


def test_records() -> None:
    layer = SCHEMA.message("LayerParameter")
    record = layer.make(name="a", bottom=["x"])
    assert record == layer.make(bottom=["x"], name="a")
    assert record != layer.make(name="a")
    assert hash(record) == hash(layer.make(bottom=["x"], name="a"))
    assert record.replace(name=None, top=("y",)) == layer.make(bottom=["x"], top=["y"])
    assert record.message_type is layer
    assert record.span_of("name") is None
    assert repr(record) == "LayerParameter(name='a', bottom=('x',))"
    with pytest.raises(AttributeError):
        layer.make(bottoms=["x"])
