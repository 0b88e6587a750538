"""Text to records: protobuf's rules of values, and every mistake with its place and its hint."""

from __future__ import annotations

import math
from typing import Any

import pytest
from google.protobuf import text_format

from netc.errors import Report, Source, Span
from netc.language.tree import Block, Field
from netc.schema.confusions import FIELDS
from netc.schema.registry import base_schema
from netc.schema.typing import type_document
from netc.schema.values import single
from tests.schema.common import SCHEMA, covered, found, net, solver, to_message, typed

LAYER = 'layer { name: "a" type: "Convolution" bottom: "x" top: "y" %s }'


def convolution(fields: str) -> tuple[Any, Any]:
    record, report = typed(LAYER % f"convolution_param {{ {fields} }}")
    return record.layer[0].convolution_param, report


@pytest.mark.parametrize(
    ("text", "value"),
    [("7", 7), ("0x1F", 31), ("017", 15), ("0", 0), ("4294967295", 2**32 - 1)],
)
def test_unsigned(text: str, value: int) -> None:
    record, report = convolution(f"num_output: {text}")
    assert not report.diagnostics
    assert record.num_output == value


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", 1.0), ("1.", 1.0), (".5", 0.5), ("1e-3", 1e-3), ("1e-3f", 1e-3), ("-2.5E+2", -250.0), ("inf", math.inf),
     ("-inf", -math.inf), ("1e40", math.inf), ("0.1", 0.1), ("0", 0.0), ("0.5f", 0.5), ("0.30000000001", 0.3)],
)  # fmt: skip
def test_floats(text: str, value: float) -> None:
    record, report = typed(f"base_lr: {text}", "SolverParameter")
    assert not report.diagnostics
    assert record.base_lr == value


def test_nan() -> None:
    record, _ = typed("base_lr: nan", "SolverParameter")
    assert math.isnan(record.base_lr)


def test_single_is_the_shortest_decimal() -> None:
    assert single(0.1) == 0.1
    assert single(1 / 3) == 0.33333334
    assert single(16777217.0) == 16777216.0
    assert single(-1e-45) == -1.4013e-45
    assert single(3.4028234663852886e38) == 3.4028235e38


@pytest.mark.parametrize(
    ("text", "value"),
    [("true", True), ("True", True), ("t", True), ("1", True), ("false", False), ("False", False), ("f", False),
     ("0", False), ("01", True), ("0x0", False)],
)  # fmt: skip
def test_bools(text: str, value: bool) -> None:
    record, report = convolution(f"bias_term: {text}")
    assert not report.diagnostics
    assert record.bias_term is value


@pytest.mark.parametrize("text", ["AVE", "1", "'AVE'", '"AVE"'])
def test_enums(text: str) -> None:
    record, report = typed(f"layer {{ pooling_param {{ pool: {text} }} }}")
    assert not report.diagnostics
    assert record.layer[0].pooling_param.pool == "AVE"


def test_strings_and_bytes() -> None:
    record, report = typed("name: 'a' \"b\"")
    assert record.name == "ab"
    record, report = typed('data: "\\377\\000z" label: -1', "Datum")
    assert not report.diagnostics
    assert record.data == b"\xff\x00z"


def test_lists_and_blocks() -> None:
    record, report = typed(
        'input: ["a", "b"] input_shape: [{ dim: [1, 2] }, < dim: 3 dim: [4, 5] >] input_dim: [] layer: { }'
    )
    assert not report.diagnostics
    assert record.input == ("a", "b")
    assert [shape.dim for shape in record.input_shape] == [(1, 2), (3, 4, 5)]
    assert record.input_dim == ()
    assert not record.has("input_dim")
    assert record.has("layer")


def test_spans() -> None:
    record, _ = typed(LAYER % "convolution_param { kernel_size: [3, 5] num_output: 8 }")
    layer = record.layer[0]
    assert covered(record.span_of("layer", 0)) == "layer"
    assert covered(layer.span).startswith("layer {")
    assert covered(layer.span).endswith("}")
    assert covered(layer.span_of("bottom", 0)) == '"x"'
    assert covered(layer.span_of("convolution_param")) == "convolution_param"
    assert covered(layer.convolution_param.span_of("kernel_size", 1)) == "5"
    assert layer.convolution_param.span_of("pad") is layer.convolution_param.span


