"""Weights that are not finite are warned of by everything that loads them: SNP032, with the layer and how many."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from netc import caffe, dnn
from netc.api.session import Net, Solver
from netc.cli import main
from netc.errors import Diagnostic, NetWarning
from netc.schema.weights import LayerWeights
from netc.schema.weights_write import dump_weights
from netc.solve import Events

NET = """
layer { name: "data" type: "DummyData" top: "data" top: "t" dummy_data_param {
  shape { dim: [2, 3] } shape { dim: [2, 1] } data_filler { type: "constant" value: 1 } } include { phase: TRAIN } }
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: [2, 3] } } include { phase: TEST } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 1 } }
layer { name: "loss" type: "EuclideanLoss" bottom: "ip" bottom: "t" top: "loss" include { phase: TRAIN } }
"""
SOLVER = 'net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 1 snapshot_prefix: "s"'
SAID = "w.caffemodel holds values that are not finite: ip (2 of 4)"


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.prototxt").write_text(NET)
    Path("solver.prototxt").write_text(SOLVER)
    blobs = (np.array([[np.nan, np.inf, 1]], np.float32), np.zeros(1, np.float32))
    Path("w.caffemodel").write_bytes(dump_weights("x", (LayerWeights("ip", "InnerProduct", blobs),)))


def test_a_net_and_a_solver() -> None:
    with pytest.warns(NetWarning, match="SNP032") as said:
        net = Net("net.prototxt", weights="w.caffemodel")
    assert [d.message for d in net.loaded[Path("w.caffemodel")].warnings] == [SAID]
    assert SAID in str(said[0].message)
    with pytest.warns(NetWarning, match="SNP032"):
        Solver("solver.prototxt", weights=["w.caffemodel"])


def test_pycaffe() -> None:
    with pytest.warns(NetWarning, match="SNP032"):
        caffe.Net("net.prototxt", "w.caffemodel", caffe.TEST)
    solver = caffe.SGDSolver("solver.prototxt")
    with pytest.warns(NetWarning, match="SNP032"):
        solver.net.copy_from("w.caffemodel")
    Path("solver.prototxt").write_text(SOLVER + ' weights: "w.caffemodel"')
    with pytest.warns(NetWarning, match="SNP032"):
        caffe.SGDSolver("solver.prototxt")


def test_opencv() -> None:
    with pytest.warns(NetWarning, match="SNP032"):
        dnn.readNetFromCaffe("net.prototxt", "w.caffemodel")


def test_a_snapshot() -> None:
    class Log(Events):
        found: tuple[Diagnostic, ...] = ()

        def warned(self, diagnostic: Diagnostic) -> None:
            self.found += (diagnostic,)

    broken = Solver("solver.prototxt")
    broken.net.params["ip"][0][...] = np.nan
    broken.snapshot()
    log = Log()
    Solver("solver.prototxt", events=log).restore(Path("s_iter_0.solverstate"))
    assert [(d.code.id, d.message.partition(": ")[2]) for d in log.found] == [("SNP032", "ip (3 of 4)")]


@pytest.mark.parametrize(
    "command",
    [
        ["convert", "w.caffemodel", "w.safetensors"],
        ["convert", "net.prototxt", "out.caffemodel", "--weights", "w.caffemodel"],
        ["convert", "net.prototxt", "out", "--to", "caffe", "--weights", "w.caffemodel"],
        ["train", "solver.prototxt", "--weights", "w.caffemodel", "--on-nan", "skip"],
    ],
    ids=lambda command: " ".join(command[:3]),
)
def test_commands(command: list[str], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    if "safetensors" in " ".join(command):
        pytest.importorskip("safetensors", reason="the extra safetensors is not installed")
    monkeypatch.setattr("sys.argv", ["netc", *command])
    with pytest.raises(SystemExit):
        main()
    printed = capfd.readouterr().err
    assert printed.count("warning[SNP032]") == 1, printed
    assert "NetWarning" not in printed
