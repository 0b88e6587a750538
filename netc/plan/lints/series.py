"""Activations one right after the other."""

from __future__ import annotations

from netc.errors import Code, Diagnostic
from netc.graph import Node
from netc.plan.draft import Draft

SERIES = Code(
    "PLN034",
    "an activation right after another",
    why="An activation bends what a layer that learns gives. One more right after it has nothing new to bend: a ReLU "
    "changes nothing of a ReLU's output, and a Sigmoid after a ReLU can only give values above a half. Usually a layer "
    "was copied, or the layer between them was forgotten.",
    example="x = Input() { shape { dim: [4, 8] } }\nfc = InnerProduct(x) { num_output: 8 }\n"
    "relu = ReLU(fc)\nrelu_again = ReLU(relu)",
    fix="Take one of the two out, or put the layer that learns between them.",
)


def in_series(draft: Draft) -> None:
    """Warn of activations that read nothing but another activation (PLN034)."""
    for node in draft.graph.nodes:
        before = _before(draft, node)
        if node.type.role.bends and before is not None and before.type.role.bends:
            said = f'it reads what layer "{before.name}" ({before.type.name}) has bent already'
            span = node.record.span_of("type")
            found = Diagnostic.of_layer(node.record, SERIES, said, span, (), SERIES.fix, "warning")
            draft.report.diagnostics.append(found)


def _before(draft: Draft, node: Node) -> Node | None:
    """The layer that made what a layer reads: back through layers that give other shapes, or drop some."""
    if len(node.bottoms) != 1:
        return None
    before = draft.graph.nodes[draft.graph.values[node.bottoms[0]].producer]
    while len(before.bottoms) == 1 and (draft.setup(before.index).shares or before.type.role.drops):
        before = draft.graph.nodes[draft.graph.values[before.bottoms[0]].producer]
    return before