@pytest.mark.parametrize(
    ("text", "code", "where", "help"),
    [
        (LAYER % "convolution_param { kernel_sise: 3 }", "SCH001", "kernel_sise", "`kernel_size`"),
        (LAYER % "convolution_param { stride_size: 3 }", "SCH001", "stride_size", "`stride`"),
        (LAYER % "convolution_param { kernel: 3 }", "SCH001", "kernel", "`kernel_size`"),
        (LAYER % "convolution_param { pad_size: 3 }", "SCH001", "pad_size", "`pad`"),
        (LAYER % "num_output: 3 convolution_param { }", "SCH001", "num_output", "`convolution_param { num_output:"),
        (LAYER % "kernel_size: 3", "SCH001", "kernel_size", "`convolution_param { kernel_size:"),
        (LAYER % "blobs_lr: 3", "SCH001", "blobs_lr", "`param { lr_mult: ... }`"),
        (LAYER % "layer { }", "SCH001", "layer", "do not nest"),
        (LAYER % "param { weight_decay: 1 }", "SCH001", "weight_decay", "`decay_mult`"),
        (LAYER % "dense_param { units: 3 }", "SCH001", "dense_param", "`inner_product_param`"),
        (LAYER % "max_pool_param { }", "SCH001", "max_pool_param", "`pooling_param`"),
        (LAYER % "flatten_param { start: 1 }", "SCH001", "start", "`axis`"),
        (LAYER % "concat_param { dim: 1 }", "SCH001", "dim", "did you mean `axis`?"),
        (LAYER % "lrn_param { size: 5 }", "SCH001", "size", "did you mean `local_size`?"),
        (LAYER % "reshape_param { dim: 1 }", "SCH001", "dim", "write `shape { dim: ... }`"),
        (LAYER % "batch_norm_param { gamma: 1 }", "SCH001", "gamma", 'type: "Scale"'),
        (LAYER % "data_param { batch_size: 1 } scale: 0.5", "SCH001", "scale", "`transform_param { scale: ... }`"),
        (LAYER % "concat_param { lr_mult: 1 }", "SCH001", "lr_mult", "outside of `concat_param`"),
        (LAYER % "power_param { nothing: 1 }", "SCH001", "nothing", "it has `power`, `scale`, `shift`"),
        ("input_shape: [1, 3, 4, 4]", "SCH003", "[1, 3, 4, 4]", "write `input_shape { dim: [1, 3, 4, 4] }`"),
        (LAYER % "include: TEST", "SCH003", "TEST", "write `include { phase: TEST }`"),
        (LAYER % "convolution_param { weight_filler: 'msra' }", "SCH003", "'msra'", "weight_filler { type: 'msra' }"),
        ("layer { type: CONVOLUTION }", "SCH003", "CONVOLUTION", 'in quotes: "Convolution"'),
        ("layers { type: 'Convolution' }", "SCH005", "'Convolution'", "did you mean CONVOLUTION?"),
        (LAYER % "lr_mult: 3", "SCH001", "lr_mult", "`param { lr_mult:"),
        (LAYER % "qqqqq: 3", "SCH001", "qqqqq", None),
        (LAYER % "roi_align_param { pooled_w: 7 }", "SCH002", "roi_align_param", "does not know"),
        (LAYER % "convolution_param { num_output: 'ten' }", "SCH003", "'ten'", "for example"),
        (LAYER % "convolution_param { num_output: '10' }", "SCH003", "'10'", "take the quotes away: 10"),
        (LAYER % "convolution_param { num_output: 1.5 }", "SCH003", "1.5", "for example"),
        (LAYER % "convolution_param { num_output: { } }", "SCH003", "{ }", None),
        (LAYER % "convolution_param: 3", "SCH003", "3", "convolution_param { ... }"),
        (LAYER % "convolution_param { bias_term: TRUE }", "SCH003", "TRUE", "write true"),
        (LAYER % "convolution_param { bias_term: no }", "SCH003", "no", "write false"),
        (LAYER % "convolution_param { bias_term: 2 }", "SCH003", "2", "for example"),
        (LAYER % "loss_weight: 010", "SCH003", "010", "octal"),
        (LAYER % "loss_weight: 0x10", "SCH003", "0x10", "for example"),
        ("name: net", "SCH003", "net", 'in quotes: "net"'),
        (LAYER % "convolution_param { num_output: -1 }", "SCH004", "-1", None),
        (LAYER % "convolution_param { num_output: 4294967296 }", "SCH004", "4294967296", None),
        (LAYER % f"convolution_param {{ num_output: {'9' * 5000} }}", "SCH004", "9" * 5000, None),
        ("input_dim: 2147483648", "SCH004", "2147483648", None),
        (LAYER % "pooling_param { pool: AVG }", "SCH005", "AVG", "did you mean AVE?"),
        (LAYER % "pooling_param { pool: 7 }", "SCH005", "7", None),
        ("layers { type: CROP }", "SCH002", "CROP", "crop_param { axis: 2 offset: ... }"),
        ("layers { type: MAT_READ }", "SCH002", "MAT_READ", "does not know"),
        ("name: 'a' name: 'b'", "SCH006", "name", None),
        (LAYER % "convolution_param { } convolution_param { }", "SCH006", "convolution_param", None),
        (LAYER % "pooling_param { kernel_size: 2 kernel_size: 3 }", "SCH006", "kernel_size", "`kernel_h`"),
        (LAYER % "clip_param { min: 0 }", "SCH007", "clip_param { min: 0 }", None),
        (LAYER % "pooling_param { kernel_size: [2] }", "SCH009", "[2]", "`kernel_h`"),
        (LAYER % "lrn_param { alpha: [2] }", "SCH009", "[2]", "single value"),
    ],
)  # fmt: skip
def test_mistakes(text: str, code: str, where: str, help: str | None) -> None:
    _, report = typed(text)
    assert found(report) == [(code, where)]
    given = report.diagnostics[0].help
    assert (given is None) if help is None else (given is not None and help in given)


