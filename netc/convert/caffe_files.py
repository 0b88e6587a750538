"""Nets as text, and nets with parameters as Caffe's snapshots."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import replace

from netc.api.definition import Definition
from netc.convert.model import Format, Made, Model, Options, definition_of
from netc.convert.parameters import in_stored_types, paired
from netc.convert.program import program
from netc.graph import State, included
from netc.schema.record import Record
from netc.schema.text import to_text
from netc.schema.weights_write import weights_parts

_LEFT_OUT = {
    "solver": "the solver, which Caffe reads from a file of its own",
    "generate": "the generate block, which Caffe does not know",
    "search": "the search block, which Caffe does not know",
}


def _program(model: Model, options: Options) -> Made:
    return Made((program(definition_of(model)).encode("utf-8", "surrogateescape"),))


def _prototxt(model: Model, options: Options) -> Made:
    """Plain text format; a solver, which Caffe wants in a file of its own, and blocks of netc's are left out."""
    record = definition_of(model).record
    notes = tuple(f"left out: {said}" for name, said in _LEFT_OUT.items() if record.has(name))
    return Made((to_text(record.replace(**dict.fromkeys(_LEFT_OUT))).encode("utf-8", "surrogateescape"),), notes)


def _caffemodel(model: Model, options: Options) -> Made:
    """The net of phase TRAIN, as Caffe's snapshots hold it, with each layer's parameters.

    Where the net of a .caffemodel cannot be read, its parameters alone, which Caffe loads as well.
    """
    model = in_stored_types(model, options)
    if model.unread and model.weights is not None:
        reason = model.unread[0].message
        return Made(weights_parts(model.weights.name, model.weights.layers), (f"left out: the net, as {reason}",))
    definition = definition_of(model)
    found = model.weights.layers if model.weights else ()
    record = definition.record.replace(layer=None, **dict.fromkeys(_LEFT_OUT))
    record = record.replace(layer=tuple(_snapshot_layers(definition, {w.name for w in found if w.blobs})))
    made, lost = paired(record.layer, tuple(replace(layer, sparse=frozenset()) for layer in found))
    notes = (f"left out, not in the net: {', '.join(lost)}",) if lost else ()
    return Made(weights_parts(record.name, made, record), notes)


def _snapshot_layers(definition: Definition, found: Set[str]) -> list[Record]:
    """The layers of phase TRAIN, and those of other phases that have parameters."""
    train = [layer for layer in definition.record.layer if included(layer, State("TRAIN"))]
    names = {layer.name for layer in train}
    return train + [la for la in definition.record.layer if la.name in found and la.name not in names]


PROGRAM = Format((".net",), _program)
PROTOTXT = Format((".prototxt", ".pt", ".pbtxt"), _prototxt)
CAFFEMODEL = Format((".caffemodel",), _caffemodel, frozenset({"half"}))
