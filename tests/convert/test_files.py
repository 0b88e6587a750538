"""Models from one format to another: nothing is lost on the way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from netc.convert import files, safetensors
from netc.convert.codes import BAD_SAFETENSORS, NO_NET, NO_PARAMETERS, ONNX_NOT_READ, UNKNOWN_FORMAT
from netc.convert.model import Model, Options
from netc.errors import CODES, Code, NetError
from netc.schema.weights import LayerWeights, Weights
from netc.schema.weights_write import dump_weights

NET = """
name: "small"
data = Input() { shape { dim: [2, 3] } }
deep = InnerProduct(data) as "block/ip" { num_output: 4 }
deep = BatchNorm(deep)
deep = ReLU(deep)
train, test { label = Input() { shape { dim: 2 } } }
loss = SoftmaxWithLoss(deep, label)
deploy { prob = Softmax(deep) }
solver { base_lr: 0.1 }
"""
FORMATS = [".caffemodel", ".h5", ".safetensors"]


def blobs() -> tuple[LayerWeights, ...]:
    rng = np.random.default_rng(0)
    ip = tuple(rng.standard_normal(s).astype(np.float32) for s in ((4, 3), (4,)))
    norm = tuple(rng.uniform(1, 2, s).astype(np.float32) for s in ((4,), (4,), (1,)))
    return LayerWeights("block/ip", "InnerProduct", ip), LayerWeights("deep/batchnorm", "BatchNorm", norm)


@pytest.fixture
def model(tmp_path: Path) -> Model:
    """The net above with weights."""
    net, weights = tmp_path / "small.net", tmp_path / "weights.caffemodel"
    net.write_text(NET)
    weights.write_bytes(dump_weights("small", blobs()))
    return files.with_weights(files.read(net), [weights])


def convert(model: Model, path: Path) -> Model:
    content = files.dump(model, path.suffix).content
    path.write_bytes(content)
    return files.read(path)


def same_weights(found: Weights | None) -> None:
    assert found is not None
    layers = {layer.name: layer for layer in found.layers if layer.blobs}
    assert set(layers) == {"block/ip", "deep/batchnorm"}
    for expected in blobs():
        for a, b in zip(layers[expected.name].blobs, expected.blobs, strict=True):
            assert a.shape == b.shape
            np.testing.assert_array_equal(a, b)


def layers_of(model: Model) -> list[tuple[str, str]]:
    assert model.definition is not None
    return [(layer.name, layer.type) for layer in model.definition.record.layer]


@pytest.mark.parametrize("first", FORMATS)
@pytest.mark.parametrize("second", FORMATS)
def test_net_and_weights_survive(model: Model, tmp_path: Path, first: str, second: str) -> None:
    pytest.importorskip("h5py", reason="the extra data is not installed")
    pytest.importorskip("safetensors", reason="the extra safetensors is not installed")
    one = convert(model, tmp_path / f"one{first}")
    same_weights(one.weights)
    two = convert(one, tmp_path / f"two{second}")
    same_weights(two.weights)
    trained = [("data", "Input"), ("block/ip", "InnerProduct"), ("deep/batchnorm", "BatchNorm")]
    trained += [("deep/relu", "ReLU"), ("label", "Input"), ("loss", "SoftmaxWithLoss")]
    if ".caffemodel" in (first, second):  # holds the net of phase TRAIN, as Caffe's snapshots do
        assert layers_of(two) == trained
    else:
        assert layers_of(two) == [*trained, ("prob", "Softmax")]
    assert two.definition is not None
    assert two.definition.record.name == "small"
    assert not two.definition.record.has("solver")


def test_text_formats_hold_the_whole_net(model: Model, tmp_path: Path) -> None:
    plain = convert(model, tmp_path / "plain.prototxt")
    program = convert(plain, tmp_path / "program.net")
    assert model.definition is not None
    assert plain.definition is not None
    assert program.definition is not None
    assert plain.definition.record == model.definition.record.replace(solver=None) == program.definition.record
    assert (tmp_path / "program.net").read_text().count("layer {") == 0
    assert files.dump(model, ".prototxt").notes == ("left out: the solver, which Caffe reads from a file of its own",)
    assert b"solver {" in files.dump(model, ".net").content


def test_layers_of_another_net_are_named(model: Model, tmp_path: Path) -> None:
    other = tmp_path / "other.caffemodel"
    other.write_bytes(dump_weights("", [LayerWeights("strange", "Bias", (np.zeros(3, np.float32),))]))
    notes = files.dump(files.with_weights(model, [other]), ".caffemodel").notes
    assert notes == ("left out, not in the net: strange",)


def test_later_weights_count(model: Model, tmp_path: Path) -> None:
    other = tmp_path / "other.caffemodel"
    new = LayerWeights("block/ip", "InnerProduct", (np.ones((4, 3), np.float32), np.zeros(4, np.float32)))
    other.write_bytes(dump_weights("", [new]))
    found = files.with_weights(model, [other]).weights
    assert found is not None
    layers = {layer.name: layer for layer in found.layers}
    assert layers["block/ip"].blobs[0].sum() == 12
    assert len(layers["deep/batchnorm"].blobs) == 3


def test_onnx_is_the_deployed_net_with_the_weights(model: Model, tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="the extra onnx is not installed")
    runtime = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    x = np.random.default_rng(1).standard_normal((5, 3)).astype(np.float32)
    ip, norm = (layer.blobs for layer in blobs())
    hidden = np.maximum((x @ ip[0].T + ip[1] - norm[0] / norm[2]) / np.sqrt(norm[1] / norm[2] + 1e-5), 0)
    expected = np.exp(hidden) / np.exp(hidden).sum(1, keepdims=True)
    snapshot = convert(model, tmp_path / "model.caffemodel")  # a net that trains: cut to what predicts
    for source, kept in ((model, ()), (snapshot, ("loss",))):
        made = files.dump(source, ".onnx", Options(batch=5))
        content, notes = made.content, made.notes
        assert all(name in " ".join(notes) for name in kept)
        session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
        assert [i.name for i in session.get_inputs()] == ["data"]
        np.testing.assert_allclose(session.run(None, {"data": x})[0], expected, 1e-4, 1e-6)


@pytest.mark.parametrize(
    ("name", "content", "ending", "code"),
    [
        ("plain.net", b'name: "x"', ".h5", NO_PARAMETERS),
        ("plain.net", b'name: "x"', ".safetensors", NO_PARAMETERS),
        ("plain.net", b'name: "x"', ".bin", UNKNOWN_FORMAT),
        ("plain.net", b'name: "x"', "", UNKNOWN_FORMAT),
        ("model.onnx", b"\x08\x08", ".net", ONNX_NOT_READ),
        ("broken.safetensors", b"\x08\x00\x00\x00\x00\x00\x00\x00{}", ".net", BAD_SAFETENSORS),
        ("broken.safetensors", b"", ".net", BAD_SAFETENSORS),
        ("text.caffemodel", b"no weights", ".net", CODES["SNP002"]),
        ("empty.caffemodel", b"", ".net", CODES["SNP001"]),
    ],
)
def test_what_cannot_be(tmp_path: Path, name: str, content: bytes, ending: str, code: Code) -> None:
    if name.endswith(".safetensors"):
        pytest.importorskip("safetensors", reason="the extra safetensors is not installed")
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(NetError) as caught:
        files.dump(files.read(path), ending)
    assert [d.code for d in caught.value.diagnostics] == [code]


def test_weights_without_net(model: Model, tmp_path: Path) -> None:
    pytest.importorskip("safetensors.numpy", reason="the extra safetensors is not installed")
    from safetensors.numpy import save_file  # noqa: PLC0415 - an extra

    path = tmp_path / "other.safetensors"
    save_file({f"{la.name}/{i}": b for la in blobs() for i, b in enumerate(la.blobs)}, path)
    found = files.read(path)
    same_weights(found.weights)
    with pytest.raises(NetError) as caught:
        files.dump(found, ".prototxt")
    assert caught.value.diagnostics[0].code is NO_NET
    joined = files.with_weights(Model(model.path, model.definition), [path])
    same_weights(convert(joined, tmp_path / "joined.caffemodel").weights)
    save_file({"block/ip/0": np.zeros(3, np.int64)}, path)
    with pytest.raises(NetError) as caught:
        files.read(path)
    assert caught.value.diagnostics[0].code is BAD_SAFETENSORS


def test_safetensors_are_those_of_the_package() -> None:
    """Byte for byte: larger types first, then by name; any number of axes, no values, any name."""
    save = pytest.importorskip("safetensors.numpy", reason="the extra safetensors is not installed").save
    rng = np.random.default_rng(0)
    arrays = {
        "b/0": rng.standard_normal((2, 3)).astype(np.float32),
        "a/1": rng.standard_normal(3).astype(np.float16),
        "n": np.int64(7).reshape(()),
        "a/0": rng.standard_normal((2, 2)),
        "none": np.zeros((0, 3), np.float32),
        '\u00e4 "\\': rng.standard_normal((3, 2)).astype(np.float32).T,
        "i": np.arange(3, dtype=np.int32),
    }
    found = b"".join(safetensors.parts(arrays, {"format": "netc"}))
    assert found == save({name: np.array(array, order="C") for name, array in arrays.items()}, {"format": "netc"})
