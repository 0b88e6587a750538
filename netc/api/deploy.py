"""From a net that trains to the net that predicts: data and losses off, Input and Softmax on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from netc.api.definition import Definition
from netc.api.planning import plan_state, states
from netc.api.preprocess import written
from netc.catalogue import Catalogue
from netc.errors import Code, Diagnostic, NetError
from netc.graph import Graph, Node, State
from netc.layer import Shape, Site
from netc.plan.model import Plan
from netc.plan.shapes import BatchSize, is_apart
from netc.schema.record import Record

NO_PREDICTION = Code(
    "RUN050",
    "the net predicts nothing",
    why="A deploy net is what is left when data layers, labels, losses and measures are taken out: the layers that "
    "lead from the data to what the losses compare with the labels. Nothing is left of this one.",
    example='layer { name: "loss" type: "EuclideanLoss" bottom: "data" bottom: "label" top: "loss" }',
    fix="Check that some layer with parameters stands between the data and the loss.",
)

_TRAINING_FIELDS = ("include", "exclude", "phase", "loss_weight", "propagate_down", "param", "transform_param")


@dataclass(frozen=True)
class Deployed:
    """A net for prediction. inputs, outputs: blob names; left_out: names of layers that are not in it any more.

    data: the data layer (or Input) that filled each blob, and the blob's shape. samples: of each input, the axis that
    counts samples.
    """

    definition: Definition
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    left_out: tuple[str, ...]
    data: Mapping[str, tuple[Record, Shape]]
    samples: Mapping[str, int]


def deploy(
    definition: Definition, *, batch: int = 1, inputs: Mapping[str, Shape] | None = None, all_heads: bool = False
) -> Deployed:
    """The net that predicts what this one learns.

    Data layers become Inputs of `batch` samples; losses become the activation that they contain; labels, and what only
    they reach, go, and so do heads whose loss counts less than another of the same labels (GoogLeNet's), unless
    `all_heads`. A net that is one already stays as it is, but for the batch. inputs: shapes of data blobs whose source
    is not there. Raises NetError: RUN050, and what planning the net raises.
    """
    state = states(definition)[-1]  # deploy, or else TEST, or else TRAIN
    plan = plan_state(definition, state, inputs=inputs)
    cut = _Cut(plan, definition.types, all_heads)
    known = any(node.samples for node in plan.graph.nodes)  # else the first sizes of sequences may be times
    fixed = any(node.type.role.sequence for node in cut.kept) and not known
    for size in dict.fromkeys((None if fixed else batch, None)):  # a Reshape may hold the file's own batch size
        record = _record(definition, plan, cut, size)
        deployed = replace(definition, record=record, warnings=())
        try:
            plan_state(deployed, State("TEST"))
            break
        except NetError:
            if size is None:
                raise
    sources = [n for n in plan.graph.nodes if n.type.source]
    values = plan.graph.values
    data = {values[n.tops[0]].name: (n.record, plan.shapes[n.tops[0]]) for n in sources if n.tops}
    kept = set(cut.inputs)
    return Deployed(
        deployed,
        tuple(values[v].name for v in cut.inputs),
        tuple(cut.outputs),
        tuple(n.name for n in plan.graph.nodes if n not in cut.kept and not (n.type.source and kept & set(n.tops))),
        data,
        {values[v].name: plan.graph.nodes[values[v].producer].samples for v in cut.inputs},
    )


class _Cut:
    """Which layers stay, which values become inputs, and what is predicted.

    heads: for each predicted value, the activation to add, or None.
    """

    def __init__(self, plan: Plan, types: Catalogue, all_heads: bool) -> None:
        self.plan, self.graph, self.types = plan, plan.graph, types
        self.ends = {n.index for n in self.graph.nodes if _is_end(n)}
        self.labelled = self._from_labels()
        self.learned = self._learned()
        self.losses = [n for n in self.graph.nodes if n.index in self.ends and n.type.loss]
        auxiliary = set() if all_heads else self._after(_auxiliary(self.losses))
        self.predictions = self._predictions(auxiliary)
        if not self.predictions:
            message = f'net "{self.graph.name}": nothing that is learned leads from the data to a prediction'
            raise NetError(Diagnostic(NO_PREDICTION, message, self.graph.record.span))
        needed = self._needed()
        self.kept = [n for n in self.graph.nodes if n.index in needed and not _is_fed(n)]
        self.inputs = [v for n in self.graph.nodes if _is_fed(n) for v in n.tops if self._is_read(v)]
        self.heads = {v: self._activation(v) for v in self.predictions}
        self.names = _head_names(self.graph, self.heads)
        self.outputs = [self.names.get(v) or self.graph.values[v].name for v in self.predictions]

    def _from_labels(self) -> set[int]:
        """Values made from labels: tops of data layers, not the first, that a loss or a measure reads."""
        values = self.graph.values
        labels = {
            v.index
            for v in values
            if v.top > 0 and _is_fed(self.graph.nodes[v.producer]) and any(node in self.ends for node, _ in v.consumers)
        }
        return self._after(labels)

    def _after(self, values: set[int]) -> set[int]:
        """The values, and all that is made from them."""
        for node in self.graph.nodes:
            if values & set(node.bottoms):
                values = values | set(node.tops)
        return values

    def _learned(self) -> set[int]:
        found: set[int] = set()
        for node in self.graph.nodes:
            if self.plan.layers[node.index].params or found & set(node.bottoms):
                found |= set(node.tops)
        return found

    def _goes(self, node: Node) -> bool:
        return node.index in self.ends or bool(self.labelled & set(node.tops))

    def _predictions(self, auxiliary: set[int]) -> list[int]:
        """What the layers that go read of what is learned, and what nobody reads."""
        found = []
        for value in self.graph.values:
            if value.index in self.labelled or value.index not in self.learned or value.index in auxiliary:
                continue
            if self._goes(self.graph.nodes[value.producer]):
                continue
            readers = [self.graph.nodes[node] for node, _ in value.consumers]
            done = any(n.type.role.probabilities and not self._goes(n) for n in readers)
            if not readers or (not done and any(self._goes(n) and n.type.role.end != "sink" for n in readers)):
                found.append(value.index)
        return found

    def _needed(self) -> set[int]:
        wanted, nodes = set(self.predictions), set[int]()
        for node in reversed(self.graph.nodes):
            if wanted & set(node.tops) and not self._goes(node):
                nodes.add(node.index)
                wanted |= set(node.bottoms)
        return nodes

    def _is_read(self, value: int) -> bool:
        kept = {n.index for n in self.kept}
        return any(node in kept for node, _ in self.graph.values[value].consumers)

    def _activation(self, value: int) -> Record | None:
        """The loss layer whose activation the value gets, from either phase; None if it has it already."""
        found = self.graph.values[value]
        losses = [layer for layer in self.graph.record.layer if self.types.judged(layer.type)]
        loss = next((layer for layer in losses if layer.bottom and layer.bottom[0] == found.name), None)
        return None if self.graph.nodes[found.producer].type.role.probabilities else loss


def _is_fed(node: Node) -> bool:
    """A data layer or Input: its tops come from outside."""
    return node.type.source and node.type.forward is None


def _is_end(node: Node) -> bool:
    return node.type.loss or any(node.loss_weights) or node.type.role.end != ""


def _auxiliary(losses: Sequence[Node]) -> set[int]:
    """Scores whose loss counts less than another loss of the same type with the same labels."""
    most: dict[Any, float] = {}
    for node in losses:
        key = node.type.name, node.bottoms[1:]
        most[key] = max(most.get(key, 0.0), node.loss_weights[0])
    less = {n.bottoms[0] for n in losses if n.loss_weights[0] < most[n.type.name, n.bottoms[1:]]}
    return less - {n.bottoms[0] for n in losses if n.loss_weights[0] == most[n.type.name, n.bottoms[1:]]}


def _head_names(graph: Graph, heads: Mapping[int, Record | None]) -> dict[int, str]:
    """Names of the probabilities: that of the loss's own second top, "prob" for the only head, else `<scores>/prob`."""
    taken = {v.name for v in graph.values} | {n.name for n in graph.nodes}
    wanted = {v: loss for v, loss in heads.items() if loss is not None}
    names: dict[int, str] = {}
    for value, loss in wanted.items():
        name = "prob" if len(wanted) == 1 else f"{graph.values[value].name}/prob"
        while name in taken:
            name += "_"
        names[value] = loss.top[1] if len(loss.top) > 1 else name
        taken.add(names[value])
    return names


# ---------------------------------------------------------------- the record


def _record(definition: Definition, plan: Plan, cut: _Cut, batch: int | None) -> Record:
    layers: list[Record] = []
    kept, size = {n.index for n in cut.kept}, BatchSize(batch)
    for node in plan.graph.nodes:
        if _is_fed(node):
            layers += [_input(definition, plan, node, v, size) for v in node.tops if v in cut.inputs]
        elif node.index in kept:
            bare = _plain(node.record, keep_fillers=node.type.source)
            layers.append(bare if _is_the_same(plan, node, bare) else _plain(node.record, keep_fillers=True))
        layers += [_head(definition, cut, v) for v in node.tops if v in cut.names]
    old = definition.record
    gone = ("input", "input_shape", "input_dim", "state", "solver", "generate", "force_backward", "debug_info")
    return old.replace(**dict.fromkeys(gone), layer=tuple(layers))


def _input(definition: Definition, plan: Plan, node: Node, value: int, batch: BatchSize) -> Record:
    message = definition.schema.message
    shape = batch.of(plan.shapes[value], is_apart(plan.graph, value), node.samples)
    name = plan.graph.values[value].name
    fields: dict[str, Any] = {"name": name, "type": definition.types.input, "top": (name,)}
    first = value == node.tops[0]
    transform = written(node.record, message("TransformationParameter").make) if first and len(shape) == 4 else None
    if transform is not None:
        fields["transform_param"] = transform
    dims = message("BlobShape").make(dim=shape)
    return message("LayerParameter").make(**fields, input_param=message("InputParameter").make(shape=(dims,)))


def _head(definition: Definition, cut: _Cut, value: int) -> Record:
    """The activation that the loss of a value contains, with the fields that the loss gives it."""
    loss = cut.heads[value]
    assert loss is not None
    activation = definition.types.types[cut.types.judged(loss.type)]
    name, bottom, param = cut.names[value], cut.graph.values[value].name, activation.param
    own = {param: getattr(loss, param)} if param and loss.has(param) else {}
    make = definition.schema.message("LayerParameter").make
    return make(name=name, type=activation.name, bottom=(bottom,), top=(name,), **own)


def _is_the_same(plan: Plan, node: Node, bare: Record) -> bool:
    """Whether a layer has the same parameters without its fillers: of some types these say which form is meant."""
    bottoms = tuple(plan.shapes[v] for v in node.bottoms)
    given = tuple(plan.shapes[v] for v in node.tops) if node.type.source else None
    try:
        setup = node.type.setup(Site(bare, node.type, bottoms, "TEST", given))
    except NetError:
        return False
    return [p.shape for p in setup.params] == [p.shape for p in plan.layers[node.index].setup.params]


def _plain(record: Record, keep_fillers: bool) -> Record:
    """A layer without what only training needs; parameters that are shared keep their names."""
    changes: dict[str, Any] = dict.fromkeys(_TRAINING_FIELDS)
    if any(p.has("name") for p in record.param):
        changes["param"] = tuple(p.replace(lr_mult=None, decay_mult=None, lazy=None) for p in record.param)
    for name, value in record.values.items():
        if isinstance(value, Record) and name not in changes and not keep_fillers:
            fillers = [n for n, v in value.values.items() if _is_filler(v)]
            changes[name] = value.replace(**dict.fromkeys(fillers))
    return record.replace(**changes)


def _is_filler(value: Any) -> bool:
    return isinstance(value, Record) and value.message_type.name == "FillerParameter"


def names(values: Iterable[str]) -> str:
    """`a, b and 3 more`."""
    found = list(values)
    return ", ".join(found[:8]) + (f" and {len(found) - 8} more" if len(found) > 8 else "")
