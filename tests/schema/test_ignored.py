"""Fields of forks that change nothing on a CPU: accepted, with one warning a file."""

from __future__ import annotations

import pytest

from netc.catalogue import catalogue
from netc.errors import Diagnostic, Report
from netc.language import parse
from netc.schema.forks import FORK_FIELDS, FORK_REPEATED, FORK_TYPES, FORK_VALUES, REPLACEMENTS
from netc.schema.ignored import ENGINES, IGNORED_FIELDS, IGNORED_LISTS
from netc.schema.load import load_net, load_solver
from netc.schema.record import Record
from netc.schema.registry import base_schema


def net(text: str) -> tuple[Record, list[Diagnostic]]:
    report = Report()
    record = load_net(parse(text, "net.prototxt"), base_schema(), report)
    return record, list(report.diagnostics)


def solver(text: str) -> tuple[Record, list[Diagnostic]]:
    report = Report()
    record = load_solver(parse(text, "solver.prototxt"), base_schema(), report)
    return record, list(report.diagnostics)


NVCAFFE = """
default_forward_type: FLOAT16
default_backward_math: FLOAT
layer { name: "data" type: "Data" top: "data" data_param { source: "x" batch_size: 2 cache: true threads: 4 } }
layer { name: "a" type: "Convolution" bottom: "data" top: "a" forward_type: FLOAT16
  convolution_param { num_output: 2 kernel_size: 1 engine: MKL2017 } }
layer { name: "b" type: "Pooling" bottom: "a" top: "b" forward_type: FLOAT pooling_param { engine: MKLDNN } }
layer { name: "c" type: "BatchNorm" bottom: "b" top: "c" engine: "MKL2017"
  batch_norm_param { engine: MKL2017 eps: 0.5 } }
"""


def test_one_warning_a_file_names_the_forks() -> None:
    record, found = net(NVCAFFE)
    assert [(d.code.id, d.severity) for d in found] == [("SCH011", "warning")]
    message, span = found[0].message, found[0].span
    for name in ("default_forward_type", "default_backward_math", "cache", "threads", "forward_type"):
        assert message.count(f"`{name}`") == 1
    assert "`engine: MKL2017`, `engine: MKLDNN`" in message
    assert "NVIDIA/caffe" in message
    assert "intel/caffe" in message
    assert span is not None
    assert span.source.text[span.start : span.end] == "default_forward_type"
    assert len(found[0].notes) == 3
    assert record.layer[1].convolution_param.num_output == 2
    assert record.layer[1].convolution_param.engine == "DEFAULT"
    assert record.layer[3].batch_norm_param.eps == 0.5


@pytest.mark.parametrize("text", ["device_id: [0, 1]", "device_id: 0 device_id: 1"])
def test_a_solver_on_several_devices(text: str) -> None:
    _, found = solver(f"base_lr: 0.1 {text} richness: 30")
    assert [d.code.id for d in found] == ["SCH011"]
    assert "device_id" in found[0].message
    assert "richness" in found[0].message


def test_what_is_ignored_is_not_refused_too() -> None:
    types = catalogue()
    schema = base_schema().extended(types.messages, types.layer_fields)
    assert not set(IGNORED_FIELDS) & set(FORK_FIELDS)
    assert not set(IGNORED_LISTS) & set(FORK_REPEATED)
    assert not set(ENGINES) & {value for enum, value in FORK_VALUES if enum.endswith("Engine")}
    for message, name in IGNORED_FIELDS:
        assert name not in schema.message(message).fields, f"{message} has a field {name}"
    for message, name in IGNORED_LISTS:
        assert not schema.message(message).field(name).repeated


def test_what_netc_knows_is_not_said_to_be_a_forks_alone() -> None:
    types = catalogue()
    schema = base_schema().extended(types.messages, types.layer_fields)
    known = {(name, field) for name in schema.messages for field in schema.message(name).fields}
    assert not known & {*FORK_FIELDS, *REPLACEMENTS}
    assert not set(types.types) & set(FORK_TYPES)
    assert {*FORK_REPEATED} <= known


def test_another_value_of_engine_is_a_mistake() -> None:
    text = 'layer { name: "a" type: "Pooling" bottom: "x" top: "a" pooling_param { engine: CUDN } }'
    _, found = net(text)
    assert [d.code.id for d in found] == ["SCH005"]


def test_a_field_that_computes_something_names_its_fork() -> None:
    _, found = net(
        'layer { name: "a" type: "Convolution" convolution_param { num_output: 1 kernel_size: 1 relu: true } }'
    )
    assert [d.code.id for d in found] == ["SCH002"]
    assert "intel/caffe" in found[0].message


def test_an_input_without_a_shape_beside_a_layer_that_makes_it() -> None:
    """Caffe drops such an input."""
    layer = 'layer { name: "i" type: "Input" top: "data" input_param { shape { dim: 1 } } }'
    record, found = net(f'input: "data" {layer}')
    assert [(d.code.id, d.severity) for d in found] == [("SCH022", "warning")]
    assert [each.name for each in record.layer] == ["i"]
    assert not record.has("input")
    _, found = net(f'input: "data" input: "label" {layer}')
    assert [(d.code.id, d.severity) for d in found] == [("SCH022", "error")]
    assert "`label`" in found[0].message


@pytest.mark.parametrize(("type", "param"), [("Data", "data_param"), ("ImageData", "image_data_param")])
def test_old_transformation_fields_in_a_layer_of_today(type: str, param: str) -> None:
    """Caffe reads them in `layers` only."""
    fields = 'source: "x" batch_size: 2 scale: 0.5 mirror: true'
    record, found = net(f'layer {{ name: "d" type: "{type}" top: "d" {param} {{ {fields} }} }}')
    assert [(d.code.id, d.severity) for d in found] == [("SCH026", "warning")]
    assert "`scale`, `mirror`" in found[0].message
    assert found[0].span is not None
    assert found[0].span.source.text[found[0].span.start : found[0].span.end] == "0.5"
    assert set(getattr(record.layer[0], param).values) == {"source", "batch_size"}
    old = "DATA" if type == "Data" else "IMAGE_DATA"
    record, found = net(f'layers {{ name: "d" type: {old} top: "d" {param} {{ {fields} }} }}')
    assert not found
    assert record.layer[0].transform_param.scale == 0.5
    assert record.layer[0].transform_param.mirror
