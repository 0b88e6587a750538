"""The net of a model that predicts, with its parameters: what formats that hold nets alone are made of."""

from __future__ import annotations

from netc.api.deploy import deploy
from netc.api.planning import plan_state, states
from netc.convert.model import NOTHING, Model, Options, definition_of
from netc.graph import State, included
from netc.layer import LayerType
from netc.run.net import Net
from netc.run.weights import load_weights

TAKES = frozenset({"batch", "inputs"})
"""The options that `build` reads."""
LEFT_OUT = "left out, as only training needs it"
"""What the note begins with that names such layers."""


def build(model: Model, options: Options = NOTHING) -> tuple[Net, tuple[str, ...]]:
    """The model's net for prediction, with its parameters, and what a person should know.

    A net that has data layers or losses is first cut to what predicts (as `netc deploy` does).
    """
    definition = definition_of(model)
    state = states(definition)[-1]
    notes: list[str] = []
    layers = [layer for layer in definition.record.layer if included(layer, state)]
    types, whole = definition.types.types, definition
    if any(la.type in types and _only_trains(types[la.type]) for la in layers):
        cut = deploy(definition, batch=options.batch or 1, inputs=options.inputs)
        definition, state = cut.definition, State("TEST")
        if cut.left_out:
            notes.append(f"{LEFT_OUT}: {', '.join(cut.left_out)}")
    plan = plan_state(definition, state, batch=options.batch, inputs=options.inputs)
    fillers = None if model.weights is not None or whole is definition else Net(plan_state(whole, states(whole)[-1]))
    net = Net(plan, params=fillers)  # what is cut has no fillers any more
    if model.weights is not None:
        loaded = load_weights(net, model.weights, source=str(model.path))
        notes += [d.message for d in loaded.warnings]
        notes += [f"no parameters for {', '.join(loaded.fresh)}: as their fillers say"] if loaded.fresh else []
    elif net.params:
        notes.append("no weights were given: parameters are as their fillers say")
    return net, tuple(notes)


def _only_trains(type: LayerType) -> bool:
    """A loss, or a layer that data fills: a net that has one is cut down to what predicts."""
    return type.loss or (type.source and type.role.fed != "caller")
