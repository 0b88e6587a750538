"""A net whose data is not there opens, to be looked at, and says so when it should run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netc
from netc import caffe, run
from netc.catalogue import catalogue
from netc.errors import NetError
from netc.layer import Phase

PLANNED = {"DigitScenes", "Digits", "Input", "Scenes"}  # made of what comes with netc, or filled by programs only


def sources() -> Iterator[tuple[str, str]]:
    for name, type_ in sorted(catalogue().types.items()):
        if type_.source and type_.forward is None and name not in PLANNED:
            for example in type_.examples:
                tops = " ".join(f'top: "t{i}"' for i in range(example.tops))
                fields = example.fields.replace(
                    'source: "x"', 'source: "no_such_source"'
                )  # a folder above may have an x
                yield name, f'layer {{ name: "d" type: "{name}" {tops} {fields} phase: {example.phase} }}'


CASES = [pytest.param(text, id=f"{name}-{i}") for i, (name, text) in enumerate(sources())]


@pytest.fixture
def net_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    monkeypatch.chdir(tmp_path)  # sources are looked for from here upwards

    def write(text: str) -> Path:
        path = tmp_path / "net.prototxt"
        path.write_text(text)
        return path

    return write


def code_of(error: NetError) -> str:
    return error.diagnostics[0].code.id


@pytest.mark.parametrize("text", CASES)
def test_no_source_gives_zeros(net_file: Callable[[str], Path], text: str) -> None:
    path = net_file(text + '\nlayer { name: "p" type: "Power" bottom: "t0" top: "p" }')
    opened: list[Any] = []

    def run_net(make: Callable[[Phase], Any], phase: Phase) -> None:
        opened.append(make(phase))
        opened[-1].forward()

    makers: tuple[Callable[[Phase], Any], ...] = (
        lambda phase: caffe.Net(str(path), phase),
        lambda phase: netc.Net(path, phase),
        lambda phase: netc.Net(path, phase, executor="reference"),
    )
    phases: tuple[Phase, ...] = ("TRAIN", "TEST")
    codes = set()
    for make, phase in product(makers, phases):
        with pytest.raises(NetError) as caught:
            run_net(make, phase)
        codes.add(code_of(caught.value)[:3])
    assert len(codes) == 1
    assert len(opened) == (6 if codes == {"DAT"} else 0)  # it opens if its shape is known


DATA = """
layer { name: "d" type: "Data" top: "data" top: "label" transform_param { crop_size: 4 }
  data_param { source: "nowhere_lmdb" batch_size: 2 backend: LMDB } }
"""
LAYERS = """
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 2 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""
SOLVER = "base_lr: 1 lr_policy: 'fixed' max_iter: 3 snapshot_after_train: false"


def test_a_script_does_not_train_on_zeros(net_file: Callable[[str], Path], tmp_path: Path) -> None:
    path = net_file(DATA + LAYERS)
    (tmp_path / "s.prototxt").write_text(f"net: '{path}' {SOLVER}")
    solver = caffe.SGDSolver(str(tmp_path / "s.prototxt"))
    before = solver.net.params["ip"][0].data.copy()
    for train in (lambda: solver.step(1), solver.solve, solver.net.forward):
        with pytest.raises(RuntimeError, match="nowhere_lmdb") as caught:
            train()
        assert code_of(caught.value) == "DAT016"
        assert caught.value.diagnostics[0].span is not None
    assert solver.iter == 0
    assert (solver.net.params["ip"][0].data == before).all()
    with pytest.raises(NetError, match="nowhere_lmdb"):
        netc.Solver(tmp_path / "s.prototxt")


def test_a_test_net_without_data_stops_before_the_first_iteration(
    net_file: Callable[[str], Path], tmp_path: Path
) -> None:
    train = f'layer {{ name: "i" type: "Input" top: "data" top: "label" {INPUTS} include {{ phase: TRAIN }} }}'
    path = net_file(train + DATA.replace("{ name", "{ include { phase: TEST } name", 1) + LAYERS)
    (tmp_path / "s.prototxt").write_text(f"net: '{path}' {SOLVER} test_iter: 1 test_interval: 2")
    solver = caffe.SGDSolver(str(tmp_path / "s.prototxt"))
    with pytest.raises(RuntimeError, match="DAT016"):
        solver.step(1)
    assert solver.iter == 0


INPUTS = "input_param { shape { dim: 2 dim: 3 dim: 4 dim: 4 } shape { dim: 2 } }"


def test_what_runs_without_the_data_runs(net_file: Callable[[str], Path]) -> None:
    net = caffe.Net(str(net_file(DATA + LAYERS)), caffe.TRAIN)
    assert net.blobs["ip"].shape == (2, 2)
    net.blobs["ip"].data[...] = [[0, 1], [1, 0]]
    assert net.forward(start="loss")["loss"] == pytest.approx(np.log(1 + np.e) - 0.5, rel=1e-6)
    with pytest.raises(RuntimeError, match="DAT016"):
        net.forward(end="ip")
    net.blobs["data"].data[...] = 1  # a script that fills the tops itself
    assert net.forward()["loss"] > 0


def test_tops_that_a_program_fills(net_file: Callable[[str], Path]) -> None:
    net = netc.Net(net_file(DATA + LAYERS), "TRAIN")
    with pytest.raises(NetError, match="DAT016"):
        net.forward()
    net.set_input("label", np.zeros(2))  # also if they are zeros
    assert net.forward()["loss"] == pytest.approx(np.log(2), rel=1e-6)


def test_a_plan_on_its_own(net_file: Callable[[str], Path]) -> None:
    net = run.Net(netc.plan(net_file(DATA + LAYERS), "TRAIN"))
    with pytest.raises(NetError, match="no source") as caught:
        net.forward()
    assert code_of(caught.value) == "RUN016"
    net.inputs["data"][...] = 1
    net.forward()


def test_memory_data_without_arrays(net_file: Callable[[str], Path]) -> None:
    text = """layer { name: "m" type: "MemoryData" top: "x" top: "y"
      memory_data_param { batch_size: 1 channels: 1 height: 1 width: 2 } }"""
    net = caffe.Net(str(net_file(text)), caffe.TRAIN)
    with pytest.raises(RuntimeError, match="DAT013"):
        net.forward()
    net.set_input_arrays(np.zeros((1, 1, 1, 2), np.float32), np.zeros(1, np.float32))
    net.forward()
