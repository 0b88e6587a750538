"""The nets of `tools.bench.latency`, as files that other readers take."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import netc
from tools.bench import turns
from tools.bench.latency import contenders, files
from tools.bench.latency.cases import CASES, Case

BY_NAME = {case.name: case for case in CASES}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_net_plans(case: Case) -> None:
    shapes = {} if case.shape is None else {"data": case.shape}
    plan = netc.plan(case.file, stages=case.stages, inputs=shapes)
    (first,) = (node for node in plan.graph.nodes if node.type.source)
    assert plan.shapes[first.tops[0]][0] == 1
    assert any(node.type.name == "DetectionOutput" for node in plan.graph.nodes) != case.known_to_onnx


@pytest.mark.parametrize("name", ["MTCNN 24", "landmarks"])
def test_contenders_make_the_same_of_the_files(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "net"
    files.write(BY_NAME[name], folder)
    given, wanted = (dict(np.load(folder / file)) for file in ("input.npz", "outputs.npz"))
    for contender in ("netc", "ONNX Runtime"):
        call = contenders.CONTENDERS[contender](folder, 1, given, list(wanted))
        contenders.compare(call(), wanted)
    first = next(iter(wanted))
    with pytest.raises(SystemExit, match="is off by"):
        contenders.compare(call(), wanted | {first: wanted[first] + 1})


def test_neighbours_end() -> None:
    with turns.neighbours(2) as started:
        assert [process.poll() for process in started] == [None, None]
    assert all(process.poll() is not None for process in started)
