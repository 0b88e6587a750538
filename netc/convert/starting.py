"""A net that trains, begun at blobs whose shapes are given: what its data layers do need not be known.

`netc deploy` plans the net with its data layers first. A snapshot alone may name data bases that are elsewhere, or a
Python layer that nobody has; whoever gives the shape of the images says enough.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from netc.api.definition import Definition
from netc.graph import State, included
from netc.layer import LayerType, Shape
from netc.schema.record import Record

_TRAINING = ("include", "exclude", "phase", "loss_weight", "propagate_down")


def started_at(definition: Definition, inputs: Mapping[str, Shape], state: State) -> Definition | None:
    """The layers that follow from these inputs, in phase TEST; None if no data layer makes any of them.

    What other blobs of data layers (labels) lead to goes; a loss becomes the activation that it contains.
    """
    cut = _Start(definition, inputs)
    for layer in definition.record.layer:
        if included(layer, state):
            cut.add(layer.replace(**dict.fromkeys(_TRAINING)))
    if not cut.found:
        return None
    old = ("input", "input_shape", "input_dim", "state", "solver", "force_backward")
    record = definition.record.replace(**dict.fromkeys(old), layer=tuple(cut.layers))
    return replace(definition, record=record, warnings=())


class _Start:
    """The layers so far. missing: blobs that nothing makes any more; found: inputs that a data layer made."""

    def __init__(self, definition: Definition, inputs: Mapping[str, Shape]) -> None:
        self.types, self.schema, self.inputs = definition.types, definition.schema, inputs
        self.layers: list[Record] = []
        self.missing: set[str] = set()
        self.found: set[str] = set()

    def add(self, layer: Record) -> None:
        type = self.types.types.get(layer.type)
        if not layer.bottom and type is not None and _is_data(type):
            self._data(layer)
        elif self.missing.isdisjoint(layer.bottom):
            self.layers.append(layer)
        elif type is None or not self._activation(layer):
            self.missing |= set(layer.top) - (set(layer.bottom) - self.missing)

    def _data(self, layer: Record) -> None:
        message = self.schema.message
        for top in layer.top:
            if top not in self.inputs:
                self.missing.add(top)
                continue
            self.found.add(top)
            own = message("InputParameter").make(shape=(message("BlobShape").make(dim=self.inputs[top]),))
            make = message("LayerParameter").make
            self.layers.append(make(name=top, type=self.types.input, top=(top,), input_param=own))

    def _activation(self, loss: Record) -> bool:
        """Put what a loss judges in its place, if its scores are there."""
        judged = self.types.judged(loss.type)
        if not judged or loss.bottom[0] in self.missing:
            return False
        taken = {top for layer in self.layers for top in layer.top}
        name = "prob" if "prob" not in taken else f"{loss.bottom[0]}/prob"
        param = self.types.types[judged].param
        own = {param: getattr(loss, param)} if param and loss.has(param) else {}
        make = self.schema.message("LayerParameter").make
        self.layers.append(make(name=name, type=judged, bottom=loss.bottom[:1], top=(name,), **own))
        return True


def _is_data(type: LayerType) -> bool:
    return type.role.foreign or (type.source and type.role.fed != "caller")
