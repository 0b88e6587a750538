"""Who reads a field? Every field that a file may hold is read by something, or says itself why it is ignored.

A reader is code that names the field: as an attribute (`p.stride`) or as a word of its own in quotes (`has("stride")`).
Declarations and documentation are no readers. For a layer type's own message only the files count that can know of the
layer: its own file, the kernels and the data source that it uses, and what runs, plans or converts layers by type.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import netc
from netc.catalogue import catalogue
from netc.schema.declare import Field, Message
from netc.schema.record import MessageType, Schema
from netc.schema.registry import base_schema

ROOT = Path(netc.__file__).parent
LEGACY = ("V0LayerParameter", "V1LayerParameter")
WITHOUT_READERS = {
    "BlobProtoVector": "nobody's files hold it",
    "Datum": "records of databases, read by number (netc/data/datum.py)",
    "AnnotatedDatum": "as Datum",
    "Annotation": "as Datum",
    "AnnotationGroup": "as Datum",
    "NormalizedBBox": "as Datum",
    "BlobProto": "weights, read by number (netc/schema/blobs.py)",
    "SolverState": "read by number (netc/schema/weights.py)",
}
"""Messages that are not read field by field, and where they are."""
SCOPES = {
    "TransformationParameter": "data api kernels",
    "ResizeParameter": "data kernels",
    "NoiseParameter": "data",
    "DistortionParameter": "data",
    "ExpansionParameter": "data",
    "SolverParameter": "solve api caffe schema",
    "EarlyStop": "solve",
    "FillerParameter": "kernels",
    "LossParameter": "layers setups kernels",
    "ParamSpec": "plan graph.py",
    "NetState": "graph.py api",
    "NetStateRule": "graph.py",
    "NetParameter": "graph.py api schema plan",
    "LayerParameter": "graph.py plan layers data layer.py",
}
"""Where readers of the messages that layers share are looked for; elsewhere their names may mean something else."""


def schema() -> Schema:
    types = catalogue()
    return base_schema().extended(types.messages, types.layer_fields)


def _declared(node: ast.AST) -> bool:
    """Whether a call declares fields, messages or codes: its strings read nothing."""
    names = {"optional", "repeated", "Field", "Message", "Enum", "Code", "engine", "Example", "Refused"}
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names


def _named(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Attribute):
        yield node.attr
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
        yield node.value
    elif isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant) and len(node.values) == 2:
        yield f"{node.values[0].value}*"  # f"min_{name}"
    for child in ast.iter_child_nodes(node):
        if not _declared(child):
            yield from _named(child)


@cache
def names_in(path: Path) -> frozenset[str]:
    """The attributes and words in quotes of a file."""
    return frozenset(_named(ast.parse(path.read_text())))


@cache
def imported(path: Path) -> tuple[Path, ...]:
    """The netc files that a file imports, itself first, files of kernels, set-ups and data followed further."""
    found = [path]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("netc."):
            modules = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
            for module in modules:
                file = ROOT.parent / (module.replace(".", "/") + ".py")
                if file.exists() and file != path and {"kernels", "setups", "data"} & set(file.relative_to(ROOT).parts):
                    found += [each for each in imported(file) if each not in found]
    return tuple(found)


def own_files(message: str) -> tuple[Path, ...] | None:
    """The files that may read a message which belongs to layer types alone; None for the others."""
    fields = {f.name for f in schema().message("LayerParameter").fields.values() if f.type == message}
    types = {id(t): t for t in catalogue().types.values() if t.param in fields}.values()
    if not types or message == "LossParameter":
        return None
    files: list[Path] = [ROOT / "schema" / "upgrade_fork.py"]
    for layer_type in types:
        home = ROOT / Path(*layer_type.setup.__module__.split(".")[1:]).with_suffix(".py")
        files += imported(home)
        if layer_type.source:
            files += [path for path in (ROOT / "data").glob("*.py") if layer_type.name in names_in(path)]
            files += [other for path in files if path.parent.name == "data" for other in imported(path)]
    return tuple(dict.fromkeys(files))


@cache
def everywhere() -> tuple[Path, ...]:
    """All code but what declares the schema and what explains its fields."""
    declaring = {"bvlc", "forks.py", "confusions.py", "hints.py", "ignored.py", "vocabulary.py"}
    return tuple(path for path in ROOT.rglob("*.py") if not declaring & set(path.relative_to(ROOT).parts))


def ignored(message: MessageType) -> bool:
    """Whether nothing but ignored fields leads to a message."""
    users = [f for m in schema().messages for f in schema().message(m).fields.values() if f.type == message.name]
    return bool(users) and all(f.declaration.ignored for f in users)


def fields() -> Iterator[tuple[str, Field]]:
    for name in schema().messages:
        message = schema().message(name)
        if name in LEGACY or name in WITHOUT_READERS or ignored(message):
            continue
        for field in message.fields.values():
            yield name, field.declaration


def is_read(message: str, field: Field) -> bool:
    files = own_files(message)
    if message in SCOPES:
        places = [ROOT / place for place in SCOPES[message].split()]
        files = tuple(path for path in everywhere() if any(place in (path, *path.parents) for place in places))
    return any(_reads(names_in(path), field.name) for path in (everywhere() if files is None else files))


def _reads(names: frozenset[str], wanted: str) -> bool:
    """Also by a pattern, if the rest of the name is a word of the file."""
    begun = (name[:-1] for name in names if name.endswith("*") and wanted.startswith(name[:-1]))
    return wanted in names or any(wanted.removeprefix(begin) in names for begin in begun)


ALL = [pytest.param(message, field, id=f"{message}.{field.name}") for message, field in fields()]


@pytest.mark.parametrize(("message", "field"), ALL)
def test_somebody_reads_the_field(message: str, field: Field) -> None:
    if field.ignored:
        assert field.doc, "an ignored field says what it would be"
        return
    assert is_read(message, field), "nobody reads it: read it, refuse it, or declare why it is `ignored`"


def test_a_field_that_nobody_reads_is_found() -> None:
    assert not is_read("ConvolutionParameter", Field("nobody_reads_this", 999, "int32"))
    assert not is_read("PoolingParameter", Field("num_output", 999, "int32"))
    assert not is_read("SolverParameter", Field("min_nothing", 999, "int32"))
    assert is_read("PoolingParameter", Field("kernel_size", 1, "int32"))


def test_messages_without_readers_are_there() -> None:
    assert set(WITHOUT_READERS) <= set(schema().messages)
    assert all(isinstance(schema().messages[name], Message) for name in WITHOUT_READERS)
