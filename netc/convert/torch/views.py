"""What is written of a definition: the net that predicts, the objective that trains it, and what its tests say.

Layers that these have in common are written once (`features`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from netc.convert.predicting import Predicting
from netc.convert.torch.items import Run, Value
from netc.graph import Node
from netc.layer import Shape
from netc.plan.model import Plan
from netc.schema.record import Record

Name = Literal["forward", "loss", "test"]
_APART = ("include", "exclude", "phase", "loss_weight", "propagate_down", "param", "transform_param")
"""Fields of a layer that change nothing of what it computes."""


@dataclass(frozen=True)
class View:
    """A net whose layers become a method, with its parameters. results: the values that it is there for."""

    name: Name
    it: Predicting
    results: tuple[int, ...]

    @property
    def plan(self) -> Plan:
        return self.it.plan


@dataclass(frozen=True, eq=False)
class Layer:
    """A layer of one or several views: its node in the first of them, and what it reads and makes."""

    key: str
    node: Node
    view: View
    bottoms: tuple[Value, ...]
    tops: tuple[Value, ...]
    path: tuple[Run, ...]


@dataclass
class Union:
    """The layers of all views, each once. by_view: which layers each has; results: what it gives, with loss weights."""

    layers: list[Layer] = field(default_factory=list)
    by_view: dict[Name, list[Layer]] = field(default_factory=dict)
    results: dict[Name, list[tuple[Value, float]]] = field(default_factory=dict)
    inputs: dict[Name, list[Value]] = field(default_factory=dict)
    shapes: dict[Name, list[Shape]] = field(default_factory=dict)
    views: dict[Name, View] = field(default_factory=dict)
    _nodes: dict[tuple[Name, str], Node] = field(default_factory=dict)
    _known: dict[Any, Layer] = field(default_factory=dict)
    _values: dict[Any, Value] = field(default_factory=dict)
    _keys: set[str] = field(default_factory=set)

    def add(self, view: View, modes: Mapping[tuple[str, str], Record]) -> None:
        """Take in what a view needs for its results. modes: other records for some layers, by view and layer."""
        graph, found = view.plan.graph, dict[int, Value]()
        needed, given = _needed(view), dict[Value, None]()
        mine: list[Layer] = []
        for each in graph.nodes:
            if each.index not in needed:
                continue
            node = replace(each, record=modes.get((view.name, each.name), each.record))
            if node.type.source and node.type.forward is None:
                for v in node.tops:
                    found[v] = self._value(("input", graph.values[v].name), graph.values[v].name)
                    given[found[v]] = None
                continue
            bottoms = tuple(found[v] for v in node.bottoms)
            layer = self._layer(view, node, bottoms)
            self._nodes[view.name, layer.key] = node
            found.update(zip(node.tops, layer.tops, strict=True))
            mine.append(layer)
        read = {value for layer in mine for value in layer.bottoms} | {found[v] for v in view.results}
        self.by_view[view.name], self.views[view.name] = mine, view
        self.inputs[view.name] = [value for value in given if value in read]
        self.shapes[view.name] = [view.plan.shapes[v] for v in found if found[v] in self.inputs[view.name]]
        weights = {v: w for n in graph.nodes for v, w in zip(n.tops, n.loss_weights, strict=True)}
        self.results[view.name] = [(found[v], weights.get(v, 0.0)) for v in view.results]

    def _layer(self, view: View, node: Node, bottoms: tuple[Value, ...]) -> Layer:
        identity = (node.name, node.type.name, _said(node.record), bottoms, len(node.tops))
        known = self._known.get(identity)
        if known is not None and known not in self.by_view.get(view.name, ()):
            return known
        key, count = node.key, 2
        while key in self._keys:
            key, count = f"{node.key}#{count}", count + 1
        self._keys.add(key)
        values = view.plan.graph.values
        tops = tuple(self._value((key, i), values[v].name) for i, v in enumerate(node.tops))
        made = Layer(key, node, view, bottoms, tops, _runs(node))
        self._known[identity] = made
        self.layers.append(made)
        return made

    def _value(self, identity: object, name: str) -> Value:
        return self._values.setdefault(identity, Value(len(self._values), name))

    def owner(self, layer: str, blob: int | None) -> object:
        """What tells a parameter from all others; layers that share it have one. None if it is no blob."""
        if blob is None:
            return None
        name, node = next((view, node) for (view, key), node in self._nodes.items() if key == layer)
        plan = self.views[name].plan
        param = plan.params[plan.layers[node.index].params[blob]]
        return plan.graph.nodes[param.layer].key, param.position

    def rates(self, layer: str, blob: int | None) -> tuple[float, float]:
        """lr_mult and decay_mult of a parameter, as the net that trains has them."""
        node = self._nodes.get(("loss", layer))
        if node is None or blob is None:
            return 1.0, 1.0
        plan = self.views["loss"].plan
        param = plan.params[plan.layers[node.index].params[blob]]
        return param.lr_mult, param.decay_mult

    def common(self) -> list[Layer]:
        """The layers that all views have; none if there is one view."""
        if len(self.by_view) < 2:
            return []
        first, *others = self.by_view.values()
        kept = [layer for layer in first if all(layer in other for other in others)]
        return kept if any(layer.tops for layer in kept) else []


def _needed(view: View) -> set[int]:
    """The nodes that a view's results are made from."""
    wanted, found = set(view.results), set[int]()
    for node in reversed(view.plan.graph.nodes):
        if wanted & set(node.tops):
            found.add(node.index)
            wanted |= set(node.bottoms)
    return found


def _said(record: Record) -> str:
    """What a layer's record says of what it computes, as text that two phases can be compared by."""
    kept = record.replace(**dict.fromkeys((*_APART, "name", "bottom", "top")))
    return repr(_plain(kept))


def _plain(value: Any) -> Any:
    if isinstance(value, Record):
        inner = ((name, _plain(v)) for name, v in sorted(value.values.items()) if not _is_filler(v))
        return tuple((name, v) for name, v in inner if v != ())
    return tuple(map(_plain, value)) if isinstance(value, tuple) else value


def _is_filler(value: Any) -> bool:
    return isinstance(value, Record) and value.message_type.name == "FillerParameter"


def _runs(node: Node) -> tuple[Run, ...]:
    """The runs of composites that made a layer, outermost first; without any, what its name begins with."""
    chain, call = [], node.record.span.call if node.record.span else None
    while call is not None:
        chain.append(Run(call, _callee(call.source.text[call.start : call.end])))
        call = call.call
    if chain:
        return tuple(reversed(chain))
    parts = node.name.split("/")[:-1]
    return tuple(Run("/".join(parts[: i + 1]), _stem(part)) for i, part in enumerate(parts))


def _callee(text: str) -> str:
    """The name in `a, b = name(...)`."""
    return text.partition("(")[0].rpartition("=")[2].strip()


def _stem(text: str) -> str:
    """`inception` of `inception_3a`."""
    return text.rstrip("0123456789").partition("_")[0] or "block"
