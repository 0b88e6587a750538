"""What a pycaffe script reads after each pass, held to what BVLC's pycaffe gave for the same nets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc import caffe

CASES = sorted((Path(__file__).parent.parent / "golden" / "layers").glob("*.npz"))


def close(what: str, ours: Any, theirs: Any) -> None:
    """max |a - b| <= 1e-5 max(1, max |b|)."""
    assert ours.shape == theirs.shape, what
    scale = max(1.0, float(np.abs(theirs).max(initial=0)))
    assert float(np.abs(ours - theirs).max(initial=0)) <= 1e-5 * scale, what


@pytest.mark.parametrize("path", CASES, ids=lambda p: p.stem)
def test_script(path: Path) -> None:
    with np.load(path) as numbers:
        meta = json.loads(str(numbers["meta"]))
        data = {name: numbers[name] for name in numbers.files if name != "meta"}
    net = caffe.Net(str(path.with_suffix(".prototxt")), {"TRAIN": caffe.TRAIN, "TEST": caffe.TEST}[meta["phase"]])
    for name, value in group(data, "param/").items():
        layer, _, i = name.rpartition("/")
        net.params[layer][int(i)].data[...] = value
    for step in range(meta["steps"]):
        one = f"step{step}/"
        for name, value in group(data, one + "in/").items():
            net.blobs[name].data[...] = value
        net.clear_param_diffs()
        outputs = net.forward()
        for name, value in group(data, one + "out/").items():
            close(f"output {name}", outputs[name], value)
        for name, value in group(data, one + "blob/").items():
            close(f"blob {name}", net.blobs[name].data, value)
        for name, value in group(data, one + "topdiff/").items():
            net.blobs[name].diff[...] = value
        net.backward()
        for name, value in group(data, one + "indiff/").items():
            if net._engine.versions.shown_gradient(name) is not None:  # elsewhere Caffe used the memory itself
                close(f"gradient of {name}", net.blobs[name].diff, value)
        for kind, field in (("paramdiff/", "diff"), ("param_after/", "data")):
            for name, value in group(data, one + kind).items():
                layer, _, i = name.rpartition("/")
                close(f"{kind}{name}", getattr(net.params[layer][int(i)], field), value)


def group(data: dict[str, Any], prefix: str) -> dict[str, Any]:
    return {name.removeprefix(prefix): value for name, value in data.items() if name.startswith(prefix)}
