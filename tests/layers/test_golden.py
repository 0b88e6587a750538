"""Single layers against what BVLC Caffe and its forks computed (tests/golden/layers), on their kernels, in float32.

Cases with several layers need an executor; tests/run holds it to all cases.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc.layer import Site
from tests.layers.harness import Array, Bench, known, layers_of

FOLDER = Path(__file__).parent.parent / "golden" / "layers"
TOLERANCE = 1e-5


def single(path: Path) -> bool:
    """Whether the net is one layer besides its inputs."""
    return path.read_text().count("layer {") - path.read_text().count('type: "Input"') == 1


CASES = [pytest.param(path, id=path.stem) for path in sorted(FOLDER.glob("*.prototxt")) if single(path)]


def close(got: Array, expected: Array, name: str) -> None:
    worst = np.abs(got - expected).max(initial=0.0)
    assert got.shape == expected.shape, name
    assert worst <= TOLERANCE * max(1, np.abs(expected).max(initial=0.0)), f"{name} is off by {worst}"


def float32(values: Any) -> Array:
    return np.array(values, np.float32)


@pytest.mark.parametrize("path", CASES)
def test_golden(path: Path) -> None:
    layers = layers_of(path.read_text())
    record = next(layer for layer in layers if layer.type != "Input")
    numbers = np.load(path.with_suffix(".npz"))
    meta = json.loads(str(numbers["meta"]))
    layer_type = known().types[record.type]
    shapes = tuple(numbers[f"step0/in/{name}"].shape for name in record.bottom)
    # Caffe runs no backward where no bottom needs it or no top leads to a loss, whatever propagate_down says.
    backward = "force_backward" in path.read_text()
    site = Site(record, layer_type, shapes, meta["phase"])
    setup = layer_type.setup(site)
    params = tuple(float32(numbers[f"param/{record.name}/{i}"]) for i in range(len(setup.params)))
    bench = Bench(layer_type, site, setup, (), params, dtype=np.float32)
    for step in range(meta["steps"]):
        bench.bottoms = tuple(float32(numbers[f"step{step}/in/{name}"]) for name in record.bottom)
        one_step(bench, numbers, f"step{step}", backward)


def one_step(bench: Bench, numbers: Any, step: str, backward: bool) -> None:
    record = bench.site.record
    run = bench.forward()
    for name, top in zip(record.top, run.tops, strict=False):
        close(top, numbers[f"{step}/out/{name}"], name)
    for i, param in enumerate(run.call.params):
        after = f"{step}/param_after/{record.name}/{i}"
        if after in numbers:
            close(param, numbers[after], after)
    bench.params = tuple(p.copy() for p in run.call.params)
    bench.kept = {b.name: run.call.buffers[b.name].copy() for b in bench.setup.buffers if b.kind == "state"}
    inputs = {i for i, name in enumerate(record.bottom) if f"{step}/indiff/{name}" in numbers}
    if not backward:
        return
    if bench.type.backward is None:
        assert not any(numbers[f"{step}/indiff/{record.bottom[i]}"].any() for i in inputs)
        return
    for i, top in enumerate(run.tops):
        name = record.top[i] if i < len(record.top) else ""
        weight = record.loss_weight[i] if i < len(record.loss_weight) else float(bench.type.loss and i == 0)
        given = f"{step}/topdiff/{name}"
        bench.weights[i] = float32(numbers[given] if given in numbers else np.full(top.shape, weight))
    bench.use_weights = True
    run = bench.backward(run.call, frozenset(inputs))
    for i in inputs:
        close(run.bottom_diffs[i], numbers[f"{step}/indiff/{record.bottom[i]}"], record.bottom[i])  # type: ignore[arg-type]
    for i, diff in enumerate(run.param_diffs):
        name = f"{step}/paramdiff/{record.name}/{i}"
        if diff is not None and name in numbers:
            close(diff, numbers[name], name)
