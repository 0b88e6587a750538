"""Messages of a layer that its type does not read: convolution_param in a Pooling layer, transform_param in DummyData.

Caffe reads such a message and forgets it, so for its types this is a warning; netc's own types refuse it.
"""

from __future__ import annotations

from netc.errors import Code
from netc.graph import Node
from netc.plan.draft import Draft
from netc.schema.record import Record

UNREAD = Code(
    "PLN021",
    "a layer has a message that its type does not read",
    why="Each layer type reads its own message, and a few read another one (transform_param, loss_param). What stands "
    "in a message that the type does not read changes nothing: Caffe goes on without a word. For types that only netc "
    "has it is an error.",
    example='layer { name: "x" type: "Input" top: "x" input_param { shape { dim: [2, 3, 8, 8] } } }\n'
    'layer { name: "pool1" type: "Pooling" bottom: "x" top: "pool1"\n'
    "  pooling_param { kernel_size: 2 } convolution_param { stride: 2 } }",
    fix="Move the fields into the message of the layer's type, or take the message out.",
)


def unread(draft: Draft) -> None:
    """Report the messages that nothing reads (PLN021); a layer that is refused says so itself, where it matters."""
    planned = (node for node, setup in zip(draft.graph.nodes, draft.setups, strict=True) if setup is not None)
    for node in planned:
        for name in unread_messages(node):
            own = f"it reads `{node.type.param}`" if node.type.param else "it has no message of its own"
            message = f'layer "{node.name}" ({node.type.name}): does not read `{name}`; {own}'
            say = draft.report.error if node.type.origin == "netc" else draft.report.warning
            say(UNREAD, message, node.record.span_of(name))


def unread_messages(node: Node) -> list[str]:
    """The names of the messages of a layer that hold something its type does not read."""
    known = {node.type.param, *node.type.also}
    values = node.record.values.items()
    return [name for name, value in values if isinstance(value, Record) and value.values and name not in known]
