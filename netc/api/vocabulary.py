"""What the language's expansion must know of layers, from the catalogue and the schema."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache

from netc.catalogue import Catalogue
from netc.errors import NetError, Report
from netc.language import parse
from netc.layer import Example, LayerType, Site
from netc.schema.load import load_net
from netc.schema.record import Schema


class LayerVocabulary:
    """The vocabulary of `language.expand`: which type has which fields, and which may write over its input."""

    def __init__(self, types: Catalogue, schema: Schema) -> None:
        self.usually = types.usually
        self.types = types.types
        self.schema = schema
        self.layer = schema.message("LayerParameter")

    def layer_types(self) -> Collection[str]:
        return self.types.keys()

    def message_field(self, type_name: str) -> str | None:
        found = self.types.get(type_name)
        return found.param if found else None

    def is_own_field(self, type_name: str, name: str) -> bool:
        own = self.message_field(type_name)
        message = self.layer.field(own).message if own else None
        return message is not None and name in message.fields

    def is_layer_field(self, name: str) -> bool:
        return name in self.layer.fields

    def in_place(self, type_name: str) -> bool:
        found = self.types.get(type_name)
        return found is not None and _in_place(found, self.schema)

    def fields_of_phase(self, phase: str) -> Collection[str]:
        return ("generate",) if phase == "deploy" else ()


@cache
def _in_place(layer_type: LayerType, schema: Schema) -> bool:
    """Whether a layer of the type may run in place: what `setup` says of its examples with one bottom."""
    return any(_example_in_place(layer_type, e, schema) for e in layer_type.examples if len(e.inputs) == 1)


def _example_in_place(layer_type: LayerType, example: Example, schema: Schema) -> bool:
    text = f'layer {{ name: "x" type: "{layer_type.name}" bottom: "x" top: "x" {example.fields} }}'
    try:
        record = load_net(parse(text), schema, Report()).layer[0]
        return layer_type.setup(Site(record, layer_type, (example.inputs[0].shape,), example.phase)).in_place
    except NetError:
        return False
