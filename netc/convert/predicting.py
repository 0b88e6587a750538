"""The net of a model that predicts, with its parameters: what formats that hold such nets are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from netc.api.definition import Definition
from netc.api.deploy import NO_PREDICTION, deploy
from netc.api.planning import plan_state, states
from netc.convert.codes import NO_BLOB
from netc.convert.model import NOTHING, Model, Options, definition_of
from netc.convert.parameters import half_of
from netc.convert.preprocessing import with_preprocessing
from netc.convert.starting import started_at
from netc.data.pictures import picture
from netc.errors import Diagnostic, NetError, suggest
from netc.graph import Graph, State, included
from netc.kernels.fillers import fill
from netc.kernels.philox import stream
from netc.layer import Array, LayerType, Shape
from netc.plan.model import Param, Plan
from netc.run.codes import WEIGHTS_NOT_FINITE
from netc.run.net import Net
from netc.run.weights import match
from netc.schema.record import Record
from netc.schema.weights import LayerWeights, Weights

TAKES = frozenset({"batch", "inputs", "upto", "with_preprocessing", "half"})
"""The options that `build` reads."""
LEFT_OUT = "left out, as only training needs it"
"""What the note begins with that names such layers."""


@dataclass(frozen=True)
class Predicting:
    """A net that predicts. blobs: the values of each of `plan.params`, which may be views of a weight file.

    Nothing but these is in memory, so that a large net costs its parameters once. Arrays may be read-only and start at
    any byte: what computes with them copies them first. They are FP32, or FP16 where they are to be stored so.
    outputs: indices of the values that the net is asked for.
    """

    plan: Plan
    blobs: tuple[Array, ...]
    outputs: tuple[int, ...]

    @property
    def graph(self) -> Graph:
        return self.plan.graph

    @cached_property
    def params(self) -> Mapping[str, tuple[Array, ...]]:
        """The parameter blobs of each layer that has some, by the layer's key, in the layer's own shapes."""
        found = {}
        for node in self.graph.nodes:
            planned = self.plan.layers[node.index]
            if planned.params:
                pairs = zip(planned.params, planned.setup.params, strict=True)
                found[node.key] = tuple(self.blobs[i].reshape(blob.shape) for i, blob in pairs)
        return found

    def net(self) -> Net:
        """The net in memory, with a copy of the parameters."""
        net = Net(self.plan)
        for target, values in zip(net.parameters.all, self.blobs, strict=True):
            target.data[...] = values
        return net

    @staticmethod
    def of(net: Net) -> Predicting:
        """A net that is in memory already."""
        return Predicting(net.plan, tuple(blob.data for blob in net.parameters.all), net.graph.outputs)


def build(model: Model, options: Options = NOTHING) -> tuple[Predicting, tuple[str, ...]]:
    """The model's net for prediction, with its parameters, and what a person should know.

    A net that has data layers or losses is first cut to what predicts (as `netc deploy` does). Raises NetError as that
    does, RUN050 where no layer is left, CNV019 for a blob that is not there, CNV020 where nothing says how images are
    prepared, CNV009.
    """
    whole = definition_of(model)
    cut = _cut(whole, options)
    definition, state, front = cut.definition, cut.state, list[LayerWeights]()
    notes = [f"{LEFT_OUT}: {', '.join(cut.left_out)}"] if cut.left_out else []
    plan = plan_state(definition, state, batch=options.batch, inputs=cut.inputs)
    if options.with_preprocessing:
        definition, front = with_preprocessing(model, plan, definition, cut.data)
        plan = plan_state(definition, state)
    if options.upto:
        plan = plan_state(_kept(plan, definition, options.upto), state)
    if all(node.type.source and node.type.forward is None for node in plan.graph.nodes):
        message = f'net "{plan.graph.name}": no layer computes anything'
        raise NetError(Diagnostic(NO_PREDICTION, message, plan.graph.record.span))
    outputs = tuple(_last(plan, blob) for blob in dict.fromkeys(options.upto)) or plan.graph.outputs
    found: dict[int, Array] = {}
    if model.weights is not None:
        weights = Weights(model.weights.name, (*model.weights.layers, *front))
        found, said = loaded(plan, weights, str(model.path), whole=not options.upto)
        notes += said
    elif front:
        found, _ = loaded(plan, Weights("", tuple(front)), str(model.path), whole=False)
    if model.weights is None and plan.params:
        notes.append("no weights were given: parameters are as their fillers say")
    fillers = _fillers(whole, plan, options) if len(found) < len(plan.params) else {}
    blobs = list(filled(plan, found, fillers))
    if options.half:
        blobs = [half_of(b, f'"{p.name}"') if b.ndim > 1 else b for b, p in zip(blobs, plan.params, strict=True)]
    return Predicting(plan, tuple(blobs), outputs), tuple(notes)


Data = Mapping[str, tuple[Record, Shape]]
"""The data layer that filled each blob of a net, and the blob's shape."""


