"""NVCaffe's raw values in weight files, and fields that a message does not have: as protobuf takes them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netc.errors import NetError, Report
from netc.schema.registry import base_schema
from netc.schema.scan import encode_bytes, encode_key, encode_varint
from netc.schema.weights import LayerWeights, parse_blob, parse_solver_state, parse_weights
from netc.schema.weights_net import parse_model
from netc.schema.weights_write import dump_weights

TYPES = ["<f8", "<f4", "<f2", "<i4", "<u4", "?"]  # NVCaffe's Type: DOUBLE, FLOAT, FLOAT16, INT, UINT, BOOL


def raw(values: Any, type: int | None, shape: tuple[int, ...], *, diff: bool = False) -> bytes:
    """A BlobProto with raw values (or gradients)."""
    field = 13 if diff else 12
    numbers = b"" if type is None else encode_key(field - 2, 0) + encode_varint(type)
    sizes = encode_bytes(7, encode_bytes(1, b"".join(map(encode_varint, shape))))
    return numbers + encode_bytes(field, values if isinstance(values, bytes) else values.tobytes()) + sizes


VALUES = {
    "<f8": [0.1, -1e300],
    "<f4": [0.1, 3e38],
    "<f2": [0.1, -65504],
    "<i4": [-(2**31), 16777217],
    "<u4": [2**32 - 1, 1],
    "?": [1, 0],
}


@pytest.mark.parametrize("number", range(6))
def test_every_type_is_read_exactly(number: int) -> None:
    given = np.array(VALUES[TYPES[number]], TYPES[number])
    found = parse_blob(raw(given, number, (2, 1)))
    assert found.shape == (2, 1)
    assert found.dtype.kind == "f"
    np.testing.assert_array_equal(found.reshape(-1), given.astype(np.float64))


def test_gradients_and_history_may_be_raw() -> None:
    half = np.array([1, 2], np.float16)
    both = raw(half, 2, (2,)) + encode_key(11, 0) + b"\x03" + encode_bytes(13, np.array([3, -4], np.int32).tobytes())
    (layer,) = parse_weights(encode_bytes(100, encode_bytes(7, both))).layers
    np.testing.assert_array_equal(layer.blobs[0], [1, 2])
    np.testing.assert_array_equal(layer.diffs[0], [3, -4])
    state = parse_solver_state(b"\x08\x05" + encode_bytes(3, raw(half, 2, (1, 2))))
    np.testing.assert_array_equal(state.history[0], [[1, 2]])


def test_raw_values_count_before_others_if_there_are_some() -> None:
    floats = encode_bytes(5, np.array([7, 8], np.float32).tobytes())
    assert parse_blob(floats + raw(np.array([1, 2], np.float16), 2, (2,))).tolist() == [1, 2]
    assert parse_blob(floats + raw(b"", 2, (2,))).tolist() == [7, 8]
    assert parse_blob(raw(np.array([1.5]), None, (1,))).tolist() == [1.5]  # no type: the first one, DOUBLE


@pytest.mark.parametrize(
    ("blob", "said"),
    [
        (raw(b"abc", 2, (1,)), "3 bytes of FLOAT16, which takes 2 each"),
        (raw(b"abcd", 6, (1,)), "raw values of type 6"),
        (raw(b"abcd", 2**64 - 1, (1,)), "raw values of type 18446744073709551615"),
        (raw(b"abcd", 2, (3,)), "2 values, but its shape is 3"),
        (encode_bytes(7, encode_bytes(1, b"\x01" * 33)), "more than 32 axes"),
        (encode_bytes(7, b"\x08\x01" * 33), "more than 32 axes"),
        (encode_bytes(7, b"\x08\x01" * 20) * 2, "more than 32 axes"),
    ],
)
def test_blobs_that_contradict_themselves(blob: bytes, said: str) -> None:
    with pytest.raises(NetError) as caught:
        parse_blob(blob)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code.id == "SNP003"
    assert said in diagnostic.message


def test_writing_half_is_nvcaffes_form() -> None:
    blob, diff = np.array([[1, 2.5]], np.float16), np.array([[3, 4]], np.float16)
    data = dump_weights("n", [LayerWeights("a", "Scale", (blob,), (diff,))])
    message = base_schema().message_class("NetParameter").FromString(data)
    proto = message.layer[0].blobs[0]
    assert (proto.raw_data_type, proto.raw_diff_type) == (2, 2)
    assert (proto.raw_data, proto.raw_diff) == (blob.tobytes(), diff.tobytes())
    assert not proto.data
    (again,) = parse_weights(data).layers
    assert again.blobs[0].dtype == np.float16
    np.testing.assert_array_equal(again.diffs[0], diff)


def test_fields_of_other_forks_are_skipped() -> None:
    """NVCaffe's layer fields 145 to 148 are numbers; in other forks messages have these tags."""
    types = b"".join(encode_key(tag, 0) + b"\x02" for tag in range(145, 149))
    group = encode_key(200, 3) + b"\x08\x01" + encode_key(200, 4)
    wrong = encode_key(1, 5) + b"abcd" + encode_key(7, 0) + b"\x01"  # a name that is a float, a blob that is a number
    layer = dump_weights("n", [LayerWeights("a", "Scale", (np.ones(2, np.float32),))])
    inner = layer[layer.index(b"\xa2\x06") + 3 :]
    for extra in (types, group, wrong):
        for body in (extra + inner, inner + extra):
            data = encode_bytes(100, body) + encode_key(100, 0) + b"\x05"
            (found,) = parse_weights(data).layers
            assert (found.name, found.blobs[0].tolist()) == ("a", [1, 1])
            report = Report()
            net = parse_model(data, base_schema(), report)
            assert not report.diagnostics
            assert [la.name for la in net.layer] == ["a"]


def test_alternating_fields_take_linear_time() -> None:
    """Each short run used to be compared with all that follows: 5 s for this half megabyte."""
    pair = encode_key(5, 5) + b"\0\0\x80\x3f" + encode_key(1, 0) + b"\x01"
    count = 70_000
    sizes = b"\x08" + encode_varint(count) + b"\x10\x01\x18\x01\x20\x01"
    found = parse_blob(pair * count + sizes)
    assert found.shape == (count, 1, 1, 1)
    assert found.sum() == count


def test_runs_are_taken_whole_whatever_their_length() -> None:
    rng = np.random.default_rng(0)
    for count in (1, 2, 63, 64, 65, 66, 200, 1000):
        values = rng.standard_normal(count).astype(np.float32)
        one_by_one = b"".join(b"\x2d" + v.tobytes() for v in values)
        packed = encode_bytes(5, values.tobytes())
        shape = encode_bytes(7, encode_bytes(1, encode_varint(3 * count)))
        found = parse_blob(one_by_one + packed + one_by_one + shape)
        np.testing.assert_array_equal(found, np.tile(values, 3))
