"""`netc convert` as a command; what it converts is tested in tests/convert."""

from pathlib import Path

import pytest

from netc.schema.weights import read_weights
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