@dataclass(frozen=True)
class _Cut:
    """A net without what only training needs. data: what filled its inputs, where it was cut; inputs: shapes of inputs
    that are still to be set."""

    definition: Definition
    state: State
    inputs: Mapping[str, Shape] = field(default_factory=dict)
    data: Data = field(default_factory=dict)
    left_out: tuple[str, ...] = ()


def _cut(definition: Definition, options: Options) -> _Cut:
    """As `netc deploy`, or, where that cannot be planned, from the blobs on whose shapes are given."""
    state, types = states(definition)[-1], definition.types.types
    layers = [layer for layer in definition.record.layer if included(layer, state)]
    if any(la.type in types and _only_trains(types[la.type]) for la in layers):
        try:
            cut = deploy(definition, batch=options.batch or 1, inputs=options.inputs)
        except NetError:
            if (begun := started_at(definition, options.inputs, state)) is None:
                raise
            return _Cut(begun, State("TEST"))
        return _Cut(cut.definition, State("TEST"), {}, cut.data, cut.left_out)
    foreign = [la for la in layers if not la.bottom and la.type in types and types[la.type].role.foreign]
    if any(top in options.inputs for layer in foreign for top in layer.top):
        begun = started_at(definition, options.inputs, state)
        return _Cut(begun or definition, State("TEST"))
    return _Cut(definition, state, options.inputs)


def _only_trains(type: LayerType) -> bool:
    """A loss, or a layer that data fills: a net that has one is cut down to what predicts."""
    return type.loss or (type.source and type.role.fed != "caller")


# ---------------------------------------------------------------- up to a blob


def _last(plan: Plan, blob: str) -> int:
    """The last value of a blob's name."""
    values = {value.name: value.index for value in plan.graph.values}
    if blob not in values:
        close = suggest(blob, values)
        help = f'did you mean "{close}"?' if close else NO_BLOB.fix
        raise NetError(Diagnostic(NO_BLOB, f'the net that predicts has no blob "{blob}"', help=help))
    return values[blob]


def _kept(plan: Plan, definition: Definition, blobs: Sequence[str]) -> Definition:
    """The layers that these blobs need. Raises NetError (CNV019)."""
    wanted, kept = {_last(plan, blob) for blob in blobs}, []
    for node in reversed(plan.graph.nodes):
        if wanted & set(node.tops):
            wanted |= set(node.bottoms)
            kept.append(node.record.replace(include=None, exclude=None))
    old = ("input", "input_shape", "input_dim")
    record = definition.record.replace(**dict.fromkeys(old), layer=tuple(reversed(kept)))
    return replace(definition, record=record, warnings=())


# ---------------------------------------------------------------- parameters


def loaded(plan: Plan, weights: Weights, source: str = "", whole: bool = True) -> tuple[dict[int, Array], list[str]]:
    """The values of parameter blobs that the weights have, by index, and what a person should know.

    whole: the net is all that the weights are for; of a part nobody asks.
    """
    if not plan.params and not whole:
        return {}, []
    pairs, loaded = match(plan, weights, source=source)
    found: dict[int, Array] = {}
    for node, layer in pairs:
        for index, blob in zip(plan.layers[node.index].params, layer.blobs, strict=True):
            found[index] = np.asarray(blob, np.float32).reshape(plan.params[index].shape)
    notes = [d.message for d in loaded.warnings if d.code is not WEIGHTS_NOT_FINITE]  # said of the whole file
    notes += [f"no parameters for {', '.join(loaded.fresh)}: as their fillers say"] if loaded.fresh else []
    return found, notes


Fillers = Mapping[tuple[str, int], Record | float]
"""How parameter blobs start, by layer key and position."""


def _fillers(whole: Definition, plan: Plan, options: Options) -> Fillers:
    """The fillers of the whole definition's net: one that is cut down to what predicts has none any more."""
    plans = [plan]
    with suppress(NetError):  # its data is not there: what is cut has to do
        plans.append(plan_state(whole, states(whole)[-1], inputs=options.inputs))
    found: dict[tuple[str, int], Record | float] = {}
    for one in plans:
        found |= fillers_of(one)
    return found


def fillers_of(plan: Plan) -> dict[tuple[str, int], Record | float]:
    """How the parameter blobs of a net start, by layer key and position."""
    return {(plan.graph.nodes[p.layer].key, p.position): p.blob.filler for p in plan.params}


def filled(plan: Plan, found: Mapping[int, Array], fillers: Fillers) -> tuple[Array, ...]:
    """The values of all parameter blobs: those that are found, by index, and others as their fillers say."""
    return tuple(found[p.index] if p.index in found else _filled(plan, p, fillers) for p in plan.params)


def _filled(plan: Plan, param: Param, fillers: Fillers) -> Array:
    key = plan.graph.nodes[param.layer].key
    array = np.zeros(param.shape, np.float32)
    fill(array, fillers[key, param.position], 0, stream(key, param.position), read=picture)
    return array
