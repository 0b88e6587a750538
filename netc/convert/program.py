"""A net as a program in netc's language: layers as calls, phases as blocks. The reverse of expansion."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from netc import language
from netc.api.definition import Definition, typed
from netc.api.vocabulary import LayerVocabulary
from netc.errors import NetError
from netc.language.strings import quote
from netc.schema.record import Record
from netc.schema.text import to_text, to_tree

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_KEYWORDS = {"let", "def", "for", "in", "if", "else", "import", "as", "and", "or", "not", "train", "test", "deploy"}
_FUNCTIONS = {"min", "max", "abs", "floor", "ceil", "round", "len", "number", "read"}
_RESERVED = frozenset({*_KEYWORDS, *_FUNCTIONS, "true", "false", "inf", "nan", "solver", "layer", "name"})
_CONNECTIONS = ("name", "type", "bottom", "top")
Phases = frozenset[str]
_ALL: Phases = frozenset({"TRAIN", "TEST"})


def program(definition: Definition) -> str:
    """The net as a `.net` file in canonical form that expands to the same net.

    What calls cannot say stays a plain `layer { }`; a net that would not come out the same is written in plain text
    format, which is a `.net` file too.
    """
    record = definition.record
    for blocks in (True, False):
        try:
            text = _Program(LayerVocabulary(definition.types, definition.schema), blocks).write(record)
            text = language.format_text(text)
            document = language.parse(text, str(definition.path.with_suffix(".net")))
            if typed(document, definition.path, definition.types).record == record:
                return text
        except NetError:
            continue
    return language.format_text(_safe(to_text(record)))


@dataclass
class _Program:
    """Statements for the layers of a record, in order.

    blocks: layers of one phase stand in phase blocks; otherwise they keep their include rules (a net with data for one
    phase only is no program otherwise). variables: of each blob. blobs, layers: the phases in which a name is taken.
    """

    vocabulary: LayerVocabulary
    blocks: bool
    variables: dict[str, str] = field(default_factory=dict)
    blobs: dict[str, Phases] = field(default_factory=dict)
    layers: dict[str, Phases] = field(default_factory=dict)
    words: set[str] = field(default_factory=lambda: set(_RESERVED))

    def write(self, record: Record) -> str:
        self.words |= set(_enum_values(record))
        rest = record.replace(layer=None, solver=None)
        parts = [_fields(rest)]
        open_phase = ""
        for layer in record.layer:
            phase, shown = _phase(layer) if self.blocks else ("", layer)
            if phase != open_phase:
                parts += (["}"] if open_phase else []) + ([f"{phase.lower()} {{"] if phase else [])
                open_phase = phase
            parts.append(self.statement(shown, frozenset({phase}) if phase else _ALL))
        parts += ["}"] if open_phase else []
        if record.has("solver"):
            parts.append("solver {\n" + _safe(language.write(to_tree(record.solver, lists=True))) + "}")
        return "\n".join(parts) + "\n"

    def statement(self, layer: Record, phases: Phases) -> str:
        """A layer as a call; as it is if its type is not known or its own message is there but empty."""
        own = self.vocabulary.message_field(layer.type) or ""
        empty = layer.has(own) and not getattr(layer, own).values
        if layer.type not in self.vocabulary.types or not layer.has("name") or empty:
            return f"layer {{ {_fields(layer)} }}"
        inputs = [self.variables.get(b) or _safe(quote(b)) for b in layer.bottom]
        in_place = bool(layer.bottom and layer.top) and layer.top[0] == layer.bottom[0]
        in_place = in_place and self.vocabulary.in_place(layer.type)
        targets = [self.variables[layer.top[0]]] if in_place and layer.top[0] in self.variables else []
        targets += [self.target(blob, phases) for blob in layer.top[len(targets) :]]
        label = self.label(layer, in_place, phases)
        outer = layer.replace(**dict.fromkeys((*_CONNECTIONS, own or "type")))
        body = f"{_fields(getattr(layer, own)) if layer.has(own) else ''} {_fields(outer)}".strip()
        left = f"{', '.join(targets)} = " if targets else ""
        return f"{left}{layer.type}({', '.join(inputs)}){label}" + (f" {{ {body} }}" if body else "")

    def target(self, blob: str, phases: Phases) -> str:
        taken = self.blobs.get(blob, frozenset())
        variable = self.variables.get(blob) or self.variable(blob)
        self.variables[blob], self.blobs[blob] = variable, taken | phases
        return variable if variable == blob and not taken & phases else f"{variable} as {_label(blob)}"

    def variable(self, blob: str) -> str:
        name = re.sub(r"[^A-Za-z0-9_]", "_", blob)
        made = name = name if _NAME.fullmatch(name) else f"_{name}"
        count = 2
        while made in self.words or made in self.variables.values():
            made, count = f"{name}_{count}", count + 1
        return made

    def label(self, layer: Record, in_place: bool, phases: Phases) -> str:
        """The layer's name, unless the language gives it without being told."""
        first = layer.top[0] if layer.top else layer.type.lower()
        usual = f"{first}/{layer.type.lower()}" if in_place else first
        taken = self.layers.get(layer.name, frozenset())
        self.layers[layer.name] = taken | phases
        return "" if layer.name == usual and not taken & phases else f" as {_label(layer.name)}"


def _phase(layer: Record) -> tuple[str, Record]:
    """The phase that a layer's only include rule asks for, and the layer without the rule; "" for none or others."""
    rules = layer.include
    if len(rules) == 1 and tuple(rules[0].values) == ("phase",) and not layer.has("exclude"):
        return rules[0].phase, layer.replace(include=None)
    return "", layer


def _label(name: str) -> str:
    return name if _NAME.fullmatch(name) and name not in _RESERVED else _safe(quote(name))


def _safe(text: str) -> str:
    """`${` in a string means itself."""
    return text.replace("${", "$${")


def _fields(record: Record) -> str:
    """The fields of a message on one line, with several values of one as a list."""
    return _safe(language.write_line(to_tree(record, lists=True)))


def _enum_values(record: Record) -> Iterator[str]:
    """The enum values that a message and those inside it name: a variable of such a name would hide them."""
    for name, value in record.values.items():
        declared = record.message_type.field(name)
        for item in value if declared.repeated else (value,):
            if isinstance(item, Record):
                yield from _enum_values(item)
            elif declared.kind == "enum":
                yield item
