"""Which layers can run again in backward: those that then do the same, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from netc.errors import Code
from netc.graph import Node
from netc.layer import Setup
from netc.plan.draft import Draft

CANNOT_RECOMPUTE = Code(
    "PLN012",
    "a layer that cannot run again in backward was asked to",
    why="A layer that runs again has to make the same values: a data layer would give the next batch, a recurrent "
    "layer would go on from the state that it has, a Python layer may do anything.",
    example='netc.plan(definition, "TRAIN", recompute=[0])  # the data layer',
    fix="Leave the layer out of `recompute`; `netc.api.memory.within` chooses layers that can.",
)


def recomputable(draft: Draft) -> None:
    """Report what was asked for in `recompute` and cannot be."""
    nodes, setups = draft.graph.nodes, [s for s in draft.setups if s is not None]
    for layer in sorted(draft.options.recompute):
        if not 0 <= layer < len(nodes):
            message = f"recompute names layer {layer}, and the net has the layers 0 to {len(nodes) - 1}"
            draft.report.error(CANNOT_RECOMPUTE, message, help="give indices of the net's layers")
            continue
        setup = draft.setups[layer]
        reason = None if setup is None else why_not_recompute(nodes[layer], setup, setups)
        if reason is not None:
            node = nodes[layer]
            message = f'layer "{node.name}" ({node.type.name}) cannot run again in backward: {reason}'
            draft.report.error(CANNOT_RECOMPUTE, message, node.record.span, help=CANNOT_RECOMPUTE.fix)


def why_not_recompute(node: Node, setup: Setup, setups: Sequence[Setup]) -> str | None:
    """Why a layer cannot be recomputed in backward, None if it can. setups: those of all layers."""
    if node.type.source:
        return "it is a source, and would give the next batch"
    if node.type.role.foreign:
        return "its code may do anything"
    if any(buffer.kind == "state" for buffer in setup.buffers):
        return "it keeps a state from one pass to the next, which would change twice"
    if any(one.dynamic for one in setups):
        return "the net has a layer whose output size depends on values"
    return None
