"""ONNX files run by onnxruntime give BVLC Caffe's own numbers: the golden cases, forward, of every type written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import netc
from netc.catalogue import catalogue
from netc.convert.codes import NO_COUNTERPART, NO_COUNTERPART_FIELD
from netc.convert.onnx import WRITERS, export
from netc.convert.predicting import Predicting
from netc.errors import NetError
from netc.run.net import Net

pytest.importorskip("onnx", reason="the extra onnx is not installed")
runtime = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")

CASES = sorted((Path(__file__).parent.parent / "golden" / "layers").glob("*.npz"))
UNKNOWN = {t.name for t in catalogue().types.values() if t not in WRITERS and t.name != "Input"}


@pytest.mark.parametrize("path", CASES, ids=lambda p: p.stem)
def test_case(path: Path) -> None:
    with np.load(path) as numbers:
        meta = json.loads(str(numbers["meta"]))
        data = {name: numbers[name] for name in numbers.files if name != "meta"}
    text = path.with_suffix(".prototxt").read_text()
    definition = netc.loads(text, path.stem)
    net: Net = netc.Net(definition, meta["phase"], training=False)
    for layer, blobs in net.params.items():
        for i, blob in enumerate(blobs):
            blob[...] = data[f"param/{layer}/{i}"]
    types = {node.type.name for node in net.graph.nodes}
    if meta["phase"] == "TRAIN" and types & {"BatchNorm", "Dropout"}:
        pytest.skip("ONNX files hold the net of phase TEST only, and these numbers are of phase TRAIN")
    if types & UNKNOWN or "eta: 0.9" in text:
        with pytest.raises(NetError) as caught:
            export(Predicting.of(net))
        assert {d.code for d in caught.value.diagnostics} <= {NO_COUNTERPART, NO_COUNTERPART_FIELD}
        return
    model = export(Predicting.of(net)).message()
    session = runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    given = {i.name: data[f"step0/in/{i.name}"].astype(np.float32) for i in session.get_inputs()}
    known = [o for o in session.get_outputs() if f"step0/out/{o.name}" in data]  # and states that the layer keeps
    assert known
    for output, found in zip(known, session.run([o.name for o in known], given), strict=True):
        expected = data[f"step0/out/{output.name}"]
        assert found.shape == expected.shape
        scale = max(1.0, float(np.abs(expected).max(initial=0)))
        assert float(np.abs(found - expected).max(initial=0)) <= 2e-5 * scale, output.name
