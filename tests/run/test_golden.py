"""Every golden case of BVLC Caffe and its forks through a whole net: parsed, planned, memory shared, in debug mode."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc.layer import Array
from netc.run import Net
from tests.run.common import make

CASES = sorted((Path(__file__).parent.parent / "golden" / "layers").glob("*.npz"))
NO_BACKWARD = frozenset(
    [
        "batch_reindex",
        "contrastive",
        "crop",
        "filter",
        "hinge_l1",
        "infogain",
        "lstm_basic",
        "lstm_static",
        "multinomial",
        "rnn_4d",
        "rnn_basic",
        "rnn_expose",
        "sce",
        "sce_batch",
        "sml_basic",
        "sml_ignore",
        "sml_ignore_nonorm",
        "sml_norm_full",
        "sml_norm_valid",
        "sml_spatial",
        "sml_weight",
    ]
)
"""Cases in which nothing asks for backward, so that Caffe ran none: what stands there for gradients is zeros, or what
HingeLoss used their memory for. In every other case each gradient is one that netc plans."""


def close(name: str, ours: Array, theirs: Array) -> None:
    """max |a - b| <= 1e-5 max(1, max |b|)."""
    assert ours.shape == theirs.shape, f"{name}: shape {ours.shape} instead of {theirs.shape}"
    scale = max(1.0, float(np.abs(theirs).max(initial=0)))
    error = float(np.abs(ours.astype(np.float64) - theirs).max(initial=0))
    assert error <= 1e-5 * scale, f"{name}: {error} off, at a scale of {scale}"


def test_there_are_cases() -> None:
    assert len(CASES) == 249


@pytest.mark.parametrize("path", CASES, ids=lambda p: p.stem)
def test_case(path: Path) -> None:
    with np.load(path) as numbers:
        meta = json.loads(str(numbers["meta"]))
        data = {name: numbers[name] for name in numbers.files if name != "meta"}
    text = path.with_suffix(".prototxt").read_text()
    shared = make(text, meta["phase"], training=True, debug=True)
    inspected = make(text, meta["phase"], training=True, keep=True)
    for net in (shared, inspected):
        for layer, blobs in net.params.items():
            for i, blob in enumerate(blobs):
                blob[...] = data[f"param/{layer}/{i}"]
    for step in range(meta["steps"]):
        run(shared, data, f"step{step}/")
        run(inspected, data, f"step{step}/")
        for name, value in group(data, f"step{step}/blob/").items():
            close(f"blob {name}", inspected.blobs[name], value)


def run(net: Net, data: dict[str, Array], step: str) -> None:
    net.zero_param_diffs()
    for name, value in group(data, step + "in/").items():
        net.set_input(name, value)
    outputs = net.forward()
    expected = group(data, step + "out/")
    assert set(expected) <= set(outputs)
    for name, value in expected.items():
        close(f"output {name}", outputs[name], value)
    net.backward(diffs=group(data, step + "topdiff/"))
    planned = {v.name for v, slot in zip(net.graph.values, net.plan.diff, strict=True) if slot is not None}
    for name, value in group(data, step + "indiff/").items():
        assert (name in planned) == (net.graph.name not in NO_BACKWARD), f"gradient of {name}"
        if name in planned:
            close(f"gradient of {name}", net.diffs[name], value)
    for name, value in group(data, step + "paramdiff/").items():
        close(f"gradient of parameter {name}", zero_if_none(net, name), value)
    for name, value in group(data, step + "param_after/").items():
        layer, _, i = name.rpartition("/")
        close(f"parameter {name}", net.params[layer][int(i)], value)


def group(data: dict[str, Array], prefix: str) -> dict[str, Any]:
    return {name.removeprefix(prefix): value for name, value in data.items() if name.startswith(prefix)}


def zero_if_none(net: Net, name: str) -> Array:
    layer, _, i = name.rpartition("/")
    diff = net.param_diffs[layer][int(i)]
    return np.zeros_like(net.params[layer][int(i)]) if diff is None else diff
