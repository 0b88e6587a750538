"""Any file alone: what a snapshot, or a definition with weights of any form, becomes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netc
from netc.convert import files
from netc.convert.model import Model, Options
from netc.convert.predicting import build
from netc.errors import NetError
from netc.layer import Array
from netc.schema.scan import encode_bytes, encode_key, encode_varint
from netc.schema.weights import LayerWeights
from netc.schema.weights_write import dump_weights

pytest.importorskip("onnx", reason="the extra onnx is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")

INTEROP = Path(__file__).parent.parent / "golden" / "interop"
RNG = np.random.default_rng(0)
WEIGHTS = RNG.standard_normal((3, 4)).astype(np.float32)
BIAS = RNG.standard_normal(3).astype(np.float32)
NET = "data = Input() { shape { dim: [2, 4] } }\nip = InnerProduct(data) { num_output: 3 }\n"
X = RNG.standard_normal((2, 4)).astype(np.float32)


def run(model: Model, given: dict[str, Array], **options: Any) -> list[Array]:
    content = files.dump(model, ".onnx", Options(**options)).content
    found: list[Array] = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"]).run(None, given)
    return found


def test_a_snapshot_of_caffe_alone() -> None:
    """The net that stands in it, cut to what predicts."""
    model = files.read(INTEROP / "sgd_fixed_iter_5.caffemodel")
    net = build(model)[0].net()
    x = np.random.default_rng(1).standard_normal(net.inputs["data"].shape).astype(np.float32)
    net.set_input("data", x)
    ((name, expected),) = net.forward().items()
    (found,) = run(model, {"data": x})
    assert name == "prob"
    np.testing.assert_allclose(found, expected, 1e-4, 1e-6)


def blob(array: Array, raw: bytes | None = None, kind: int = 0) -> bytes:
    """A BlobProto with four old sizes, or with NVCaffe's raw data."""
    if raw is not None:  # raw_data_type, raw_data, shape
        shape = encode_bytes(7, encode_bytes(1, b"".join(map(encode_varint, array.shape))))
        return encode_key(10, 0) + encode_varint(kind) + encode_bytes(12, raw) + shape
    sizes = (1,) * (4 - array.ndim) + array.shape
    head = b"".join(encode_key(i + 1, 0) + encode_varint(size) for i, size in enumerate(sizes))
    return head + encode_bytes(5, array.astype("<f4").tobytes())


def v1(blobs: list[bytes]) -> bytes:
    """A net of V1, whose layers stand in field 2; type 14 is InnerProduct."""
    layer = encode_bytes(4, b"ip") + encode_key(5, 0) + encode_varint(14)
    return encode_bytes(2, layer + b"".join(encode_bytes(6, b) for b in blobs))


def current(blobs: list[bytes], net: bytes = b"") -> bytes:
    layer = encode_bytes(1, b"ip") + encode_bytes(2, b"InnerProduct") + b"".join(encode_bytes(7, b) for b in blobs)
    return net + encode_bytes(100, layer)


def half(array: Array) -> bytes:
    return blob(array, array.astype("<f2").tobytes(), 2)


KINDS = {
    "today.caffemodel": (dump_weights("n", [LayerWeights("ip", "InnerProduct", (WEIGHTS, BIAS))]), 1e-6),
    "v1.caffemodel": (v1([blob(WEIGHTS), blob(BIAS)]), 1e-6),
    "nvcaffe.caffemodel": (current([half(WEIGHTS), half(BIAS)]), 1e-2),
    "unknown_net.caffemodel": (
        current([blob(WEIGHTS), blob(BIAS)], encode_bytes(100, encode_bytes(1, b"x") + encode_bytes(2, b"Nobody"))),
        1e-6,
    ),
}


@pytest.mark.parametrize("name", KINDS)
def test_a_definition_with_weights_of_any_form(tmp_path: Path, name: str) -> None:
    content, tolerance = KINDS[name]
    (tmp_path / name).write_bytes(content)
    (tmp_path / "net.net").write_text(NET)
    model = files.with_weights(files.read(tmp_path / "net.net"), [tmp_path / name])
    np.testing.assert_allclose(run(model, {"data": X})[0], X @ WEIGHTS.T + BIAS, rtol=0, atol=tolerance * 10)


