"""A net that predicts on its way into files for Caffe's readers: layers that each make blobs of their own.

Blobs are numbers here, so nothing is in place, and nothing is shared: each layer has its own parameters. What the
phase settles is settled: Dropout, Split and Silence are gone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from netc.convert.predicting import Predicting
from netc.graph import Node
from netc.kernels.geometry import DropoutGeometry
from netc.layer import Array, Shape
from netc.layers.dropout import DROPOUT
from netc.layers.silence import SILENCE
from netc.layers.split import SPLIT
from netc.plan.model import Plan
from netc.schema.record import Record, Schema

Fields = Mapping[str, Any]
PHASE_FIELDS = ("include", "exclude", "phase", "loss_weight", "propagate_down", "param", "transform_param")
PLAIN = ("engine", "force_nd_im2col", "cudnn_convolution_algo_seeker", "stable_prod_grad", "moving_average_fraction")
"""Fields that change nothing of what a net that predicts computes."""


@dataclass(frozen=True)
class Layer:
    """A layer: its bottoms and tops by number, the fields of its messages (by the message's field), its parameters.

    node: the layer of netc's net that it comes from, for diagnostics.
    """

    name: str
    type: str
    bottoms: tuple[int, ...]
    tops: tuple[int, ...]
    node: Node
    messages: Mapping[str, Fields] = field(default_factory=dict)
    blobs: tuple[Array, ...] = ()

    def of(self, message: str) -> dict[str, Any]:
        """The fields of one message."""
        return dict(self.messages.get(message, {}))

    def with_fields(self, message: str, **changes: Any) -> Layer:
        """With fields of a message set, or removed by None."""
        values = {k: v for k, v in {**self.of(message), **changes}.items() if v is not None}
        return replace(self, messages={**self.messages, message: values})


@dataclass
class Draft:
    """The layers in order. names, shapes: of each blob; outputs: the blobs whose names must stay."""

    name: str
    schema: Schema
    layers: list[Layer]
    names: dict[int, str]
    shapes: dict[int, Shape]
    outputs: tuple[int, ...]

    def blob(self, name: str, shape: Shape) -> int:
        """A new blob, called like this or, if the name is taken, with a number."""
        number = max(self.names, default=-1) + 1
        self.names[number] = fresh(name, set(self.names.values()))
        self.shapes[number] = shape
        return number

    def readers(self, blob: int) -> list[Layer]:
        """The layers that read a blob, once for each bottom."""
        return [layer for layer in self.layers for bottom in layer.bottoms if bottom == blob]

    def take_over(self, old: int, new: int) -> None:
        """Let blob `new` stand wherever `old` was read; an output's name goes over to it."""
        if old in self.outputs:
            self.names[old], self.names[new] = self.names[new], self.names[old]
            self.outputs = tuple(new if blob == old else blob for blob in self.outputs)
        self.layers = [
            replace(layer, bottoms=tuple(new if b == old else b for b in layer.bottoms)) for layer in self.layers
        ]


def fresh(name: str, taken: set[str]) -> str:
    """This name, or with a number."""
    made, count = name, 2
    while made in taken:
        made, count = f"{name}_{count}", count + 1
    return made


def draft_of(net: Predicting, schema: Schema) -> Draft:
    """The draft of a net that predicts."""
    graph, plan = net.graph, net.plan
    last = {value.name: value.index for value in graph.values}
    names: dict[int, str] = {v: name for name, v in last.items()}
    for value in graph.values:
        if value.index not in names:
            made = graph.nodes[value.producer].name
            names[value.index] = fresh(f"{value.name}_{made}", set(names.values()))
    inputs = [v for v in graph.inputs if last[graph.values[v].name] != v]  # written in place: inputs keep their names
    for v in inputs:
        name = graph.values[v].name
        names[last[name]], names[v] = names[v], name
    outputs = tuple(v for v in net.outputs if v not in graph.inputs)
    draft = Draft(graph.name, schema, [], names, dict(enumerate(plan.shapes)), outputs)
    taken: set[str] = set()
    for node in graph.nodes:
        name = fresh(node.name, taken)
        taken.add(name)
        blobs = tuple(np.asarray(blob, np.float32) for blob in net.params.get(node.key, ()))
        draft.layers.append(Layer(name, node.type.name, node.bottoms, node.tops, node, _messages(node.record), blobs))
    _settle(draft, net.plan)
    return draft


def _messages(record: Record) -> dict[str, Fields]:
    """The messages of a layer without fillers and what else changes nothing."""
    found: dict[str, Fields] = {}
    for name, value in record.values.items():
        if isinstance(value, Record) and name not in PHASE_FIELDS:
            found[name] = {k: v for k, v in value.values.items() if k not in PLAIN and not _is_filler(v)}
    return found


def _is_filler(value: Any) -> bool:
    return isinstance(value, Record) and value.message_type.name == "FillerParameter"


def _settle(draft: Draft, plan: Plan) -> None:
    """Take out layers that only hand values on, and those that nobody needs."""
    draft.layers = [layer for layer in draft.layers if layer.node.type is not SILENCE]
    for name in [layer.name for layer in draft.layers if _hands_on(layer, plan)]:
        layer = next(layer for layer in draft.layers if layer.name == name)
        if not _is_input(draft, layer.bottoms[0], layer.tops):
            draft.layers = [other for other in draft.layers if other is not layer]
            for top in layer.tops:
                draft.take_over(top, layer.bottoms[0])


def _hands_on(layer: Layer, plan: Plan) -> bool:
    if layer.node.type is DROPOUT:
        return plan.layers[layer.node.index].setup.known(DropoutGeometry).factor == 1.0
    return layer.node.type is SPLIT


def _is_input(draft: Draft, blob: int, tops: tuple[int, ...]) -> bool:
    """Whether a top that is an output would have to be an input."""
    made = any(blob in layer.tops and layer.node.type.source for layer in draft.layers)
    several = len(set(tops) & set(draft.outputs)) > 1 or (
        blob in draft.outputs and bool(set(tops) & set(draft.outputs))
    )
    return bool(set(tops) & set(draft.outputs)) and (made or several)
