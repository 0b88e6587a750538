"""What a planned net does that its author probably did not mean. Warnings only."""

from __future__ import annotations

from dataclasses import replace

from netc.errors import Code, Diagnostic, Note
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

MOST_NAMES = 8
ABOUT_TRAINING = {"LAY103"}  # stored statistics in phase TRAIN: nothing to warn of where nothing learns


def lint(draft: Draft) -> None:
    """Report BatchNorm layers that no Scale layer follows; say what is true of many layers once."""
    for node in draft.graph.nodes:
        if node.type.name == "BatchNorm" and not _scaled(draft, node):
            said, span = "no Scale layer follows it, so it has no learned scale and shift", node.record.span_of("type")
            found = Diagnostic.of_layer(node.record, NO_SCALE, said, span, (), NO_SCALE.fix, "warning")
            draft.report.diagnostics.append(found)
    learns = any(draft.needs_backward)
    wanted = [d for d in draft.report.diagnostics if learns or d.code.id not in ABOUT_TRAINING]
    draft.report.diagnostics = condensed(wanted)


def condensed(diagnostics: list[Diagnostic]) -> list[Diagnostic]:
    """Warnings that say the same of several layers become one, which names the others in a note."""
    groups: dict[object, list[Diagnostic]] = {}
    for position, found in enumerate(diagnostics):
        alike = found.severity == "warning" and not found.notes
        key = (found.code.id, found.subject.said) if alike and found.subject is not None else position
        groups.setdefault(key, []).append(found)
    return [_one(group) for group in groups.values()]


def _one(group: list[Diagnostic]) -> Diagnostic:
    first, *others = group
    if not others:
        return first
    names = [found.subject.layer for found in others if found.subject is not None]
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return replace(first, notes=(Note(f"the same is true of {', '.join(names[:MOST_NAMES])}{more}"),))


def _scaled(draft: Draft, node: Node) -> bool:
    """Whether a Scale reads the normalized blob, or the layer scales by itself (NVCaffe's scale_bias)."""
    graph = draft.graph
    if node.record.batch_norm_param.scale_bias:
        return True
    readers = graph.values[node.tops[0]].consumers
    return any(graph.nodes[reader].type.name in ("Scale", "BatchNorm") for reader, _ in readers)
