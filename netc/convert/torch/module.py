"""The text of a model's file, and the arrays of its parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from netc.convert.torch import blocks
from netc.convert.torch.blocks import Blocks
from netc.convert.torch.code import Call, Chain, Expression, function, layout, literal, quoted
from netc.convert.torch.items import Bound, Item, Value, item_of, joined
from netc.convert.torch.library import defined, needed
from netc.convert.torch.names import ATTRIBUTES, Taken, class_name, identifier, variable, variables
from netc.convert.torch.statements import Body
from netc.convert.torch.views import Layer, Name, Union
from netc.convert.torch.writer import LayerWriter, Write, Written
from netc.errors import NetError, Report
from netc.layer import Array
from netc.schema.names import as_utf8

FEATURES = "features"


@dataclass(frozen=True)
class Learned:
    """A parameter or buffer of the model: its array, and the layer and blob that it was (blob None: it was none)."""

    array: Array
    layer: str
    blob: int | None
    turned: bool = False


@dataclass(frozen=True)
class TorchModel:
    """A model in PyTorch: the text of `model.py`, and its parameters and buffers by name.

    name: of its class. inputs: the blobs that its first method takes, in order.
    """

    text: str
    state: Mapping[str, Learned]
    name: str
    inputs: tuple[str, ...]


@dataclass
class Writing:
    """A model being written: what each type's writer said, then groups, then text."""

    union: Union
    title: str
    source: str
    items: dict[str, Item] = field(default_factory=dict)

    def write(self, writer_of: Mapping[str, Write]) -> TorchModel:
        """The model. writer_of: by the layer's key. Raises NetError (CNV031) with all that cannot be written."""
        self._items(writer_of)
        segments, wanted = self._segments()
        segments = {name: joined(items, wanted[name]) for name, items in segments.items()}
        brought = tuple(dict.fromkeys(text for item in self.items.values() for text in item.brings))
        taken = Taken.by(variables().union(*map(defined, brought)))
        root = taken.fresh(class_name(self.title, "Net"), "")
        made = Blocks(taken, [])
        segments = made.grouped(segments, wanted)
        attributes = _attributes(segments)
        state = _state(segments, attributes)
        text = self._text(root, made.classes, segments, attributes, state, brought)
        first = next(iter(self.union.inputs.values()))
        return TorchModel(text, state, root, tuple(value.name for value in first))

    def _items(self, writer_of: Mapping[str, Write]) -> None:
        report = Report()
        for layer in self.union.layers:
            try:
                self.items[layer.key] = _item(layer, writer_of[layer.key])
            except NetError as error:
                report.diagnostics += error.diagnostics
        report.finish()

    # ------------------------------------------------------------ segments

    def _segments(self) -> tuple[dict[str, list[Item]], dict[str, set[Value]]]:
        """The layers that all views have, then those of each, and of both what others read."""
        common = self.union.common()
        segments = {FEATURES: [self.items[la.key] for la in common]} if common else {}
        wanted: dict[str, set[Value]] = {FEATURES: set()}
        for name, layers in self.union.by_view.items():
            segments[name] = [self.items[la.key] for la in layers if la not in common]
            wanted[name] = {value for value, _ in self.union.results[name]}
            wanted[FEATURES] |= wanted[name] | {value for item in segments[name] for value in item.bottoms}
        return segments, wanted

    # ------------------------------------------------------------ text

    def _text(
        self,
        root: str,
        classes: Sequence[Sequence[str]],
        segments: Mapping[str, list[Item]],
        attributes: Mapping[str, Mapping[int, str]],
        state: Mapping[str, Learned],
        brought: Sequence[str],
    ) -> str:
        body = [f"class {root}(nn.Module):"]
        body += [
            f'    """{_doc(self.title)}, as {_doc(self.source)} says."""',
            "",
            "    def __init__(self) -> None:",
            "        super().__init__()",
        ]
        for made in _modules(segments, attributes).items():
            body += layout(f"self.{made[0]} = ", made[1], 2)
        body += [f"        self.{name} = self.{first}" for name, first in self._ties(state)]
        for lines in self._methods(segments, attributes):
            body += ["", *lines]
        sections = [*map(list, classes), body, _load(root)]
        multipliers = self._multipliers(state)
        text = "\n\n\n".join("\n".join(lines) for lines in sections)
        pieces = needed(" ".join((text, *brought, "parameter_groups" if multipliers else "")))
        if pieces or brought:
            texts = [*(piece.text for piece in pieces), *(own.strip() for own in brought)]
            text += "\n\n\n# What PyTorch does not have.\n\n\n" + "\n\n\n".join(texts)
        text += "\n\n\n" + "\n".join(self._main(root))
        weights = 'WEIGHTS = Path(__file__).with_suffix(".safetensors")'
        heads = [self._head(root), _imports(text), "\n".join([weights, *multipliers])]
        return "\n\n".join(heads) + "\n\n\n" + text + "\n"

    def _head(self, root: str) -> str:
        first = f'"""{_doc(self.title)}: what netc made of {_doc(self.source)}, with the same numbers.'
        use = ["    net = load()  # ready to predict; net.train() makes it ready to train"]
        given = [names for name in self.union.by_view for names in [self._given(name)]]
        calls = {"forward": "net", "loss": "net.loss", "test": "net.test"}
        use += [f"    {calls[name]}({', '.join(g)})" for name, g in zip(self.union.by_view, given, strict=True)]
        return "\n".join([first, "", "In a program:", "", *use, '"""'])

    def _given(self, name: Name) -> list[str]:
        return [variable(as_utf8(v.name)) for v in self.union.inputs[name]]

    def _methods(
        self, segments: Mapping[str, list[Item]], attributes: Mapping[str, Mapping[int, str]]
    ) -> list[list[str]]:
        found, shared = [], list[Value]()
        if FEATURES in segments:
            items = segments[FEATURES]
            read = _read_outside(segments, self.union, FEATURES)
            shared = [value for item in items for value in item.tops if value in read]
            given = [v for v in _inputs(self.union) if any(v in item.bottoms for item in items)]
            body = Body(items, given, shared, attributes[FEATURES], _wished(items, given))
            doc = "What predicting and training have in common."
            found.append(blocks.method(FEATURES, body, doc))
        for name in self.union.by_view:
            found.append(self._method(name, segments, attributes[name], shared))
        return found

    def _method(
        self, name: Name, segments: Mapping[str, list[Item]], attributes: Mapping[int, str], shared: Sequence[Value]
    ) -> list[str]:
        items, given = segments[name], self.union.inputs[name]
        results = [value for value, _ in self.union.results[name]]
        used = [v for v in shared if v in results or any(v in item.bottoms for item in items)]
        body = Body(items, [*given, *used], results, attributes, _wished(items, [*given, *shared]))
        names = body.names()
        plain = [weight for _, weight in self.union.results[name]] == [1.0]
        gives = "Tensor" if name == "loss" or (name == "forward" and len(results) == 1) else "dict[str, Tensor]"
        if name == "forward" and len(results) > 1:
            gives = f"tuple[{', '.join(['Tensor'] * len(results))}]"
        lines = blocks.signature(name, [names[v] for v in given], gives)
        lines.append(f'        """{self._says(name)}"""')
        if shared:
            first = [v for v in given if any(v in item.bottoms for item in segments[FEATURES])]
            parts = [names[v] if v in used else "_" for v in shared]
            call = f"self.{FEATURES}({', '.join(names[v] for v in first)})"
            lines += layout(f"{', '.join(parts)} = ", call, 2)
        lines += body.lines(names, 2, ends=name == "forward" or (name == "loss" and plain))
        if name == "forward" or (name == "loss" and plain):
            return lines
        if name == "test":
            shown = ", ".join(f"{quoted(as_utf8(v.name))}: {names[v]}" for v in results)
            return [*lines, *_dictionary([(quoted(as_utf8(v.name)), names[v]) for v in results], shown)]
        terms: list[Expression] = []
        for value, weight in self.union.results[name]:
            scalar = names[value]
            terms.append(scalar if weight == 1 else f"{literal(float(weight))} * {scalar}")
        return [*lines, *layout("return ", Chain(tuple(terms), ("+",) * (len(terms) - 1)), 2)]

    def _says(self, name: Name) -> str:
        shown = [as_utf8(value.name) for value, _ in self.union.results[name]]
        listed = _doc(", ".join(shown[:4]) + (f" and {len(shown) - 4} more" if len(shown) > 4 else ""))
        return {
            "forward": f"Predict: {listed}.",
            "loss": "The objective that training makes smaller.",
            "test": "What tests say of a batch, by name.",
        }[name]

    def _main(self, root: str) -> list[str]:
        name = next(iter(self.union.by_view))
        shapes = self.union.shapes[name]
        given = [f"torch.zeros({', '.join(map(str, shape)) or '()'})" for shape in shapes]
        method = "load()" if name == "forward" else f"load().{name}"
        lines = ['if __name__ == "__main__":', "    with torch.no_grad():"]
        lines += layout("made = ", Call(method, tuple(given)), 2)
        return [*lines, "    print(made)"]

    # ------------------------------------------------------------ parameters

    def _ties(self, state: Mapping[str, Learned]) -> list[tuple[str, str]]:
        """Parameters that are another one's, and whose they are."""
        first: dict[object, str] = {}
        found = []
        for name, learned in state.items():
            owner = self.union.owner(learned.layer, learned.blob)
            if owner is not None:
                before = first.setdefault(owner, name)
                if before != name:
                    found.append((name, before))
        return found

    def _multipliers(self, state: Mapping[str, Learned]) -> list[str]:
        """The lines that say how fast each parameter learns, if they do not all learn as fast."""
        rates = {name: self.union.rates(la.layer, la.blob) for name, la in state.items() if la.blob is not None}
        if "loss" not in self.union.by_view:
            return []
        usual: dict[str, tuple[float, float]] = {}
        for end in dict.fromkeys(name.rpartition(".")[2] for name in rates):
            own = [rate for name, rate in rates.items() if name.rpartition(".")[2] == end]
            usual[end] = max(dict.fromkeys(own), key=own.count)
        special = {n: r for n, r in rates.items() if r != usual[n.rpartition(".")[2]]}
        shown = special | {end: rate for end, rate in usual.items() if rate != (1.0, 1.0) and end not in special}
        lines = [f"    {quoted(name)}: {literal(rate)}," for name, rate in shown.items()]
        said = "# lr_mult and decay_mult of parameters, by name or by its end; (1, 1) of all others."
        return (
            [said, "MULTIPLIERS = {", *lines, "}"]
            if lines
            else [said, "MULTIPLIERS: dict[str, tuple[float, float]] = {}"]
        )


