"""The nets that a definition holds, with their parameters: what predicts, what trains, what tests."""

from __future__ import annotations

from netc.api.definition import Definition
from netc.api.deploy import NO_PREDICTION
from netc.api.planning import plan_state, states
from netc.convert.model import Model, Options, definition_of
from netc.convert.predicting import LEFT_OUT, Predicting, build, filled, fillers_of, loaded
from netc.convert.torch.views import View
from netc.errors import NetError
from netc.graph import Graph, State
from netc.layer import Array
from netc.plan.model import Plan
from netc.schema.names import paired
from netc.schema.weights import Weights


def views(model: Model, options: Options) -> tuple[list[View], tuple[str, ...]]:
    """The net that predicts, if there is one, then what the definition's phases have of losses; and notes.

    Raises NetError if the net of a phase has mistakes.
    """
    definition, weights = definition_of(model), model.weights
    notes: tuple[str, ...] = ()
    found: list[View] = []
    try:
        it, notes = build(model, options)
        found.append(View("forward", it, _outputs(it.graph)))
    except NetError as error:
        if error.diagnostics[0].code is not NO_PREDICTION or not _trains(definition):
            raise
    for state in states(definition):
        if state.stages:
            continue
        try:
            plan = _plan(definition, state, options, found)
        except NetError as error:
            if not found:
                raise
            notes = (*notes, f"left out: the net of phase {state.phase}, as {error.diagnostics[0].message}")
            continue
        graph = plan.graph
        losses = tuple(v for n in graph.nodes for v, w in zip(n.tops, n.loss_weights, strict=True) if w)
        if state.phase == "TRAIN" and losses:
            found.append(View("loss", _with_parameters(plan, found, weights), losses))
        elif state.phase == "TEST" and any(_is_end(graph, v) for v in _outputs(graph)):
            found.append(View("test", _with_parameters(plan, found, weights), _outputs(graph)))
    return found, tuple(note for note in notes if not note.startswith(LEFT_OUT))


def _trains(definition: Definition) -> bool:
    types = definition.types.types
    return any(la.type in types and (types[la.type].loss or any(la.loss_weight)) for la in definition.record.layer)


def _plan(definition: Definition, state: State, options: Options, before: list[View]) -> Plan:
    """Planned for one sample; or for the file's own batch size, where a Reshape holds that; or at the sizes of the net
    that predicts, where the data is not there to say its own. Raises the first NetError if none can be."""
    known = {v.graph.values[i].name: v.plan.shapes[i] for v in (w.it for w in before) for i in v.graph.inputs}
    first: NetError | None = None
    for batch, inputs in ((1, options.inputs), (None, options.inputs), (None, {**known, **options.inputs})):
        try:
            return plan_state(definition, state, batch=batch, inputs=inputs)
        except NetError as error:
            first = first or error
    assert first is not None
    raise first


def _outputs(graph: Graph) -> tuple[int, ...]:
    return tuple(v for v in graph.outputs if v not in graph.inputs and not _is_fed(graph, v))


def _is_fed(graph: Graph, value: int) -> bool:
    node = graph.nodes[graph.values[value].producer]
    return node.type.source and node.type.forward is None


def _is_end(graph: Graph, value: int) -> bool:
    node = graph.nodes[graph.values[value].producer]
    return node.type.loss or node.type.role.end != ""


def _with_parameters(plan: Plan, before: list[View], weights: Weights | None) -> Predicting:
    """The net with the parameters of the view before, those of the file where that lacks some, or else of fillers."""
    found = loaded(plan, weights)[0] if weights is not None and plan.params else {}
    if before:
        found |= _shared(plan, before[-1].it)
    return Predicting(plan, filled(plan, found, fillers_of(plan)), _outputs(plan.graph))


def _shared(plan: Plan, other: Predicting) -> dict[int, Array]:
    """The parameter blobs of another net's layers of the same names, by this one's index."""
    ours, theirs = ([n for n in p.graph.nodes if p.layers[n.index].params] for p in (plan, other.plan))
    found = {}
    for mine, its in paired([n.name for n in ours], [n.name for n in theirs]).items():
        blobs = other.params[theirs[its].key]
        for index, blob in zip(plan.layers[ours[mine].index].params, blobs, strict=False):
            if plan.params[index].shape == blob.shape:
                found[index] = blob
    return found
