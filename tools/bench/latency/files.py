"""A case as files that everybody reads: prototxt and caffemodel, ONNX, an input, and the outputs it should give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import netc
from netc.convert.onnx import export
from netc.convert.predicting import Predicting
from netc.run import weights_of
from netc.schema.text import to_text
from netc.schema.weights_write import dump_weights
from tools.bench.cases import draw
from tools.bench.latency.cases import Case

ELSEWHERE = ("input", "input_shape", "input_dim", "state", "solver")  # what layers say instead


def write(case: Case, folder: Path) -> None:
    """Write `folder`, unless it is there; the parameters and the input are random."""
    if folder.exists():
        return
    shapes = {} if case.shape is None else {"data": case.shape}
    net = netc.Net(case.file, stages=case.stages, inputs=shapes, executor="reference")
    rng = np.random.default_rng(0)
    draw(net, rng)
    ((name, array),) = net.inputs.items()
    array[...] = rng.normal(size=array.shape)
    given: dict[str, Any] = {name: array.copy()}
    outputs: dict[str, Any] = net.forward()
    layers = [node.record.replace(include=None, exclude=None) for node in net.graph.nodes]
    layers[0] = layers[0].replace(input_param=_shape(net, array.shape))
    record = net.definition.record.replace(**dict.fromkeys(ELSEWHERE), layer=tuple(layers))
    folder.mkdir(parents=True)
    (folder / "net.prototxt").write_text(to_text(record), encoding="utf-8")
    (folder / "net.caffemodel").write_bytes(dump_weights(case.name, weights_of(net).layers))
    if case.known_to_onnx:
        (folder / "net.onnx").write_bytes(b"".join(export(Predicting.of(net)).parts))
    np.savez(folder / "input.npz", **given)
    np.savez(folder / "outputs.npz", **outputs)


def _shape(net: netc.Net, shape: tuple[int, ...]) -> object:
    message = net.definition.schema.message
    return message("InputParameter").make(shape=(message("BlobShape").make(dim=shape),))
