"""What is written in place here, and what Caffe cannot write there."""

from __future__ import annotations

from collections.abc import Iterator

from netc.errors import Code, Diagnostic, Note
from netc.graph import Node
from netc.plan.draft import Draft

_DATA = 'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: [2, 3, 8, 8] } } }\n'

NOT_IN_PLACE = Code(
    "PLN027",
    "a layer is written in place that Caffe cannot run so",
    why="Layers whose top has another shape than their bottom, or whose values are each read several times, cannot "
    "write over their bottom: Caffe stops (Flatten, Reshape) or computes nonsense (Pooling, Convolution). netc gives "
    "the top memory of its own, so it computes what is meant.",
    example=_DATA + 'layer { name: "flat" type: "Flatten" bottom: "x" top: "x" }',
    fix='layer { name: "flat" type: "Flatten" bottom: "x" top: "flat" }',
)
READ_BEFORE = Code(
    "PLN028",
    "a blob is read, and then written in place",
    why="Caffe gives each reader of a blob a copy of its own, so a layer that writes in place then makes a second blob "
    'of the same name, and Caffe stops ("Top blob produced by multiple sources"). netc keeps both values apart: the '
    "first reader gets what was there before.",
    example=_DATA + 'layer { name: "norm" type: "MVN" bottom: "x" top: "norm" }\n'
    'layer { name: "relu" type: "ReLU" bottom: "x" top: "x" }',
    fix='layer { name: "relu" type: "ReLU" bottom: "x" top: "relu" }',
)
_MOVING = ("shape", "pooling", "convolution", "product")
"""Families of layers that need their bottom as it was."""


def in_place(draft: Draft) -> None:
    """Warn of layers in place that have to have their bottom as it was (PLN027)."""
    for node, index in _written(draft):
        if node.type.role.family in _MOVING and not draft.setup(node.index).in_place:
            name = node.record.top[index]
            help = f'give the top of layer "{node.name}" another name, and the layers after it that bottom'
            _warn(draft, node, index, NOT_IN_PLACE, f'writes "{name}" in place, which Caffe cannot', (), help)


def read_before(draft: Draft) -> None:
    """Warn of blobs that another layer reads before they are written in place (PLN028)."""
    for node, index in _written(draft):
        value = draft.graph.values[node.bottoms[index]]
        others = [draft.graph.nodes[n] for n, _ in value.consumers if n != node.index]
        if others:
            note = Note(f'layer "{others[0].name}" reads it first', others[0].record.span_of("bottom"))
            help = f'give the top of layer "{node.name}" another name'
            said = f'writes "{value.name}" in place after another layer has read it; Caffe stops there'
            _warn(draft, node, index, READ_BEFORE, said, (note,), help)


def _written(draft: Draft) -> Iterator[tuple[Node, int]]:
    """The layers that write in place, and at which top."""
    for node in draft.graph.nodes:
        for index, (bottom, top) in enumerate(zip(node.record.bottom, node.record.top, strict=False)):
            if bottom == top:
                yield node, index


def _warn(draft: Draft, node: Node, index: int, code: Code, said: str, notes: tuple[Note, ...], help: str) -> None:
    span = node.record.span_of("top", index)
    draft.report.diagnostics.append(Diagnostic.of_layer(node.record, code, said, span, notes, help, "warning"))
