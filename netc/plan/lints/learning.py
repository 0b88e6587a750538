"""Nets that are to be trained, in which nothing is learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from netc.errors import Code, Diagnostic
from netc.graph import Graph, included
from netc.plan.draft import Draft
from netc.plan.model import Param, Plan

NOTHING = Code(
    "PLN025",
    "nothing is learned in phase TRAIN",
    why="Parameters learn from a loss that depends on them. Without a loss, or with none that reaches a layer whose "
    "lr_mult is not 0, training runs for as long as it is told to and changes nothing.",
    example='layer { name: "d" type: "Digits" top: "data" top: "label" include { phase: TRAIN } '
    'digits_param { split: "train" batch_size: 8 } }\n'
    'layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc" inner_product_param { num_output: 10 } }',
    fix='Add a loss: layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }',
)


def learning(draft: Draft) -> None:
    """Warn of a net that is for training, by its rules or its solver, and learns nothing (PLN025)."""
    record = draft.graph.record
    rules = any(r.has("phase") and r.phase == "TRAIN" for layer in record.layer for r in layer.include)
    if draft.options.training and draft.graph.state.phase == "TRAIN" and (rules or record.has("solver")):
        draft.report.diagnostics += _unlearned(draft.graph, draft.params, any(draft.needs_backward))


def unlearned(plan: Plan) -> tuple[Diagnostic, ...]:
    """That nothing is learned in the net of a solver (PLN025), if that is so."""
    found = _unlearned(plan.graph, plan.params, any(layer.needs_backward for layer in plan.layers))
    return () if any(d.code is NOTHING for d in plan.warnings) else found


def _unlearned(graph: Graph, params: Sequence[Param], backward: bool) -> tuple[Diagnostic, ...]:
    """Nothing to say of a net of which layers are missing (some are refused, or only data), or with Python in it."""
    whole = len(graph.nodes) == sum(included(layer, graph.state) for layer in graph.record.layer)
    computes = any(n.bottoms for n in graph.nodes)
    if backward or not whole or not computes or any(n.type.role.foreign for n in graph.nodes):
        return ()
    if not params:
        said, help = "no layer of the net has parameters", "add layers that learn, such as InnerProduct"
    elif not any(any(n.loss_weights) for n in graph.nodes):
        said, help = "the net has no loss", NOTHING.fix
    elif not any(p.learned for p in params):
        said, help = "each layer has lr_mult: 0", "give the layers that are to learn another lr_mult"
    else:
        said, help = "no loss depends on a layer that learns", "connect the loss with the layers that are to learn"
    message = f'net "{graph.name}": {said}, so nothing is learned'
    return (replace(Diagnostic(NOTHING, message, graph.nodes[0].record.span, help=help), severity="warning"),)