def _item(layer: Layer, write: Write) -> Item:
    plan, node = layer.view.plan, layer.node
    written: Written = write(
        LayerWriter(
            node,
            plan.layers[node.index].setup,
            tuple(plan.shapes[v] for v in node.bottoms),
            tuple(plan.shapes[v] for v in node.tops),
            layer.view.it.params.get(node.key, ()),
            not plan.bounded.isdisjoint(node.bottoms[:1]),
        )
    )
    return item_of(layer.key, node.name, _kind(written, node.type.name), layer.bottoms, layer.tops, written, layer.path)


def _kind(written: Written, type: str) -> str:
    """What one calls a layer of this type: conv, linear, relu."""
    if written.module is None:
        return type.lower()
    last = written.module.function.rpartition(".")[2]
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in last.removesuffix("d").rstrip("123")).strip("_")


def _attributes(segments: Mapping[str, list[Item]]) -> dict[str, dict[int, str]]:
    """What the model calls the module of each item. A layer that is in two segments has one."""
    taken, known = Taken.by(ATTRIBUTES), dict[int, str]()
    found: dict[str, dict[int, str]] = {}
    for segment, items in segments.items():
        found[segment] = {}
        for at, item in enumerate(items):
            if item.module is not None:
                if id(item) not in known:
                    known[id(item)] = taken.fresh(identifier(as_utf8(item.name), item.kind))
                found[segment][at] = known[id(item)]
    return found


