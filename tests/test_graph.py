"""From definitions to graphs: rules, values and their versions, automatic tops, loss weights."""

from __future__ import annotations

import pytest

from netc.api.definition import loads
from netc.errors import NetError
from netc.graph import AUTOMATIC, Graph, State, build
from netc.layer import Phase

DATA = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 } } }\n'


def graph_of(text: str, phase: Phase = "TRAIN", level: int = 0, stages: tuple[str, ...] = ()) -> Graph:
    definition = loads(text)
    return build(definition.record, definition.types, State(phase, level, stages))


def ruled(name: str, rules: str) -> str:
    return f'layer {{ name: "{name}" type: "ReLU" bottom: "data" top: "{name}" {rules} }}\n'


@pytest.mark.parametrize(
    ("rules", "state", "is_in"),
    [
        ("", State("TRAIN"), True),
        ("include { phase: TRAIN }", State("TRAIN"), True),
        ("include { phase: TEST }", State("TRAIN"), False),
        ("include { phase: TEST } include { phase: TRAIN }", State("TRAIN"), True),
        ("exclude { phase: TRAIN }", State("TRAIN"), False),
        ("exclude { phase: TEST }", State("TRAIN"), True),
        ("exclude { phase: TEST } exclude { phase: TRAIN }", State("TRAIN"), False),
        ("include { min_level: 2 }", State("TEST", 1), False),
        ("include { min_level: 2 max_level: 3 }", State("TEST", 3), True),
        ("include { max_level: 3 }", State("TEST", 4), False),
        ('include { stage: "a" stage: "b" }', State("TEST", 0, ("a",)), False),
        ('include { stage: "a" stage: "b" }', State("TEST", 0, ("b", "a", "c")), True),
        ('include { stage: "a" } include { stage: "b" }', State("TEST", 0, ("b",)), True),
        ('include { not_stage: "a" }', State("TEST", 0, ("a",)), False),
        ('include { phase: TEST not_stage: "a" }', State("TEST", 0, ("b",)), True),
        ('exclude { stage: "a" not_stage: "b" }', State("TEST", 0, ("a",)), False),
        ('exclude { stage: "a" not_stage: "b" }', State("TEST", 0, ("a", "b")), True),
        ("include { }", State("TRAIN"), True),
    ],
)
def test_rules(rules: str, state: State, is_in: bool) -> None:
    definition = loads(DATA + ruled("r", rules))
    graph = build(definition.record, definition.types, state)
    assert [n.name for n in graph.nodes] == ["data", "r"][: 1 + is_in]


def test_the_state_of_the_file_counts_too() -> None:
    text = 'state { level: 3 stage: "a" }\n' + DATA + ruled("r", 'include { min_level: 3 stage: "a" stage: "b" }')
    assert [n.name for n in graph_of(text).nodes] == ["data"]
    assert [n.name for n in graph_of(text, stages=("b",)).nodes] == ["data", "r"]
    assert graph_of(text, "TEST", stages=("b",)).state == State("TEST", 3, ("a", "b"))


def test_every_top_is_a_value_and_in_place_is_a_version() -> None:
    graph = graph_of(
        DATA
        + 'layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc" inner_product_param { num_output: 3 } }\n'
        + 'layer { name: "raw" type: "TanH" bottom: "fc" top: "raw" }\n'
        + 'layer { name: "relu" type: "ReLU" bottom: "fc" top: "fc" }\n'
        + 'layer { name: "drop" type: "Dropout" bottom: "fc" top: "fc" }\n'
        + 'layer { name: "sum" type: "Eltwise" bottom: "fc" bottom: "raw" bottom: "fc" top: "sum" }\n'
    )
    assert [(v.name, v.version) for v in graph.values] == [
        ("data", 0),
        ("fc", 0),
        ("raw", 0),
        ("fc", 1),
        ("fc", 2),
        ("sum", 0),
    ]
    assert graph.values[1].consumers == ((2, 0), (3, 0))
    assert graph.values[4].consumers == ((5, 0), (5, 2))
    assert graph.nodes[5].bottoms == (4, 2, 4)
    assert graph.inputs == (0,)
    assert graph.outputs == (5,)


def test_losses_get_tops_and_weights() -> None:
    graph = graph_of(
        'layer { name: "data" type: "Input" top: "x" top: "t"\n'
        "  input_param { shape { dim: 2 dim: 3 } shape { dim: 2 } } }\n"
        'layer { name: "a" type: "SoftmaxWithLoss" bottom: "x" bottom: "t" }\n'
        'layer { name: "b" type: "SoftmaxWithLoss" bottom: "x" bottom: "t" top: "b" top: "prob" }\n'
        'layer { name: "c" type: "SoftmaxWithLoss" bottom: "x" bottom: "t" top: "c" loss_weight: 0.3 }\n'
        'layer { name: "d" type: "Softmax" bottom: "x" top: "d" loss_weight: 2 }\n'
    )
    assert [n.loss_weights for n in graph.nodes] == [(0.0, 0.0), (1.0,), (1.0, 0.0), (pytest.approx(0.3),), (2.0,)]
    assert [graph.values[v].name for v in graph.nodes[1].tops] == [AUTOMATIC]
    assert graph.nodes[1].record.top == (AUTOMATIC,)
    assert [graph.values[v].name for v in graph.outputs] == ["b", "prob", "c", "d"]


def test_layers_know_their_phase_and_propagate_down() -> None:
    graph = graph_of(
        DATA
        + 'layer { name: "a" type: "ReLU" bottom: "data" top: "a" phase: TEST propagate_down: false }\n'
        + 'layer { name: "b" type: "Eltwise" bottom: "data" bottom: "a" top: "b"\n'
        + "  propagate_down: true propagate_down: false }"
    )
    assert [n.record.phase for n in graph.nodes] == ["TRAIN", "TEST", "TRAIN"]
    assert [n.propagate for n in graph.nodes] == [(), (False,), (True, False)]


def test_the_same_name_twice_is_a_warning() -> None:
    graph = graph_of(DATA + ruled("r", "") + ruled("r2", "").replace('name: "r2"', 'name: "r"'))
    assert [d.code.id for d in graph.warnings] == ["GRA008"]
    assert graph.warnings[0].span is not None
    assert (graph.warnings[0].span.line, graph.warnings[0].span.column) == (3, 15)


def test_a_file_without_layers_is_refused() -> None:
    with pytest.raises(NetError) as refused:
        graph_of("# nothing\n")
    assert [d.code.id for d in refused.value.diagnostics] == ["GRA010"]
