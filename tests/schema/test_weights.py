"""Weight files, solver states and mean files: what Caffe wrote, old forms, files cut short, files of another kind."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc.errors import NetError, Report
from netc.schema import weights_write
from netc.schema.registry import base_schema
from netc.schema.scan import encode_bytes, encode_key, encode_varint
from netc.schema.weights import (
    LayerWeights,
    SolverState,
    parse_blob,
    parse_solver_state,
    parse_weights,
    read_blob,
)
from netc.schema.weights_net import parse_model
from netc.schema.weights_write import dump_weights, write_blob, write_solver_state, write_weights
from netc.solve import read_weights
from tests.schema.common import from_message

GOLDEN = Path(__file__).parent.parent / "golden" / "interop"
SCHEMA = base_schema()
RUNS = ["sgd_fixed", "adam", "adadelta"]


def message(name: str, data: bytes) -> Any:
    return SCHEMA.message_class(name).FromString(data)


def code_of(call: Any, *arguments: Any) -> str:
    with pytest.raises(NetError) as caught:
        call(*arguments)
    (diagnostic,) = caught.value.diagnostics
    return diagnostic.code.id


@pytest.mark.parametrize("run", RUNS)
def test_what_caffe_wrote(run: str) -> None:
    path = GOLDEN / f"{run}_iter_5.caffemodel"
    weights = read_weights(path)
    net = message("NetParameter", path.read_bytes())
    assert weights.name == net.name
    assert [(w.name, w.type) for w in weights.layers] == [(m.name, m.type) for m in net.layer]
    for layer, other in zip(weights.layers, net.layer, strict=True):
        for blob, proto in zip(layer.blobs, other.blobs, strict=True):
            assert blob.shape == tuple(proto.shape.dim)
            assert blob.dtype == np.float32
            assert not blob.flags.writeable
            np.testing.assert_array_equal(blob.reshape(-1), np.array(proto.data, np.float32))


@pytest.mark.parametrize("run", RUNS)
def test_writing_gives_the_bytes_that_caffe_wrote(run: str) -> None:
    data = (GOLDEN / f"{run}_iter_5.caffemodel").read_bytes()
    weights = parse_weights(data)
    definition = from_message(message("NetParameter", data), SCHEMA)
    assert dump_weights(weights.name, weights.layers, definition) == data
    data = (GOLDEN / f"{run}_iter_5.solverstate").read_bytes()
    file = io.BytesIO()
    assert write_solver_state(file, parse_solver_state(data)) == len(data)
    assert file.getvalue() == data


def test_solver_state() -> None:
    state = parse_solver_state((GOLDEN / "adam_iter_5.solverstate").read_bytes())
    assert state.iter == 5
    assert state.learned_net.endswith("adam_iter_5.caffemodel")
    assert [h.shape for h in state.history] == 2 * [(4, 2, 3, 3), (4,), (3, 16), (3,)]


def test_all_dtypes_and_shapes() -> None:
    blobs = (
        np.arange(6, dtype=np.float32).reshape(2, 3),
        np.arange(4, dtype=np.float64).reshape(4, 1, 1, 1),
        np.array(7, np.float32),
        np.empty((0, 5), np.float32),
        np.asfortranarray(np.arange(6, dtype=np.int64).reshape(3, 2)),
    )
    layers = (LayerWeights("a", "InnerProduct", blobs), LayerWeights("é", "ReLU"))
    file = io.BytesIO()
    assert write_weights(file, "n", layers) == len(file.getvalue())
    net = message("NetParameter", file.getvalue())
    assert [list(b.shape.dim) for b in net.layer[0].blobs] == [[2, 3], [4, 1, 1, 1], [], [0, 5], [3, 2]]
    assert list(net.layer[0].blobs[1].double_data) == [0, 1, 2, 3]
    again = parse_weights(file.getvalue())
    assert again.layers[1] == LayerWeights("é", "ReLU")
    for one, other in zip(again.layers[0].blobs, blobs, strict=True):
        assert one.shape == other.shape
        np.testing.assert_array_equal(one, other)


def test_diffs() -> None:
    blob = np.ones(3, np.float32)
    layer = LayerWeights("a", "Scale", (blob,), (2 * blob,))
    (again,) = parse_weights(dump_weights("n", [layer])).layers
    np.testing.assert_array_equal(again.diffs[0], 2 * blob)


def test_sparse_blobs_hold_what_is_not_zero_and_give_every_bit_back() -> None:
    random = np.random.default_rng(0)
    for shape in ((3, 7), (1, 1), (0, 4), (2, 3, 5, 1), (64,)):
        for share in (0.0, 0.5, 0.95, 1.0):
            blob = random.standard_normal(shape).astype(np.float32)
            blob[random.random(shape) < share] = 0
            blob.reshape(-1)[: blob.size // 9] = -0.0
            layer = LayerWeights("a", "InnerProduct", (blob, blob), (), frozenset({0}))
            data = dump_weights("n", [layer])
            sparse, dense = parse_weights(data).layers[0].blobs
            assert sparse.tobytes() == dense.tobytes() == blob.tobytes()
            assert sparse.shape == shape
            net = message("NetParameter", data)
            assert len(net.layer[0].blobs[0].data) == int((blob.view(np.uint32) != 0).sum())


def test_sparse_blobs_that_contradict_themselves() -> None:
    def blob(values: list[float], size: int, bits: bytes) -> bytes:
        shape = encode_bytes(7, encode_bytes(1, encode_varint(size)))
        return _packed(values) + shape + encode_bytes(1001, bits)

    np.testing.assert_array_equal(parse_blob(blob([3, 4], 9, b"\x02\x01")), [0, 3, 0, 0, 0, 0, 0, 0, 4])
    for wrong in (
        blob([3, 4], 9, b"\x02"),
        blob([3, 4], 9, b"\x02\x01\x00"),
        blob([3], 9, b"\x02\x01"),
        blob([3, 4, 5], 9, b"\x02\x01"),
        blob([3, 4], 2**40, b"\x02\x01"),
        blob([], 9, b""),
    ):
        assert code_of(parse_blob, wrong) == "SNP003"


def _packed(values: list[float]) -> bytes:
    return encode_bytes(5, np.array(values, "<f4").tobytes())


def _floats(number: int, values: list[float], dtype: str) -> bytes:
    key = encode_key(number, 5 if dtype == "<f4" else 1)
    return b"".join(key + np.array(v, dtype).tobytes() for v in values)


def test_old_files() -> None:
    sizes = b"".join(encode_key(i, 0) + encode_varint(n) for i, n in enumerate([1, 1, 2, 3], 1))
    unpacked = sizes + _floats(5, [1, 2, 3], "<f4") + _floats(5, [4, 5, 6], "<f4")
    split = _floats(8, [1, 2], "<f8") + encode_bytes(7, b"\x08\x02\x08\x02") + _floats(8, [3, 4], "<f8")
    v1 = encode_bytes(4, b"conv") + b"\x28\x04" + encode_bytes(6, unpacked) + encode_bytes(6, split)
    v0 = encode_bytes(1, encode_bytes(1, b"ip") + encode_bytes(2, b"innerproduct") + encode_bytes(50, sizes + unpacked))
    found = parse_weights(encode_bytes(2, v1) + encode_bytes(2, v0) + encode_bytes(1, b"old"))
    assert found.name == "old"
    conv, ip = found.layers
    assert (conv.name, conv.type, ip.name, ip.type) == ("conv", "Convolution", "ip", "InnerProduct")
    np.testing.assert_array_equal(conv.blobs[0], np.arange(1, 7, dtype=np.float32).reshape(1, 1, 2, 3))
    np.testing.assert_array_equal(conv.blobs[1], [[1.0, 2.0], [3.0, 4.0]])
    assert ip.blobs[0].shape == (1, 1, 2, 3)


def outcome(parse: Any, data: bytes) -> Any:
    """What was read, or the code of the diagnostic; anything else is an error of the reader."""
    try:
        return parse(data)
    except NetError as error:
        return error.diagnostics[0].code.id


REFUSED = ("SNP001", "SNP002", "SNP003")


def test_every_truncation_is_a_diagnostic_or_a_shorter_file() -> None:
    data = (GOLDEN / "sgd_fixed_iter_5.caffemodel").read_bytes()
    whole = len(parse_weights(data).layers)
    for size in range(len(data)):
        found = outcome(parse_weights, data[:size])
        assert found in REFUSED or len(found.layers) < whole
    state = (GOLDEN / "adam_iter_5.solverstate").read_bytes()
    for size in range(len(state)):
        found = outcome(parse_solver_state, state[:size])
        assert found in REFUSED or len(found.history) < 8 or size > len(state) - 3


def test_every_flipped_byte_is_a_diagnostic_or_another_file() -> None:
    data = bytearray((GOLDEN / "sgd_fixed_iter_5.caffemodel").read_bytes())
    for at in range(len(data)):
        for flip in (0x80, 0xFF, 0x01):
            data[at] ^= flip
            found = outcome(parse_weights, bytes(data))
            assert not isinstance(found, str) or found in REFUSED
            data[at] ^= flip


@pytest.mark.parametrize(
    ("data", "code", "said"),
    [
        (b"", "SNP001", "is empty"),
        (b"\x89HDF\r\n\x1a\nxxxx", "SNP002", "HDF5"),
        (b"version https://git-lfs.github.com/spec/v1\n", "SNP002", "Git LFS pointer"),
        (b"<!DOCTYPE html><html>", "SNP002", "HTML page"),
        (b'name: "LeNet"\nlayer { }\n', "SNP002", "text file"),
        (b"\x80\x04\x95\x10", "SNP002", "pickle"),
        (b"\xff" * 64, "SNP002", "ten bytes"),
        (encode_bytes(1, b"only a name\xff"), "SNP002", "no layers"),
        (encode_bytes(100, encode_bytes(7, encode_bytes(7, b"\x08\x03"))), "SNP003", "shape is 3"),
        (encode_bytes(100, encode_bytes(7, encode_bytes(7, b"\x08" + b"\xff" * 9 + b"\x01"))), "SNP003", "negative"),
        (encode_bytes(100, encode_bytes(7, encode_bytes(5, b"\0\0\0"))), "SNP001", "cut"),
    ],
)
def test_files_of_another_kind(data: bytes, code: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "w.caffemodel"
    path.write_bytes(data)
    with pytest.raises(NetError, match=r"w\.caffemodel") as caught:
        parse_weights(path.read_bytes(), str(path))
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code.id == code
    assert said in diagnostic.message


def test_huge_sizes_are_not_believed() -> None:
    huge = encode_bytes(7, encode_bytes(1, b"".join(encode_varint(2**40) for _ in range(8))))
    assert code_of(parse_weights, encode_bytes(100, encode_bytes(7, huge))) == "SNP003"
    assert code_of(parse_blob, encode_key(5, 2) + encode_varint(2**50)) == "SNP001"


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    assert code_of(read_weights, tmp_path / "none.caffemodel") == "SNP004"
    assert code_of(read_weights, tmp_path) == "SNP004"
    assert code_of(read_weights, "a\0b") == "SNP004"
    assert code_of(parse_solver_state, encode_bytes(2, b"\xfex")) == "SNP002"


def test_blob_files(tmp_path: Path) -> None:
    array = np.arange(12, dtype=np.float32).reshape(1, 3, 2, 2)
    path = tmp_path / "mean.binaryproto"
    with path.open("wb") as file:
        write_blob(file, array)
    np.testing.assert_array_equal(read_blob(path), array)
    assert code_of(parse_blob, encode_bytes(7, b"\x08\x00")) == "SNP002"


def test_two_gigabytes_are_refused_before_anything_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights_write, "LIMIT", 100)
    file = io.BytesIO()
    layers = [LayerWeights("a", "Scale", (np.zeros(50, np.float32),))]
    assert code_of(write_weights, file, "n", layers) == "SNP005"
    assert not file.getvalue()
    assert code_of(write_solver_state, file, SolverState(1, "x", 0, (np.zeros(50, np.float32),))) == "SNP005"


def test_the_net_inside() -> None:
    report = Report()
    data = (GOLDEN / "sgd_fixed_iter_5.caffemodel").read_bytes()
    net = parse_model(data, SCHEMA, report)
    assert not report.diagnostics
    assert not any(layer.has("blobs") for layer in net.layer)
    whole = from_message(message("NetParameter", data), SCHEMA)
    assert [layer.replace(blobs=None) for layer in whole.layer] == list(net.layer)
    old = encode_bytes(4, b"conv") + b"\x28\x04" + encode_bytes(6, b"\x08\x01") + encode_bytes(7, b"\0\0\0\0")
    net = parse_model(encode_bytes(2, old) + encode_bytes(1, b"n"), SCHEMA, report)
    assert (net.layer[0].name, net.layer[0].type, net.layer[0].param[0].lr_mult) == ("conv", "Convolution", 0.0)
    assert code_of(parse_model, data[:-3], SCHEMA, report) == "SNP001"
