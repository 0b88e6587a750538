"""From a graph to a plan: a list of passes, one a file, each filling in its part of a draft. Nothing is allocated."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from netc.errors import Report
from netc.graph import Graph
from netc.layer import Shape
from netc.plan.draft import Draft, Options
from netc.plan.gradients import gradients
from netc.plan.learners import idle, learners
from netc.plan.lints import lint
from netc.plan.model import Layer, Plan, Slot
from netc.plan.params import params
from netc.plan.placement import place
from netc.plan.receptive import receptive
from netc.plan.recompute import recomputable
from netc.plan.rows import rows
from netc.plan.schedule import schedule
from netc.plan.shapes import shapes
from netc.plan.sharing import sharing
from netc.plan.stages import stages
from netc.plan.turns import Turn, counted
from netc.plan.unread import unread
from netc.plan.verify import verify

__all__ = ["CHECKS", "LAYOUT", "Plan", "again", "plan"]

# Passes that may find mistakes of the net: all of them run before the planner gives up.
CHECKS: tuple[Callable[[Draft], None], ...] = (
    shapes,
    params,
    rows,
    learners,
    gradients,
    idle,
    recomputable,
    unread,
    stages,
)
# Passes over a net that will run.
LAYOUT: tuple[Callable[[Draft], None], ...] = (lint, receptive, schedule, sharing, place)


def plan(
    graph: Graph,
    *,
    training: bool | None = None,
    given: Mapping[str, tuple[Shape, ...]] | None = None,
    inputs: Mapping[str, Shape] | None = None,
    batch: int | None = None,
    keep: bool = False,
    share: bool = True,
    recompute: Collection[int] = (),
    turn: Turn | None = None,
) -> Plan:
    """Settle everything about a net that can be known before memory is allocated.

    training: plan backward too (default: in phase TRAIN, and with force_backward). given: shapes of data layers' tops,
    by layer name. inputs: shapes of input or data blobs, by blob name. batch: instead of the inputs' batch size.
    keep: every blob and gradient keeps its memory, for inspection. share: False gives every array its own memory.
    recompute: layers that run again in backward instead of keeping their tops, where that keeps less
    (`netc.plan.budget` chooses them); with keep, or without backward, there is nothing that need run again.
    turn: which losses count, and what learns from them (default: all of both).
    Raises NetError with all that is wrong with the net (LAY..., PLN...).
    """
    if training is None:
        training = graph.state.phase == "TRAIN" or graph.force_backward
    layers = frozenset() if keep or not training else frozenset(recompute)
    options = Options(
        training, given or {}, inputs or {}, batch, keep, share and not keep, share, layers, turn, graph.nodes
    )
    draft = Draft(graph if turn is None else counted(graph, turn), options, Report())
    for check in CHECKS:
        check(draft)
    draft.report.finish()
    for layout in LAYOUT:
        layout(draft)
    planned = _plan(draft)
    verify(planned)
    return planned


def again(planned: Plan, graph: Graph, turn: Turn | None) -> Plan:
    """The same net with the same shapes, for another turn. graph: with the weights of all losses. Raises NetError."""
    tops = {n.key: tuple(planned.shapes[v] for v in n.tops) for n in planned.graph.nodes if n.type.source}
    return plan(graph, training=True, given=tops, keep=planned.kept, recompute=planned.recomputed, turn=turn)


def _plan(draft: Draft) -> Plan:
    graph = draft.graph
    layers = (
        Layer(
            draft.setup(node.index),
            draft.layer_params[node.index],
            draft.needs_backward[node.index],
            draft.bottom_gradient[node.index],
            tuple(draft.fields[v] for v in node.tops),
        )
        for node in graph.nodes
    )
    slots = (
        Slot(a.kind, a.owner, a.name, a.shape, a.dtype, a.offset, a.nbytes, a.first, a.last, a.storage)
        for a in draft.arrays
    )
    return Plan(
        graph=graph,
        layers=tuple(layers),
        shapes=tuple(draft.shape(v.index) for v in graph.values),
        params=tuple(draft.params),
        backward_planned=draft.options.training,
        slots=tuple(slots),
        data=tuple(draft.data),
        diff=tuple(draft.diff),
        buffers=tuple(draft.buffers),
        forward=tuple(draft.forward),
        backward=tuple(draft.backward),
        skipped=frozenset(draft.skipped),
        reference_arena=draft.arena,
        assumed=tuple(draft.assumed),
        warnings=(*graph.warnings, *draft.report.diagnostics),
        recomputed=frozenset(step.layer for step in draft.backward if step.kind == "forward"),
        backward_data=tuple(draft.backward_data),
        backward_buffers=tuple(draft.backward_buffers),
        kept=draft.options.keep,
    )
