"""Which layers run backward, which bottoms get a gradient, and how parameters are learned."""

from __future__ import annotations

import pytest

from netc.plan.model import Plan
from tests.plan.helpers import planned, slot

DATA = 'layer { name: "d" type: "Input" top: "d" top: "t" input_param { shape { dim: 2 dim: 3 } } }\n'


def fc(bottom: str, top: str, more: str = "") -> str:
    fields = "inner_product_param { num_output: 3 }"
    return f'layer {{ name: "{top}" type: "InnerProduct" bottom: "{bottom}" top: "{top}" {fields} {more} }}\n'


def loss(bottom: str, more: str = "") -> str:
    return f'layer {{ name: "loss" type: "EuclideanLoss" bottom: "{bottom}" bottom: "t" top: "loss" {more} }}\n'


FROZEN = "param { lr_mult: 0 } param { lr_mult: 0 }"


def backward(of: Plan) -> dict[str, tuple[bool, ...]]:
    """Which bottoms get a gradient, of the layers that run backward."""
    return {n.name: p.bottom_gradient for n, p in zip(of.graph.nodes, of.layers, strict=True) if p.needs_backward}


def test_a_plain_chain() -> None:
    found = planned(DATA + fc("d", "a") + fc("a", "b") + loss("b"))
    assert backward(found) == {"a": (False,), "b": (True,), "loss": (True, False)}
    assert [s.kind for s in found.backward] == ["loss", "backward", "backward", "backward"]
    assert all(p.learned for p in found.params)


def test_no_backward_for_inference() -> None:
    found = planned(DATA + fc("d", "a") + loss("a"), "TEST")
    assert (backward(found), found.backward, found.backward_planned) == ({}, (), False)
    assert set(found.diff) == {None}
    assert not any(p.learned for p in found.params)


def test_a_frozen_front_is_skipped() -> None:
    found = planned(DATA + fc("d", "a", FROZEN) + fc("a", "b") + loss("b"))
    assert backward(found) == {"b": (False,), "loss": (True, False)}
    assert [p.learned for p in found.params] == [False, False, True, True]


def test_what_no_loss_reaches_is_skipped() -> None:
    found = planned(DATA + fc("d", "a") + fc("a", "side") + fc("a", "b") + loss("b"))
    assert set(backward(found)) == {"a", "b", "loss"}
    assert all(p.learned for p in found.params)  # decay still applies to what gets no gradient, as in Caffe


def test_a_loss_weight_of_zero_is_no_loss() -> None:
    assert backward(planned(DATA + fc("d", "a") + loss("a", "loss_weight: 0"))) == {}


def test_propagate_down_stops_a_gradient() -> None:
    found = planned(DATA + fc("d", "a") + fc("a", "b", "propagate_down: false") + loss("b"))
    assert backward(found) == {"b": (False,), "loss": (True, False)}


def test_propagate_down_asks_for_a_gradient() -> None:
    found = planned(DATA + fc("d", "a", "propagate_down: true") + loss("a"))
    assert backward(found) == {"a": (True,), "loss": (True, False)}
    diff = found.diff[0]
    assert diff is not None
    assert found.slots[diff].last == found.end  # readable afterwards


def test_force_backward_asks_for_all() -> None:
    found = planned("force_backward: true\n" + DATA + fc("d", "a", FROZEN) + fc("a", "b"))
    assert backward(found) == {"a": (True,), "b": (True,)}
    assert [s.kind for s in found.backward] == ["zero", "backward", "backward"]
    assert all(p.learned for p in found.params)
    assert [p.lr_mult for p in found.params] == [0, 0, 1, 1]


def test_gradients_of_a_branch_are_added() -> None:
    found = planned(DATA + fc("d", "a") + fc("a", "b") + fc("a", "c") + loss("a").replace('"t"', '"b"') + loss2())
    kinds = [(s.kind, found.graph.nodes[s.layer].name) for s in found.backward]
    assert kinds == [
        ("loss", "loss2"),
        ("backward", "loss2"),
        ("loss", "loss"),
        ("backward", "loss"),
        ("backward", "c"),
        ("add", "c"),
        ("backward", "b"),
        ("add", "b"),
        ("backward", "a"),
    ]


def loss2() -> str:
    return 'layer { name: "loss2" type: "EuclideanLoss" bottom: "c" bottom: "t" top: "loss2" }\n'


def test_statistics_are_never_learned() -> None:
    text = DATA + fc("d", "a") + 'layer { name: "bn" type: "BatchNorm" bottom: "a" top: "bn" }\n' + loss("bn")
    found = planned(text)
    assert [(p.name, p.learned) for p in found.params[2:]] == [(p.name, False) for p in found.params[2:]]
    assert len(found.params) == 5


def test_shared_parameters_have_one_owner() -> None:
    spec = 'param { name: "w" } param { name: "v" lr_mult: 2 }'
    text = DATA + fc("d", "a", spec) + fc("a", "b", 'param { name: "w" lr_mult: 3 decay_mult: 0 }') + loss("b")
    found = planned(text)
    assert [(p.name, p.layer, p.lr_mult, p.decay_mult) for p in found.params] == [
        ("w", 1, 3.0, 0.0),
        ("v", 1, 2.0, 1.0),
        ("b/bias", 2, 1.0, 1.0),
    ]
    assert [layer.params for layer in found.layers] == [(), (0, 1), (0, 2), ()]


def test_permissive_sharing_asks_for_the_number_of_values_only() -> None:
    text = DATA + fc("d", "a", 'param { name: "w" }') + fc("a", "b", 'param { name: "w" share_mode: PERMISSIVE }')
    text = text.replace("dim: 3 }", "dim: 4 }") + loss("b")
    text = text.replace('top: "b" inner_product_param { num_output: 3', 'top: "b" inner_product_param { num_output: 4')
    found = planned(text)
    assert [found.layers[i].setup.params[0].shape for i in (1, 2)] == [(3, 4), (4, 3)]
    assert found.layers[2].params == (0, 2)


@pytest.mark.parametrize("size", [1, 5])
def test_batches_and_inputs_given_by_the_caller(size: int) -> None:
    found = planned(DATA + fc("d", "a") + loss("a"), batch=size)
    assert slot(found, "a").shape == (size, 3)
    found = planned(DATA + fc("d", "a") + loss("a"), inputs={"d": (size, 7)})
    assert (slot(found, "d").shape, slot(found, "t").shape) == ((size, 7), (size, 3))
