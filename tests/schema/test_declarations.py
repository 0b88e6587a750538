"""The declarations themselves: every name resolves, every tag is free, every default fits, everything is documented."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from netc.schema.declare import Enum, Message, optional
from netc.schema.record import INTEGER_RANGES, FieldType, Schema
from netc.schema.registry import base_schema
from tools.schemas import caffe_only, files

SCHEMA = base_schema()
FIELDS = [
    pytest.param(field, id=f"{name}.{field.name}")
    for name in SCHEMA.messages
    for field in SCHEMA.message(name).fields.values()
]


@pytest.mark.parametrize("name", SCHEMA.messages)
def test_messages(name: str) -> None:
    message = SCHEMA.messages[name]
    assert message.doc
    assert len({f.name for f in message.fields}) == len({f.tag for f in message.fields}) == len(message.fields)
    for enum in message.enums:
        assert enum.doc
        assert len(set(enum.values.values())) == len(enum.values)


@pytest.mark.parametrize("field", FIELDS)
def test_fields(field: FieldType) -> None:
    declared = field.declaration
    assert declared.doc.endswith((".", "!"))
    assert declared.tag < 19000 or declared.tag > 19999
    if declared.origin == "netc" and field.name in ("padding", "solver"):
        assert declared.tag >= 1000
    if declared.default is None:
        return
    assert not field.repeated
    if field.enum is not None:
        assert declared.default in field.enum.values
    elif field.kind == "int":
        low, high = INTEGER_RANGES[field.type]
        assert low <= field.default <= high
        assert isinstance(declared.default, int)
    elif field.kind == "float":
        assert isinstance(declared.default, float)
    elif field.kind == "bool":
        assert isinstance(declared.default, bool)
    else:
        assert isinstance(declared.default, str)


def test_defaults() -> None:
    layer = SCHEMA.message("LayerParameter").empty
    assert layer.pooling_param.pool == "MAX"
    assert layer.pooling_param.stride == 1
    assert layer.convolution_param.kernel_size == ()
    assert layer.convolution_param.weight_filler.type == "constant"
    assert layer.name == ""
    assert layer.phase == "TRAIN"
    assert SCHEMA.message("NetState").empty.phase == "TEST"
    assert SCHEMA.message("HingeLossParameter").empty.norm == "L1"
    with pytest.raises(AttributeError):
        _ = layer.kernel_sise


@pytest.mark.parametrize("name", ["caffe.proto", "netc.proto"])
def test_schemas_are_generated(name: str) -> None:
    from tools.schemas import FOLDER  # noqa: PLC0415

    assert (FOLDER / name).read_text() == files()[name], "run python tools/schemas.py"


LINE = re.compile(
    r'syntax = "proto2";|package \w+;|(message|enum) \w+ \{|\}|\w+ = -?\d+;'
    r"|(optional|required|repeated) [\w.]+ \w+ = \d+( \[.+\])?;"
)


@pytest.mark.parametrize("name", ["caffe.proto", "netc.proto"])
def test_schema_files_hold_protobuf_statements(name: str) -> None:
    for line in files()[name].splitlines():
        assert not line.strip() or line.strip().startswith("//") or LINE.fullmatch(line.strip()), line


def test_descriptors_say_what_the_declarations_say() -> None:
    for name in SCHEMA.messages:
        descriptor = SCHEMA.message_class(name).DESCRIPTOR
        assert [(f.name, f.number) for f in descriptor.fields] == [
            (f.name, f.tag) for f in SCHEMA.message(name).fields.values()
        ]
    pooling = SCHEMA.message_class("PoolingParameter")()
    assert (pooling.stride, pooling.pool, pooling.round_mode) == (1, 0, 0)
    assert SCHEMA.message_class("SolverParameter")().delta == pytest.approx(1e-8)


def test_the_bvlc_part_has_no_additions() -> None:
    schema = caffe_only(SCHEMA)
    assert "padding" not in schema.message("PoolingParameter").fields
    assert "solver" not in schema.message("NetParameter").fields
    assert "EarlyStop" not in schema
    assert len(schema.message("LayerParameter").fields) == 60


def test_extending() -> None:
    message = Message("MishParameter", (optional("beta", 1, "float", 1.0, "Steepness."),), doc="Mish.", origin="netc")
    field = optional("mish_param", 1500, "MishParameter", doc="Fields of Mish layers.", origin="netc")
    more = SCHEMA.extended([message], [field])
    assert more.message("LayerParameter").empty.mish_param.beta == 1.0
    assert more.extended([message], [field]) is more
    assert SCHEMA.extended([message], [field]) is more
    assert SCHEMA.extended() is SCHEMA
    with pytest.raises(ValueError, match="collides"):
        SCHEMA.extended([message], [optional("mish_param", 106, "MishParameter")])
    with pytest.raises(ValueError, match="twice"):
        SCHEMA.extended([Message("PoolingParameter", ())])
    with pytest.raises(ValueError, match="not declared"):
        _ = Schema([Message("A", (optional("b", 1, "C"),))]).message("A").fields
    with pytest.raises(ValueError, match="twice"):
        Schema([], [Enum("E", {"A": 0}), Enum("E", {"B": 0})])


def test_protobuf_is_not_imported_for_text() -> None:
    code = "import sys, netc.schema.load; sys.exit('google.protobuf' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
