"""BatchNorm layers that no Scale layer follows."""

from __future__ import annotations

from netc.errors import Code, Diagnostic
from netc.graph import Node
from netc.plan.draft import Draft

NO_SCALE = Code(
    "PLN020",
    "BatchNorm without a Scale layer after it",
    why="Caffe's BatchNorm only normalizes: the learned scale and shift of the paper (Ioffe & Szegedy 2015) are a "
    "Scale layer of their own. Without it the net cannot undo the normalization, and usually learns worse.",
    example="x = Input() { shape { dim: [2, 3, 8, 8] } }\n"
    "conv1 = Convolution(x) { num_output: 4 kernel_size: 3 }\n"
    "bn1 = BatchNorm(conv1)\n"
    "relu1 = ReLU(bn1)",
    fix='Add `layer { name: "scale1" type: "Scale" bottom: "conv1" top: "conv1" scale_param { bias_term: true } }` '
    "right after the BatchNorm.",
)


def no_scale(draft: Draft) -> None:
    """Warn of BatchNorm layers that no Scale layer follows (PLN020)."""
    for node in draft.graph.nodes:
        if node.type.name == "BatchNorm" and not _scaled(draft, node):
            said, span = "no Scale layer follows it, so it has no learned scale and shift", node.record.span_of("type")
            found = Diagnostic.of_layer(node.record, NO_SCALE, said, span, (), NO_SCALE.fix, "warning")
            draft.report.diagnostics.append(found)


def _scaled(draft: Draft, node: Node) -> bool:
    """Whether a Scale reads the normalized blob, or the layer scales by itself (NVCaffe's scale_bias)."""
    graph = draft.graph
    if node.record.batch_norm_param.scale_bias:
        return True
    readers = graph.values[node.tops[0]].consumers
    return any(graph.nodes[reader].type.name in ("Scale", "BatchNorm") for reader, _ in readers)
