"""`netc convert` as a command; what it converts is tested in tests/convert."""

from pathlib import Path

import pytest

from netc.solve import read_weights
from tests.cli.conftest import ROOT, Run


def test_from_format_to_format(run: Run, small: Path, tmp_path: Path) -> None:
    pytest.importorskip("h5py", reason="the extra data is not installed")
    assert run("train", small).code == 0
    done = run("convert", "small.net", "small.h5", "--weights", "small_iter_40.caffemodel")
    assert (done.code, done.out) == (0, "")
    assert "wrote small.h5" in done.err
    assert run("convert", "small.h5", "again.caffemodel").code == 0
    a, b = (
        {layer.name: layer.blobs for layer in read_weights(tmp_path / name).layers}
        for name in ("small_iter_40.caffemodel", "again.caffemodel")
    )
    assert (a["ip"][0] == b["ip"][0]).all()
    assert run("convert", "again.caffemodel", "again.prototxt").code == 0
    assert run("convert", "again.prototxt", "again.net").code == 0
    assert run("diff", "again.prototxt", "again.net", "--phase", "TRAIN").code == 0


def test_to_onnx(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="the extra onnx is not installed")
    done = run("convert", ROOT / "nets/lenet.net", "lenet.onnx", "--batch", "1")
    assert done.code == 0
    assert "no weights were given" in done.err
    assert (tmp_path / "lenet.onnx").stat().st_size > 4 * 431_080


def test_what_is_wrong_is_said(run: Run, small: Path, tmp_path: Path) -> None:
    done = run("convert", small, "small.bin")
    assert done.code == 1
    assert "error[CNV002]" in done.err
    assert ".safetensors" in done.err
    assert run("convert", "missing.net", "small.prototxt").code == 1
    assert not list(tmp_path.glob("small.p*"))
    assert run("convert", small).code == 2


# ---------------------------------------------------------------- --check

SMALL = """data = Input() { shape { dim: [2, 3, 6, 6] } }
a = Convolution(data) { num_output: 4 kernel_size: 3 weight_filler: { type: "gaussian" std: 0.5 } }
a = ReLU(a)
b = Pooling(a) { pool: MAX kernel_size: 2 stride: 2 }
c = Reshape(b) { shape { dim: [0, -1] } }
"""
WRONG = """
from netc.layer import LayerType, Setup

def forward(call):
    call.tops[0][...] = 2 * call.bottoms[0]

WRONG = LayerType("Wrong", "Computes:\\n    2 x", lambda site: Setup(tops=(site.bottoms[0],)), forward,
    onnx=lambda layer: layer.times(layer.x, 2.5))
"""


def test_the_command_says_what_agrees(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    (tmp_path / "small.net").write_text(SMALL)
    done = run("convert", "small.net", "small.onnx", "--check")
    assert done.code == 0
    assert (
        "onnxruntime agrees with netc on made-up parameters: 4 of 4 blobs compared in 2 runs; the worst is " in done.err
    )
    assert (tmp_path / "small.onnx").exists()


def test_a_net_without_parameters_is_checked_on_made_up_ones(run: Run, tmp_path: Path) -> None:
    """Those of its fillers let nothing through here; the file has them all the same."""
    pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    (tmp_path / "small.net").write_text(SMALL.replace('{ type: "gaussian" std: 0.5 }', "{ value: 0 }"))
    done = run("convert", "small.net", "small.onnx", "--check", "--tolerance", "1e-12")
    assert done.code == 1
    assert 'layer "a" (Convolution) is the first that differs' in done.err
    done = run("convert", "small.net", "small.onnx", "--check")
    assert "onnxruntime agrees with netc on made-up parameters: 4 of 4 blobs" in done.err
    import onnx  # noqa: PLC0415 - an extra

    arrays = onnx.load(tmp_path / "small.onnx").graph.initializer
    assert not any(onnx.numpy_helper.to_array(array).any() for array in arrays if array.name == "a/weights")


def test_the_command_writes_nothing_that_differs(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    (tmp_path / "wrong.py").write_text(WRONG)
    (tmp_path / "small.net").write_text(SMALL + "d = Wrong(c)\n")
    (tmp_path / "small.onnx").write_text("what was there")
    done = run("convert", "small.net", "small.onnx", "--check", "--layers", "wrong.py")
    assert done.code == 1
    assert 'small.net:6:1: error[CNV013]: layer "d" (Wrong) is the first that differs on onnxruntime: [' in done.err
    assert (tmp_path / "small.onnx").read_text() == "what was there"
    assert run("convert", "small.net", "small.onnx", "--check", "--layers", "wrong.py", "--tolerance", "0.3").code == 0


def test_what_does_not_run_is_not_checked(run: Run, tmp_path: Path) -> None:
    done = run("convert", ROOT / "nets/lenet.net", "lenet.prototxt", "--check")
    assert done.code == 1
    assert "error[CNV014]: lenet.prototxt cannot be checked: it holds nothing that runs" in done.err
    assert not (tmp_path / "lenet.prototxt").exists()
