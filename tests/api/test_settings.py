"""What is set from outside: constants, and fields by path, in every kind of file that says them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import netc
from netc import language
from netc.api.jobs import load_job
from netc.api.settings import settings_of
from netc.errors import NetError
from netc.schema.record import Record

NET = """
let width = 8
let double = 2 * width
let split = "train"
let sizes = [1, 2]
def block(x; n) -> y { y = Convolution(x) { num_output: n kernel_size: 3 weight_filler { type: "xavier" } } }
train { data, label = Digits() { split: split batch_size: 4 } }
test { data, label = Digits() { split: "test" batch_size: 5 } }
h = block(data) { n: width }
score = InnerProduct(h) { num_output: double }
loss = SoftmaxWithLoss(score, label)
solver { base_lr: 0.1 lr_policy: "multistep" stepvalue: [1, 2] gamma: 0.1 max_iter: 4 }
"""
PLAIN = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: [2, 3] } } }
layer { name: "fc.1" type: "InnerProduct" bottom: "data" top: "fc.1" inner_product_param { num_output: 4 } }
layer { name: "fc" type: "InnerProduct" bottom: "fc.1" top: "fc" inner_product_param { num_output: 4 } }
"""


def definition(text: str, path: str = "net.net", /, **settings: object) -> netc.Definition:
    return netc.loads(text, path, settings={name.replace("__", "."): value for name, value in settings.items()})


def layer(found: netc.Definition, name: str) -> Any:
    layers: list[Record] = [r for r in found.record.layer if r.name == name]
    return layers[0]


def from_text(*texts: str) -> netc.Definition:
    return netc.loads(NET, "net.net", settings=[language.setting(text) for text in texts])  # type: ignore[arg-type]


def refused(*texts: str) -> list[tuple[str, str]]:
    """The codes of what is said, and the text that it points at."""
    with pytest.raises(NetError) as error:
        from_text(*texts)
    return [
        (str(d.code), d.span.source.text[d.span.start : d.span.end] if d.span else "") for d in error.value.diagnostics
    ]


def test_a_constant_is_another_for_all_who_use_it() -> None:
    found = definition(NET, width=16)
    assert layer(found, "h/y").convolution_param.num_output == 16
    assert layer(found, "score").inner_product_param.num_output == 32


def test_an_expression_stands_where_the_constant_stood_and_sees_those_before_it() -> None:
    found = from_text("double=width + 1", "width=2 ** 4")
    assert layer(found, "score").inner_product_param.num_output == 17


def test_a_string_needs_no_quotes_where_a_string_is() -> None:
    for text in ("split=test", 'split="test"', "split = 'test'"):
        assert layer(from_text(text), "data").digits_param.split == "test"
    assert from_text("solver.snapshot_prefix=a b/c.d").record.solver.snapshot_prefix == "a b/c.d"
    assert from_text("solver.type=Adam").record.solver.type == "Adam"
    assert from_text("solver.weights=[a, 'b c']").record.solver.weights == ("a", "b c")


def test_fields_by_path() -> None:
    found = from_text("solver.base_lr=.5", "solver.early_stop.patience=3", "solver.stepvalue=[3, 4, 5]", "name='x'")
    solver = found.record.solver
    assert (solver.base_lr, solver.early_stop.patience, solver.stepvalue) == (0.5, 3, (3, 4, 5))
    assert found.record.name == "x"
    assert solver.max_iter == 4


def test_a_block_and_one_of_several_blocks() -> None:
    found = from_text("solver.early_stop={ output: 'loss' mode: MIN }")
    assert (found.record.solver.early_stop.output, found.record.solver.early_stop.mode) == ("loss", "MIN")
    two = NET.replace("max_iter: 4", "max_iter: 4 test_state { stage: 'a' } test_state [{ stage: 'b' }]")
    states = definition(two, solver__test_state__1__level=3).record.solver.test_state
    assert [(s.level, s.stage) for s in states] == [(0, ("a",)), (3, ("b",))]
    with pytest.raises(NetError) as error:
        definition(two, solver__test_state__level=3)
    assert str(error.value.diagnostics[0].code) == "SYN051"
    with pytest.raises(NetError) as error:
        definition(two, solver__test_state__2__level=3)
    assert str(error.value.diagnostics[0].code) == "SYN051"


def test_a_name_alone_may_be_a_field_of_the_solver() -> None:
    assert from_text("base_lr=0.25").record.solver.base_lr == 0.25


