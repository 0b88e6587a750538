"""Names in GBK and Latin-1: they are bytes to Caffe, and stay what they are through every format and command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netc
from netc import caffe
from netc.cli import main
from netc.convert import files
from netc.schema.names import as_distinct_utf8, as_utf8, json_in_utf8
from netc.solve import read_weights

GBK, LATIN, UTF = "卷积".encode("gbk"), "caf\xe9".encode("latin-1"), "Ebene ä".encode()
NET = b"""name: "%b"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 1 dim: 6 dim: 6 } } }
layer { name: "lab" type: "Input" top: "label" input_param { shape { dim: 2 } } }
layer { name: "%b" type: "Convolution" bottom: "data" top: "%b" convolution_param { num_output: 2 kernel_size: 3
  weight_filler { type: "xavier" } } }
layer { name: "%b" type: "InnerProduct" bottom: "%b" top: "%b"
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "drop" type: "Dropout" bottom: "%b" top: "%b" }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "%b" bottom: "label" top: "loss" }
""" % (GBK, GBK, GBK, LATIN, GBK, UTF, UTF, UTF, UTF)


@pytest.fixture
def net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "net.prototxt"
    path.write_bytes(NET)
    return path


def text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def blobs(path: Path) -> dict[bytes, list[Any]]:
    layers = read_weights(path).layers if path.suffix == ".caffemodel" else files.read(path).weights.layers  # type: ignore[union-attr]
    return {w.name.encode("utf-8", "surrogateescape"): [b.tolist() for b in w.blobs] for w in layers if w.blobs}


def test_escapes_for_formats_of_utf8() -> None:
    assert as_utf8(text(GBK)) == r"\xbe\xed\xbb\xfd"
    assert as_utf8(text(UTF)) == "Ebene ä"
    both = as_distinct_utf8([text(GBK), r"\xbe\xed\xbb\xfd"])
    assert both == {text(GBK): r"\xbe\xed\xbb\xfd_", r"\xbe\xed\xbb\xfd": r"\xbe\xed\xbb\xfd"}


@pytest.mark.parametrize("ending", [".caffemodel", ".h5", ".safetensors"])
def test_weights_keep_their_names(net: Path, ending: str) -> None:
    pytest.importorskip("h5py", reason="the extra data is not installed")
    pytest.importorskip("safetensors", reason="the extra safetensors is not installed")
    trained = caffe.Net(str(net), caffe.TEST)
    trained.save("w.caffemodel")
    expected = blobs(Path("w.caffemodel"))
    assert set(expected) == {GBK, LATIN}
    other = Path(f"other{ending}")
    other.write_bytes(files.dump(files.with_weights(files.read(net), [Path("w.caffemodel")]), ending).content)
    assert blobs(other) == expected
    Path("back.caffemodel").write_bytes(files.dump(files.read(other), ".caffemodel").content)
    assert blobs(Path("back.caffemodel")) == expected
    again = caffe.Net(str(net), "back.caffemodel", caffe.TEST)
    np.testing.assert_array_equal(again.params[text(GBK)][0].data, trained.params[text(GBK)][0].data)


def test_text_keeps_its_bytes(net: Path) -> None:
    for ending in (".net", ".prototxt"):
        made = net.with_name(f"made{ending}")
        made.write_bytes(files.dump(files.read(net), ending).content)
        first, second = (files.read(path).definition for path in (net, made))
        assert first is not None
        assert second is not None
        assert first.record == second.record


def test_json_has_escapes() -> None:
    value = {text(GBK): [text(LATIN), 1, {"a": (text(UTF),)}]}
    assert json_in_utf8(value) == {r"\xbe\xed\xbb\xfd": [r"caf\xe9", 1, {"a": ["Ebene ä"]}]}


def test_onnx_has_escapes(net: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
    model = onnx.load_model_from_string(files.dump(files.read(net), ".onnx").content)
    names = {a.name for a in model.graph.initializer}
    assert {r"\xbe\xed\xbb\xfd/weights", r"caf\xe9/weights"} <= names
    assert model.graph.name == r"\xbe\xed\xbb\xfd"


def test_snapshots_resume(net: Path) -> None:
    data = NET.replace(b'type: "Input"', b'type: "DummyData"').replace(b"input_param", b"dummy_data_param")
    Path("train.prototxt").write_bytes(data)
    text = 'net: "train.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 4 snapshot_prefix: "s"'
    Path("s.prototxt").write_text(text)
    solver = netc.Solver("s.prototxt")
    solver.step(2)
    for format in ("BINARYPROTO", "HDF5"):
        solver.p = solver.p.replace(snapshot_format=format)
        solver.snapshot()
    expected = [p.data.tobytes() for p in solver.net.parameters.all]
    for ending in ("", ".h5"):
        again = netc.Solver("s.prototxt", lock=False)
        again.restore(f"s_iter_2.solverstate{ending}")
        assert [p.data.tobytes() for p in again.net.parameters.all] == expected


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "net.prototxt"],
        ["summary", "net.prototxt"],
        ["summary", "net.prototxt", "--json"],
        ["expand", "net.prototxt"],
        ["deploy", "net.prototxt"],
        ["diff", "net.prototxt", "net.prototxt"],
        ["time", "net.prototxt", "--iterations", "1"],
        ["gradcheck", "net.prototxt"],
        ["draw", "net.prototxt", "-o", "net.svg"],
        ["convert", "net.prototxt", "net.onnx"],
        ["convert", "net.prototxt", "net.caffemodel"],
    ],
)
def test_commands_take_any_name(
    net: Path, arguments: list[str], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnx", reason="the extra onnx is not installed")
    monkeypatch.setattr("sys.argv", ["netc", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    out = capfd.readouterr()
    assert ended.value.code in (0, None), out.err
    assert "Traceback" not in out.err
