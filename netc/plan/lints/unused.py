"""Layers that would learn, if a loss depended on them."""

from __future__ import annotations

from netc.errors import Code, Diagnostic
from netc.graph import included
from netc.plan.draft import Draft
from netc.plan.model import Param

UNUSED = Code(
    "PLN035",
    "no loss depends on a layer that would learn",
    why="The layer has parameters, but nothing that is made from its top reaches a loss, so they never change: the "
    "branch costs time and memory, and stays as it started. Usually the next layer reads another blob than was meant. "
    "Parameters that it shares with a layer that a loss depends on learn there, and the branch changes nothing.",
    example="x = Input() { shape { dim: [4, 8] } }\nlabel = Input() { shape { dim: [4] } }\n"
    'a = InnerProduct(x) { num_output: 8 weight_filler { type: "xavier" } }\n'
    'b = InnerProduct(x) { num_output: 5 weight_filler { type: "xavier" } }  # a was meant\n'
    "loss = SoftmaxWithLoss(b, label)",
    fix="Correct the bottom of the layer that should read it, or take the layer out.",
)


def unused(draft: Draft) -> None:
    """Warn of layers that would learn and do not, in a net where others do (PLN035).

    Nothing is said of a net of which layers are missing (they are refused), or with Python in it.
    """
    graph = draft.graph
    whole = len(graph.nodes) == sum(included(layer, graph.state) for layer in graph.record.layer)
    foreign = any(node.type.role.foreign for node in graph.nodes)
    if not any(draft.needs_backward) or not whole or foreign:
        return
    used = _used(draft)
    elsewhere = {p for n in graph.nodes if not used.isdisjoint(n.tops) for p in draft.layer_params[n.index]}
    for node in graph.nodes:
        own = [draft.params[p] for p in draft.layer_params[node.index] if draft.params[p].learned]
        if own and used.isdisjoint(node.tops):
            said = f"no loss depends on what it gives, so {_consequence(own, elsewhere)}"
            span = node.record.span_of("top")
            found = Diagnostic.of_layer(node.record, UNUSED, said, span, (), UNUSED.fix, "warning")
            draft.report.diagnostics.append(found)


def _consequence(own: list[Param], elsewhere: set[int]) -> str:
    """What follows for the parameters of a layer that no loss depends on. elsewhere: those that others learn."""
    stuck = [p for p in own if p.index not in elsewhere]
    if not stuck:
        return "it only costs time: its parameters learn in the layers that share them"
    if len(stuck) == len(own):
        return "its parameters never change"
    return f"of its parameters {', '.join(p.name for p in stuck)} never change"


def _used(draft: Draft) -> set[int]:
    """The values that a loss is made from, whether a gradient comes back to them or is stopped on purpose."""
    used: set[int] = set()
    for node in reversed(draft.graph.nodes):
        losses = {top for top, weight in zip(node.tops, node.loss_weights, strict=True) if weight}
        if losses or not used.isdisjoint(node.tops):
            used.update(losses, node.bottoms)
    return used