def test_fields_of_layers_as_in_the_body_of_a_call() -> None:
    found = from_text(
        "h/y.num_output=3", "h/y.weight_filler.std=2", "h/y.weight_filler.type=gaussian", "data.batch_size=7"
    )
    assert layer(found, "h/y").convolution_param.num_output == 3
    assert layer(found, "h/y").convolution_param.weight_filler.std == 2
    assert [r.digits_param.batch_size for r in found.record.layer if r.name == "data"] == [7, 7]
    assert layer(from_text("loss.loss_weight=[0.5]"), "loss").loss_weight == (0.5,)


def test_the_longest_name_of_a_layer_counts() -> None:
    found = definition(PLAIN, "x.prototxt", **{"fc.1.num_output": 9})
    sizes = {r.name: r.inner_product_param.num_output for r in found.record.layer if r.type == "InnerProduct"}
    assert sizes == {"fc.1": 9, "fc": 4}


@pytest.mark.parametrize(
    ("text", "code", "at"),
    [
        ("width", "SYN050", "width"),
        ("=3", "SYN050", "=3"),
        ("a..b=3", "SYN050", "a..b=3"),
        ("width=", "SYN050", "width="),
        ("widht=3", "SYN051", "widht"),
        ("h/y=3", "SYN051", "h/y"),
        ("solver.base_lr.x=3", "SYN051", "solver.base_lr.x"),
        ("solver.nothing.x=3", "SYN051", "solver.nothing.x"),
        ("solver.base_lrr=3", "SCH001", "solver.base_lrr"),
        ("h/y.kernel_sizes=3", "SCH001", "h/y.kernel_sizes"),
        ("base_lr=much", "SCH003", "much"),
        ("width=2 +", "SYN001", "+"),
        ("width=two words", "SYN001", "words"),
        ("solver.max_iter=1/0", "SYN034", "1/0"),
    ],
)
def test_what_cannot_be_set_is_said_where_it_was_written(text: str, code: str, at: str) -> None:
    assert (code, at) in [(c, a) for c, a in refused(text)]


def test_several_mistakes_are_said_at_once() -> None:
    assert [code for code, _ in refused("nothing=1", "solver.base_lr=x", "solver.typ=1")] == [
        "SYN051",
        "SCH003",
        "SCH001",
    ]


def test_values_of_python() -> None:
    found = definition(NET, sizes=[3, 4], split='a"b${c}', solver__test_initialization=False, width=5)
    assert layer(found, "data").digits_param.split == 'a"b${c}'
    assert found.record.solver.test_initialization is False
    with pytest.raises(NetError) as error:
        definition(NET, width={"a": 1})
    assert str(error.value.diagnostics[0].code) == "SYN050"


def test_a_solver_file_hands_on_what_it_does_not_know(tmp_path: Path) -> None:
    (tmp_path / "net.net").write_text(NET.partition("solver")[0])
    solver = tmp_path / "solver.prototxt"
    solver.write_text('net: "net.net" base_lr: 0.1 lr_policy: "fixed" max_iter: 3')
    job = load_job(solver, settings={"width": 16, "max_iter": 9, "solver.base_lr": 0.5, "score.bias_term": False})
    assert (job.record.max_iter, job.record.base_lr) == (9, 0.5)
    assert layer(job.train, "h/y").convolution_param.num_output == 16
    assert not layer(job.train, "score").inner_product_param.bias_term
    with pytest.raises(NetError) as error:
        load_job(solver, settings={"widht": 16})
    assert [str(d.code) for d in error.value.diagnostics] == ["SYN051"]
    with pytest.raises(NetError):
        netc.check(solver, settings={"widht": 16})


def test_of_two_nets_each_is_set_where_it_has_the_name(tmp_path: Path) -> None:
    text = NET.partition("solver")[0]
    (tmp_path / "a.net").write_text(text)
    (tmp_path / "b.net").write_text(text.replace("let width = 8", "let width = 8\nlet only = 3"))
    solver = tmp_path / "solver.prototxt"
    solver.write_text(
        'train_net: "a.net" test_net: "b.net" test_iter: 1 test_interval: 5 base_lr: 0.1 lr_policy: "fixed"'
    )
    job = load_job(solver, settings={"width": 16, "only": 5})
    found = [layer(d, "h/y").convolution_param.num_output for d in (job.train, job.tests[0].definition)]
    assert found == [16, 16]


def test_nothing_is_set_twice_and_the_last_one_counts() -> None:
    assert layer(from_text("width=2", "width=3"), "h/y").convolution_param.num_output == 3


def test_settings_are_kept_as_they_are_given() -> None:
    given = settings_of({"a": 1, "b.c": "x"})
    assert [(s.name, s.text) for s in given] == [("a", "1"), ("b.c", '"x"')]
    assert settings_of(given) == given
