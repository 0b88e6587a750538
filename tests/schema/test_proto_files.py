"""The files in schemas/, read as another language's protobuf reads them: they hold every message, and take every net.

The files themselves are parsed here, line by line (they are generated, a statement a line): what netc has declared is
not asked.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from netc import language
from netc.api.definition import expanded, is_solver, schema_of
from netc.catalogue import catalogue
from netc.errors import Report
from netc.report.explain import example_text
from netc.schema.load import load_net, load_solver
from netc.schema.record import Schema
from netc.schema.wire import encode
from tools.schemas import FOLDER, caffe_only

ROOT = Path(__file__).parents[2]
TYPES = catalogue()
SCHEMA = schema_of(TYPES)
NETS = sorted(path for path in (ROOT / "nets").rglob("*") if path.suffix in (".net", ".prototxt"))
FIELD = re.compile(r"(optional|required|repeated) ([\w.]+) (\w+) = (\d+)(?: \[(.*)\])?;")
OPTION = re.compile(r'(\w+) = ("(?:[^"\\]|\\.)*"|[^,]+)')


def pool_of(path: Path) -> DescriptorPool:
    """A pool with what a .proto file declares."""
    file = FileDescriptorProto(name=path.name, syntax="proto2", package=path.stem)
    open_blocks: list[Any] = [file]
    for line in path.read_text().splitlines():
        words = line.split()
        here = open_blocks[-1]
        if words[:1] == ["message"]:
            open_blocks.append((here.nested_type if isinstance(here, DescriptorProto) else here.message_type).add())
            open_blocks[-1].name = words[1]
        elif words[:1] == ["enum"]:
            open_blocks.append(here.enum_type.add())
            open_blocks[-1].name = words[1]
        elif words == ["}"]:
            open_blocks.pop()
        elif found := FIELD.fullmatch(line.strip()):
            add_field(here.field.add(), *found.groups())
        elif value := re.fullmatch(r"\s+(\w+) = (-?\d+);", line):
            here.value.add(name=value[1], number=int(value[2]))
        else:
            assert not words or words[0].startswith(("//", "syntax", "package")), line
    pool = DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return pool


def add_field(out: FieldDescriptorProto, label: str, type: str, name: str, tag: str, options: str | None) -> None:
    out.name, out.number, out.label = name, int(tag), getattr(FieldDescriptorProto, f"LABEL_{label.upper()}")
    if hasattr(FieldDescriptorProto, f"TYPE_{type.upper()}"):
        out.type = getattr(FieldDescriptorProto, f"TYPE_{type.upper()}")
    else:
        out.type_name = type
    for option, value in OPTION.findall(options or ""):
        if option == "default":
            out.default_value = ast.literal_eval(value) if value.startswith('"') else value
        else:
            setattr(out.options, option, value == "true")


POOLS = {name: pool_of(FOLDER / name) for name in ("caffe.proto", "netc.proto")}


def message(name: str, file: str = "netc.proto") -> Any:
    return GetMessageClass(POOLS[file].FindMessageTypeByName(f"{file.removesuffix('.proto')}.{name}"))()


@pytest.mark.parametrize(("file", "schema"), [("caffe.proto", caffe_only(SCHEMA)), ("netc.proto", SCHEMA)])
def test_they_declare_every_message_and_field(file: str, schema: Schema) -> None:
    for name in schema.messages:
        fields = {(f.name, f.number) for f in message(name, file).DESCRIPTOR.fields}
        assert fields == {(f.name, f.tag) for f in schema.message(name).fields.values()}, name


@pytest.mark.parametrize("path", NETS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_net_of_the_gallery_is_the_same_by_them(path: Path) -> None:
    document, report = expanded(language.read(path), TYPES), Report()
    name, load = ("SolverParameter", load_solver) if is_solver(document) else ("NetParameter", load_net)
    read, sent = message(name), message(name)
    text_format.Parse(language.write(document.block), read)
    sent.ParseFromString(encode(load(document, SCHEMA, report)))
    report.finish()
    if name == "NetParameter" and read.input:  # the old form of an Input layer, which loading makes one of
        del sent.layer[0]
        for field in ("input", "input_dim", "input_shape"):
            read.ClearField(field)
    assert read == sent


@pytest.mark.parametrize("name", sorted({t.name for t in TYPES.types.values()}))
def test_so_can_every_layer_types_examples(name: str) -> None:
    for example in TYPES.types[name].examples:
        net = text_format.Parse(example_text(TYPES.types[name], example), message("NetParameter"))
        assert net.layer[-1].type == name
