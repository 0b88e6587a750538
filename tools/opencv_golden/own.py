"""A net with layers that a script's classes compute."""

from __future__ import annotations

import json
from importlib import import_module
from typing import Any

import numpy as np

from tools.opencv_golden.made import FOLDER, Arrays, blob, read, registering

FACTORS = (2.0, -1.0)
"""The blob of the layer of type Mine."""


def write_weights() -> None:
    """Write `own.caffemodel`: random parameters, for the layer of an unknown type as well."""
    written = import_module("netc.schema.weights_write").dump_weights
    layer = import_module("netc.schema.weights").LayerWeights
    shapes: dict[str, list[tuple[int, ...]]] = {"conv": [(4, 3, 3, 3), (4,)], "up": [(4, 2, 4, 4)]}
    layers = [
        layer(name, "", tuple(blob(i, *s) / 10 for s in several)) for i, (name, several) in enumerate(shapes.items())
    ]
    layers.append(layer("mine", "Mine", (np.array(FACTORS, np.float32),)))
    (FOLDER / "own.caffemodel").write_bytes(written("own", layers))


class Centred:
    """As scripts for HED crop: in the middle, whatever the file says. Notes where when it learns the shapes."""

    def __init__(self, params: Any, blobs: Any) -> None:
        self.params, self.top, self.left = params, 0, 0

    def getMemoryShapes(self, inputs: Any) -> Any:
        given, wanted = inputs
        self.top, self.left = (given[2] - wanted[2]) // 2, (given[3] - wanted[3]) // 2
        self.bottom, self.right = self.top + wanted[2], self.left + wanted[3]
        return [[given[0], given[1], wanted[2], wanted[3]]]

    def forward(self, inputs: Any) -> Any:
        return [inputs[0][:, :, self.top : self.bottom, self.left : self.right]]


class Mine:
    """A type that nobody else has, with fields, a blob and two tops; it writes into what it is given."""

    said: list[str] = []  # noqa: RUF012 (what all its objects were given)

    def __init__(self, params: Any, blobs: Any) -> None:
        kept = {name: value for name, value in sorted(params.items()) if isinstance(value, str)}
        Mine.said.append(json.dumps(kept))
        self.height, self.factors = float(params["height"]), blobs[0].reshape(1, -1, 1, 1)

    def getMemoryShapes(self, inputs: Any) -> Any:
        number, channels, height, width = inputs[0]
        return [inputs[0], (number, channels, height, width // 2)]

    def forward(self, inputs: Any) -> Any:
        inputs[0][...] *= self.factors
        return [inputs[0] + np.float32(self.height), inputs[0][..., : inputs[0].shape[3] // 2].copy()]


class Params:
    """Says what it is given, and makes what it reads."""

    said: list[str] = []  # noqa: RUF012

    def __init__(self, params: Any, blobs: Any) -> None:
        Params.said.append(json.dumps([params, [blob.size for blob in blobs]], sort_keys=True))

    def getMemoryShapes(self, inputs: Any) -> Any:
        return [inputs[0]]

    def forward(self, inputs: Any) -> Any:
        return [inputs[0]]


TYPES = ("Convolution", "Reshape", "Crop", "PriorBox", "Eltwise", "LRN", "InnerProduct", "Normalize")
"""Of the net "kinds"; those whose params are asked for."""


def own(dnn: Any) -> Arrays:
    """Outputs for two shapes in turn, with classes registered before and after reading, and taken back."""
    at, found = registering(dnn), Arrays()
    shapes = [(1, 3, 9, 11), (2, 3, 12, 10), (1, 3, 9, 11)]
    at.dnn_registerLayer("Mine", Mine)
    plain = read(dnn, "own")
    _run(plain, shapes[:1], found, "built_in")
    early = read(dnn, "own")
    at.dnn_registerLayer("Crop", Centred)
    _run(early, shapes, found, "after_reading")
    _run(plain, shapes, found, "run_before")
    at.dnn_unregisterLayer("Crop")
    _run(early, shapes[1:2], found, "kept")
    _run(read(dnn, "own"), shapes[1:2], found, "taken_back")
    at.dnn_unregisterLayer("Mine")
    found["mine_fields"] = np.array(Mine.said[-1])
    for type in TYPES:
        at.dnn_registerLayer(type, Params)
        Params.said.clear()
        for layer, kept in _kinds(dnn, type):
            found[f"params_{layer}"] = np.array(kept)
        at.dnn_unregisterLayer(type)
    return found


def _run(net: Any, shapes: Any, found: Arrays, name: str) -> None:
    for i, shape in enumerate(shapes):
        net.setInput(blob(50 + i, *shape))
        found[f"{name}_{i}"] = net.forward()
        found[f"{name}_{i}_mine"] = net.forward("mine")
    found[f"{name}_types"] = np.array([net.getLayer(i).type for i in range(1, 1 + len(net.getLayerNames()))])


def _kinds(dnn: Any, type: str) -> Any:
    """What each layer of a type in the net "kinds" is given, by the layer's name."""
    net = read(dnn, "kinds")
    names = [name for name in net.getLayerNames() if net.getLayer(name).type == type]
    net.getLayersShapes((1, 4, 10, 12))
    return zip(names, Params.said, strict=False)
