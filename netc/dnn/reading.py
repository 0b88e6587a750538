"""Reading nets."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from netc import language, solve
from netc.api.definition import Definition, is_solver, schema_of, typed
from netc.api.planning import load
from netc.catalogue import catalogue
from netc.dnn.errors import as_opencv_raises
from netc.dnn.net import Net
from netc.dnn.origin import Origin
from netc.files import text_of
from netc.language.tree import Block, Document, Field, ListValue, Scalar, Value
from netc.schema.weights import Weights, parse_weights


def readNetFromCaffe(
    prototxt: Any = None, caffeModel: Any = "", *, bufferProto: Any = None, bufferModel: Any = None
) -> Net:
    """A net from a prototxt and a `.caffemodel`: paths, or their contents as bytes, bytearrays or arrays of uint8.

    Without weights, parameters are what the fillers say. Raises error with everything that is wrong with the files;
    only a class for an unknown layer type may be given later (`dnn_registerLayer`), until the net is first used.
    """
    text = prototxt if bufferProto is None else bufferProto
    weights = caffeModel if bufferModel is None else bufferModel
    with as_opencv_raises():
        definition, fields = _definition(text)
        source = "the weights" if _is_buffer(weights) else str(weights)
        return Net(Origin(definition, fields, _weights(weights), source))


def _is_buffer(given: Any) -> bool:
    return isinstance(given, bytes | bytearray | memoryview | np.ndarray)


def _definition(given: Any) -> tuple[Definition, dict[str, dict[str, str]]]:
    if _is_buffer(given):
        text, path = text_of(bytes(given)), "<bufferProto>"
        document = language.parse(text, path)
    else:
        path = os.fspath(given)
        document = language.read(path)
        if is_solver(document):
            return load(path), {}
    document, fields = _without_own_fields(document)
    return typed(document, Path(path), catalogue()), fields


def _weights(given: Any) -> Weights | None:
    if _is_buffer(given):
        data = bytes(given)
        return parse_weights(data, "<bufferModel>") if data else None
    path = os.fspath(given) if given is not None else ""
    return solve.read_weights(path) if path else None


# ------------------------------------------------------------ fields of types that netc does not have


def _without_own_fields(document: Document) -> tuple[Document, dict[str, dict[str, str]]]:
    """A file without the fields that no schema has, in layers of types that netc does not have; and these, by layer.

    Whoever registers a class for such a type gets them as text, as OpenCV gives them.
    """
    types, found = catalogue(), dict[str, dict[str, str]]()
    known = schema_of(types).message("LayerParameter").fields

    def kept(item: Any) -> Any:
        if not isinstance(item, Field) or item.name != "layer" or not isinstance(item.value, Block):
            return item
        layer = {field.name: field.value for field in item.value.fields}
        type, name = layer.get("type"), layer.get("name")
        if not isinstance(type, Scalar) or not isinstance(name, Scalar) or type.text in types.types:
            return item
        own = [field for field in item.value.fields if field.name not in known]
        for field in own:
            _flatten(field.name, field.value, found.setdefault(name.text, {}))
        items = tuple(inner for inner in item.value.items if inner not in own)
        return replace(item, value=replace(item.value, items=items))

    block = replace(document.block, items=tuple(map(kept, document.block.items)))
    return replace(document, block=block) if found else document, found


def _flatten(name: str, value: Value, found: dict[str, str]) -> None:
    if isinstance(value, Block):
        for field in value.fields:
            _flatten(field.name, field.value, found)
    elif isinstance(value, ListValue):
        for item in value.items:
            _flatten(name, item, found)
    elif isinstance(value, Scalar):
        found[name] = value.text