def _modules(segments: Mapping[str, list[Item]], attributes: Mapping[str, Mapping[int, str]]) -> dict[str, Expression]:
    return {
        attributes[segment][at]: blocks.constructor(item.module)
        for segment, items in segments.items()
        for at, item in enumerate(items)
        if item.module is not None
    }


def _state(segments: Mapping[str, list[Item]], attributes: Mapping[str, Mapping[int, str]]) -> dict[str, Learned]:
    state: dict[str, Learned] = {}
    for segment, items in segments.items():
        for at, item in enumerate(items):
            for name, bound in item.state.items():
                own = attributes[segment][at]
                state[f"{own}.{name}" if name else own] = _learned(bound)
    return state


def _learned(bound: Bound) -> Learned:
    values = bound.state.values
    array = values if values.dtype.kind == "i" else np.ascontiguousarray(values, np.float32).reshape(values.shape)
    return Learned(array, bound.layer, bound.state.blob, bound.state.turned)


def _inputs(union: Union) -> list[Value]:
    return list(dict.fromkeys(value for values in union.inputs.values() for value in values))


def _read_outside(segments: Mapping[str, list[Item]], union: Union, segment: str) -> set[Value]:
    read = {value for results in union.results.values() for value, _ in results}
    return read | {v for name, items in segments.items() if name != segment for item in items for v in item.bottoms}


def _wished(items: Sequence[Item], given: Sequence[Value]) -> dict[Value, str]:
    values = [*given, *(value for item in items for value in item.tops)]
    return {value: variable(as_utf8(value.name)) for value in values}


def _dictionary(items: Sequence[tuple[str, str]], shown: str) -> list[str]:
    line = f"        return {{{shown}}}"
    if len(line) <= 88:
        return [line]
    return ["        return {", *(f"            {key}: {value}," for key, value in items), "        }"]


def _doc(text: str) -> str:
    """Text inside a docstring, on one line."""
    return " ".join(text.split())[:60].replace("\\", "/").replace('"""', "'''").rstrip('"')


def _load(root: str) -> list[str]:
    return [
        *function("load", ["path: str | Path = WEIGHTS"], root, 0),
        '    """The net with the weights in a file, ready to predict."""',
        f"    net = {root}()",
        "    net.load_state_dict(load_file(path))",
        "    return net.eval()",
    ]


def _imports(text: str) -> str:
    lines = ["from pathlib import Path"]
    lines += ["from typing import Any"] if "Any]" in text else []
    lines += ["", "import torch", "from safetensors.torch import load_file", "from torch import Tensor, nn"]
    return "\n".join(lines)