@pytest.mark.parametrize("ending", [".h5", ".safetensors"])
def test_a_definition_with_weights_that_netc_wrote(tmp_path: Path, ending: str) -> None:
    pytest.importorskip("h5py", reason="the extra data is not installed")
    pytest.importorskip("safetensors", reason="the extra safetensors is not installed")
    content, _ = KINDS["today.caffemodel"]
    (tmp_path / "w.caffemodel").write_bytes(content)
    (tmp_path / "net.net").write_text(NET)
    model = files.with_weights(files.read(tmp_path / "net.net"), [tmp_path / "w.caffemodel"])
    path = tmp_path / f"both{ending}"
    path.write_bytes(files.dump(model, ending).content)
    expected = X @ WEIGHTS.T + BIAS
    np.testing.assert_allclose(run(files.read(path), {"data": X})[0], expected, 1e-4, 1e-5)  # it has the net, too
    again = files.with_weights(files.read(tmp_path / "net.net"), [path])
    np.testing.assert_allclose(run(again, {"data": X})[0], expected, 1e-4, 1e-5)


# ---------------------------------------------------------------- data that is elsewhere

TRAIN = """layer { name: "data" type: "SOURCE" top: "label" top: "data" }
layer { name: "cut" type: "Slice" bottom: "label" top: "class" top: "box" slice_param { axis: 1 slice_point: 1 } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 3 } }
layer { name: "box_ip" type: "InnerProduct" bottom: "data" top: "box_ip" inner_product_param { num_output: 4 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "class" top: "loss" }
layer { name: "box_loss" type: "EuclideanLoss" bottom: "box_ip" bottom: "box" top: "box_loss" }
"""
SOURCES = {
    "HDF5Data": 'type: "HDF5Data" hdf5_data_param { source: "/elsewhere/list.txt" batch_size: 4 }',
    "Python": 'type: "Python" python_param { module: "elsewhere" layer: "Data" }',
}


@pytest.mark.parametrize("source", SOURCES)
def test_a_net_whose_data_is_elsewhere_begins_at_a_shape(tmp_path: Path, source: str) -> None:
    path = tmp_path / "train.prototxt"
    path.write_text(TRAIN.replace('type: "SOURCE"', SOURCES[source]))
    model = files.read(path)
    with pytest.raises(NetError):
        build(model)
    it, _ = build(model, Options(inputs={"data": (2, 4)}))
    graph = it.graph
    assert [graph.values[v].name for v in graph.inputs] == ["data"]
    assert {graph.values[v].name for v in it.outputs} == {"prob", "box_ip"}
    assert graph.state.phase == "TEST"
    assert [n.type.name for n in graph.nodes] == ["Input", "InnerProduct", "InnerProduct", "Softmax"]
    assert it.plan.shapes[graph.inputs[0]] == (2, 4)


def test_a_shape_of_what_no_data_layer_makes_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "train.prototxt"
    path.write_text(TRAIN.replace('type: "SOURCE"', SOURCES["HDF5Data"]))
    with pytest.raises(NetError) as caught:
        build(files.read(path), Options(inputs={"ip": (2, 3)}))
    assert [d.code.id for d in caught.value.diagnostics] == ["PLN008", "LAY010"]


def test_what_is_fed_to_netc_is_what_the_file_takes(tmp_path: Path) -> None:
    """--input and --batch reach the file."""
    (tmp_path / "net.net").write_text("data = Input() { shape { dim: [1, 3, 8, 8] } }\na = ReLU(data)\n")
    net = netc.load(tmp_path / "net.net")
    model = Model(tmp_path / "net.net", net)
    session = onnxruntime.InferenceSession(files.dump(model, ".onnx", Options(batch=5)).content)
    assert session.get_inputs()[0].shape == [5, 3, 8, 8]
    session = onnxruntime.InferenceSession(files.dump(model, ".onnx", Options(inputs={"data": (2, 3, 4, 6)})).content)
    assert session.get_inputs()[0].shape == [2, 3, 4, 6]