def test_a_wrong_value_of_a_required_field_is_one_mistake() -> None:
    _, report = typed(LAYER % "clip_param { min: 0 max: 'six' }")
    assert found(report) == [("SCH003", "'six'")]


def test_the_same_unknown_field_is_one_mistake() -> None:
    _, report = typed("input_dims: 1 input_dims: 3 input_dims: 5 input_dims: 7 input_dims: 9")
    (said,) = report.diagnostics
    assert [note.span.column for note in said.notes if note.span] == [15, 29, 43]


def test_all_mistakes_at_once() -> None:
    record, report = net(
        """name: "n"
layer { name: "c" type: "Convolution" convolution_param { kernel_sise: 3 num_output: "x" } }
layer { name: "p" type: "Pooling" pooling_param { pool: AVG kernel_size: 2 } }
layerr { }
"""
    )
    assert [(code, where) for code, where in found(report)] == [
        ("SCH001", "kernel_sise"),
        ("SCH003", '"x"'),
        ("SCH005", "AVG"),
        ("SCH001", "layerr"),
    ]
    assert [str(d.span) for d in report.diagnostics] == [
        "<string>:2:59", "<string>:2:86", "<string>:3:57", "<string>:4:1",
    ]  # fmt: skip
    assert len(record.layer) == 2
    assert record.layer[1].pooling_param.kernel_size == 2


def test_mistakes_are_limited() -> None:
    _, report = typed(" ".join(f"x{i}: 1" for i in range(1000)))
    assert len(report.diagnostics) == 200
    assert "further mistakes" in report.diagnostics[-1].message


def test_deep_messages() -> None:
    span = Span(Source("<string>", "{ }"), 0, 3)
    block = Block((), span)
    for depth in range(100_000):
        block = Block((Field("net_param" if depth % 2 else "solver", span, block, span),), span)
    report = Report()
    type_document(block, base_schema().message("SolverParameter"), report)
    assert [d.code.id for d in report.diagnostics] == ["SCH008"]


def test_fork_fields_that_netc_reads_give_a_warning_each() -> None:
    text = 'layer { type: "Pooling" pooling_param { kernel_size: 2 ceil_mode: false } } '
    record, report = net(text * 2)
    assert found(report) == [("SCH010", "ceil_mode")]
    assert not report.failed
    assert record.layer[1].pooling_param.round_mode == "FLOOR"
    assert not record.layer[1].pooling_param.has("ceil_mode")


def test_confusions_lead_to_fields() -> None:
    schema = base_schema()
    names = {name for message in schema.messages for name in schema.message(message).fields}
    for wrong, meant in FIELDS.items():
        assert wrong == wrong.lower()
        assert set(meant) <= names, wrong


def test_files_of_another_kind() -> None:
    _, report = net("base_lr: 0.1 max_iter: 10 lr_policy: 'fixed'")
    assert found(report) == [("SCH025", "base_lr")]
    _, report = solver("layer { } layer { } name: 'x'")
    assert found(report) == [("SCH025", "layer")]
    _, report = net("item { name: 'none' label: 0 } item { name: 'cat' label: 1 }")
    assert found(report) == [("SCH002", "item")]
    assert "not a net" in report.diagnostics[0].message


ACCEPTED = [
    "name: 'n' input: 'data' input_dim: [1, 3, 0x10, 017] force_backward: t state { level: -3 stage: 'a' 'b' }",
    LAYER % "loss_weight: [1, .5, 1e-3] param { lr_mult: 1. } param < decay_mult: 0 > propagate_down: [true, 0]",
    LAYER
    % "convolution_param { num_output: 3 pad: 1; pad: 2, weight_filler { type: 'xavier' variance_norm: AVERAGE } }",
    LAYER % "lrn_param { alpha: 1e-40 beta: 3.4028235e38 k: 0.333333333 norm_region: 1 } reshape_param { axis: -1 }",
    "layers { type: CONVOLUTION blobs_lr: 1 blobs_lr: 2 blobs { data: [1, 2.5] shape { dim: 2 } } layer { k: 2 } }",
]


@pytest.mark.parametrize("text", ACCEPTED)
def test_as_protobuf_reads_it(text: str) -> None:
    record, report = typed(text)
    assert not report.diagnostics
    assert to_message(record) == text_format.Parse(text, SCHEMA.message_class("NetParameter")())
