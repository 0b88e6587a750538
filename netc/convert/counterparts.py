"""What a target has for a layer type: the type's own writer, or the target's table's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn, TypeVar

from netc.convert.codes import NO_COUNTERPART, NO_COUNTERPART_FIELD
from netc.errors import Diagnostic, NetError
from netc.graph import Node
from netc.layer import LayerType

Write = TypeVar("Write", bound=Callable[..., Any])


def writer_of(node: Node, own: Write | None, table: Mapping[LayerType, Write], target: str) -> Write:
    """What writes a layer for a target ("ONNX"); raises NetError (CNV010) if nothing does.

    own: what a type of a user's own file brings (`LayerType.onnx`).
    """
    write = own or table.get(node.type)
    if write is None:
        kind = "data layer" if node.type.source else "loss" if node.type.loss else "layer type"
        message = f'layer "{node.name}": {target} has nothing for the {kind} {node.type.name}'
        raise NetError(Diagnostic(NO_COUNTERPART, message, node.record.span, help=NO_COUNTERPART.fix))
    return write


def refuse_field(node: Node, message: str, *fields: str) -> NoReturn:
    """Raise the diagnostic (CNV011) that a target has nothing for what the first written one of `fields` asks for."""
    record = node.record
    p = getattr(record, node.type.param) if node.type.param else record
    found = next((f for f in fields if p.has(f)), None)
    span = p.span_of(found) if found else record.span
    help = NO_COUNTERPART_FIELD.fix
    raise NetError(Diagnostic.of_layer(record, NO_COUNTERPART_FIELD, message, span, help=help, field=found or ""))
