"""Layers in series whose weights all start at zero."""

from __future__ import annotations

from netc.errors import Code, Diagnostic
from netc.graph import Node
from netc.plan.draft import Draft
from netc.plan.model import Param

ZEROS = Code(
    "PLN026",
    "two layers in series start with zero weights",
    why="With zero weights in both layers the first gives zeros to the second, so the second's gradient is zero, and "
    "the second gives back zeros, so the first's is zero, too: neither ever changes, unless weights are loaded. A "
    "weight_filler that is not written is constant 0.",
    example="x = Input() { shape { dim: [4, 8] } }\nlabel = Input() { shape { dim: [4] } }\n"
    'a = InnerProduct(x) { num_output: 8 weight_filler { type: "constant" } }\n'
    'r = ReLU(a)\nb = InnerProduct(r) { num_output: 5 weight_filler { type: "constant" } }\n'
    "loss = SoftmaxWithLoss(b, label)",
    fix='weight_filler { type: "xavier" }',
)


def zeros(draft: Draft) -> None:
    """Warn of weights that are zero and stay so (PLN026)."""
    for node in draft.graph.nodes:
        if not draft.needs_backward[node.index] or not _weighs_nothing(draft, node):
            continue
        before = _before(draft, node)
        if before is not None and _gives_zeros(draft, before) and draft.needs_backward[before.index]:
            said = f'its weights start at zero, and so do those of layer "{before.name}" before it: neither learns'
            span = node.record.span_of(node.type.param or "type")
            found = Diagnostic.of_layer(node.record, ZEROS, said, span, (), f"add {ZEROS.fix}", "warning")
            draft.report.diagnostics.append(found)


def _params(draft: Draft, node: Node) -> list[Param]:
    return [draft.params[p] for p in draft.layer_params[node.index]]


def _weighs_nothing(draft: Draft, node: Node) -> bool:
    """Whether the layer multiplies by weights of its own, which all start at zero."""
    params = _params(draft, node)
    multiplies = node.type.role.family in ("product", "convolution") and len(node.bottoms) == 1
    return multiplies and bool(params) and params[0].learned and _zero(params[0])


def _gives_zeros(draft: Draft, node: Node) -> bool:
    return _weighs_nothing(draft, node) and all(_zero(p) for p in _params(draft, node))


def _zero(param: Param) -> bool:
    filler = param.blob.filler
    if isinstance(filler, int | float):
        return filler == 0
    return bool(filler.type == "constant" and filler.value == 0)


def _before(draft: Draft, node: Node) -> Node | None:
    """The layer with parameters whose zeros the layer gets: back through layers that make zeros of zeros."""
    while node.bottoms:
        node = draft.graph.nodes[draft.graph.values[node.bottoms[0]].producer]
        if _params(draft, node):
            return node
        role = node.type.role
        if len(node.bottoms) != 1 or not (role.rectifies or role.drops or role.family in ("shape", "pooling")):
            return None
    return None
