"""What a planned net does that its author probably did not mean. Warnings only."""

from __future__ import annotations

from netc.errors import Code, Note
from netc.graph import Node
from netc.plan.draft import Draft

NO_SCALE = Code(
    "PLN020",
    "BatchNorm without a Scale layer after it",
    why="Caffe's BatchNorm only normalizes: the learned scale and shift of the paper (Ioffe & Szegedy 2015) are a "
    "Scale layer of their own. Without it the net cannot undo the normalization, and usually learns worse.",
    example='layer { name: "bn1" type: "BatchNorm" bottom: "conv1" top: "conv1" }\n'
    'layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }',
    fix='Add `layer { name: "scale1" type: "Scale" bottom: "conv1" top: "conv1" scale_param { bias_term: true } }` '
    "right after the BatchNorm.",
)


def lint(draft: Draft) -> None:
    """Report BatchNorm layers that no Scale layer follows, in one warning."""
    found = [node for node in draft.graph.nodes if node.type.name == "BatchNorm" and not _scaled(draft, node)]
    if not found:
        return
    first, *others = found
    message = f'layer "{first.name}" (BatchNorm): no Scale layer follows it, so it has no learned scale and shift'
    notes = [Note(f"the same is true of {', '.join(node.name for node in others)}")] if others else []
    draft.report.warning(NO_SCALE, message, first.record.span_of("type"), notes=notes, help=NO_SCALE.fix)


def _scaled(draft: Draft, node: Node) -> bool:
    """Whether a Scale reads the normalized blob, or the layer scales by itself (NVCaffe's scale_bias)."""
    graph = draft.graph
    if node.record.batch_norm_param.scale_bias:
        return True
    readers = graph.values[node.tops[0]].consumers
    return any(graph.nodes[reader].type.name in ("Scale", "BatchNorm") for reader, _ in readers)
