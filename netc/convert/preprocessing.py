"""What was done to images in training, as layers in front of a net: then it takes pixels.

The layers are ordinary ones (Crop, Bias, Power), so every target writes them, and `--check` runs them on both sides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from netc.api.definition import Definition
from netc.api.preprocess import Preprocessing, of_layer
from netc.convert.codes import NO_PREPROCESSING
from netc.convert.model import Model, definition_of
from netc.errors import Diagnostic, NetError
from netc.graph import Node, State, included
from netc.layer import Array, Shape, format_shape
from netc.plan.model import Plan
from netc.schema.record import MessageType, Record
from netc.schema.weights import LayerWeights

PIXELS = "image"
"""The blob that takes pixels (0..255, blue first), if no other is called so."""


def known_preprocessing(model: Model, plan: Plan, data: Mapping[str, tuple[Record, Shape]]) -> dict[str, Preprocessing]:
    """How images become each input of the net: what training stored in the weight files, or else what the data layer or
    Input says, or else the data layer of another phase. Raises NetError (DAT007) for a mean file that cannot be read.
    """
    stored = model.prepared
    found: dict[str, Preprocessing] = {}
    for node in plan.graph.nodes:
        for value in node.tops if node.type.source and node.type.forward is None else ():
            blob, shape = plan.graph.values[value].name, plan.shapes[value]
            if len(shape) != 4 or shape[1] not in (1, 3):
                continue
            how = stored.get(blob) or (next(iter(stored.values())) if len(stored) == 1 and not found else None)
            how = how or of_layer(*data.get(blob, (node.record, shape))) or _in_another_phase(model, blob, shape)
            if how is not None:
                found[blob] = how
    return found


def _in_another_phase(model: Model, blob: str, shape: Shape) -> Preprocessing | None:
    """What the data layer does that fills a blob of this name in TEST, or else in TRAIN."""
    definition = definition_of(model)
    for phase in ("TEST", "TRAIN"):
        for layer in definition.record.layer:
            type = definition.types.types.get(layer.type)
            fills = type is not None and type.source and type.role.fed != "caller" and layer.top[:1] == (blob,)
            if fills and layer.has("transform_param") and included(layer, State(phase)):
                return of_layer(layer, shape)
    return None


def with_preprocessing(
    model: Model, plan: Plan, definition: Definition, data: Mapping[str, tuple[Record, Shape]]
) -> tuple[Definition, list[LayerWeights]]:
    """The net with the preparation of its images in front, and the parameters of the layers that do it.

    Raises NetError (CNV020) where nothing says how images are prepared, or it does not fit the net.
    """
    known = known_preprocessing(model, plan, data)
    if not known:
        raise NetError(Diagnostic(NO_PREPROCESSING, "nothing says how images were prepared", help=NO_PREPROCESSING.fix))
    layers: list[Record] = []
    weights: list[LayerWeights] = []
    for node in plan.graph.nodes:
        names = [plan.graph.values[v].name for v in node.tops]
        prepared = [name for name in names if name in known] if node.type.source and node.type.forward is None else []
        if not prepared:
            layers.append(node.record.replace(include=None, exclude=None))
            continue
        front = _Front(definition, plan, node)
        for value, name in zip(node.tops, names, strict=True):
            front.add(name, plan.shapes[value], known.get(name))
        layers += front.layers
        weights += front.weights
    old = ("input", "input_shape", "input_dim")
    record = definition.record.replace(**dict.fromkeys(old), layer=tuple(layers))
    return replace(definition, record=record, warnings=()), weights


class _Front:
    """The layers in front of a net, in the place of an Input."""

    def __init__(self, definition: Definition, plan: Plan, node: Node) -> None:
        self.definition, self.node = definition, node
        self.taken = {v.name for v in plan.graph.values} | {n.name for n in plan.graph.nodes}
        self.layers: list[Record] = []
        self.weights: list[LayerWeights] = []

    def add(self, blob: str, shape: Shape, how: Preprocessing | None) -> None:
        """An input of this shape, from pixels if it is known how."""
        if how is None:
            self._layer("Input", blob, (), blob, "input_param", shape=(self._shape(shape),))
            return
        pixels, (height, width) = self._unique(PIXELS), shape[2:]
        raw = how.size or (shape[2], shape[3])
        row, column = (raw[0] - height) // 2, (raw[1] - width) // 2
        mean = _mean(how, raw, (row, column), shape)
        self._layer("Input", pixels, (), pixels, "input_param", shape=(self._shape((*shape[:2], *raw)),))
        source = pixels
        if raw != (height, width):
            like = self._unique(f"{pixels}/size")
            self._layer("DummyData", like, (), like, "dummy_data_param", shape=(self._shape((1, 1, height, width)),))
            self._layer("Crop", f"{pixels}/crop", (source, like), blob, "crop_param", axis=2, offset=(row, column))
            source = blob
        if mean is not None:
            name = self._unique(f"{pixels}/mean")
            self._layer("Bias", name, (source,), blob, "bias_param", axis=1, num_axes=mean.ndim)
            self.weights.append(LayerWeights(name, "Bias", (-mean,)))
            source = blob
        if how.scale != 1 or source == pixels:
            self._layer("Power", f"{pixels}/scale", (source,), blob, "power_param", scale=how.scale)

    def _unique(self, name: str) -> str:
        while name in self.taken:
            name += "_"
        self.taken.add(name)
        return name

    @staticmethod
    def _message(layer: MessageType, param: str) -> MessageType:
        found = layer.fields[param].message
        assert found is not None
        return found

    def _shape(self, shape: Shape) -> Record:
        return self.definition.schema.message("BlobShape").make(dim=shape)

    def _layer(self, type: str, name: str, bottoms: tuple[str, ...], top: str, param: str, **fields: Any) -> None:
        message = self.definition.schema.message
        layer = message("LayerParameter")
        own = self._message(layer, param).make(**fields)
        self.layers.append(layer.make(name=name, type=type, bottom=bottoms, top=(top,), **{param: own}))


def _mean(how: Preprocessing, raw: tuple[int, int], start: tuple[int, int], shape: Shape) -> Array | None:
    """What is subtracted: a number a channel, or the part of the mean image that is cut out."""
    if how.mean is None:
        return None
    height, width = shape[2:]
    if min(start) < 0 or how.mean.shape not in ((shape[1], 1, 1), (shape[1], *raw)):
        sizes = f"mean {format_shape(how.mean.shape)}, images {raw[0]}x{raw[1]}, the input {format_shape(shape)}"
        raise NetError(Diagnostic(NO_PREPROCESSING, f"what prepares images does not fit the net: {sizes}"))
    if how.mean.shape[1:] == (1, 1):
        return how.mean.reshape(-1)
    return np.ascontiguousarray(how.mean[:, start[0] : start[0] + height, start[1] : start[1] + width])
