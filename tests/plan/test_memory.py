"""The arena: tight for nets that matter, in place exactly where nobody reads what is overwritten."""

from __future__ import annotations

from dataclasses import replace

import pytest

from netc.errors import NetError
from netc.plan.counts import count_net
from netc.plan.model import Plan
from netc.plan.verify import PlanError, verify
from tests.plan.helpers import Run, graph_of, plan, planned, slot
from tests.plan.published import caffenet, googlenet, residual

DATA = 'layer { name: "d" type: "Input" top: "d" top: "t" input_param { shape { dim: 2 dim: 3 } } }\n'


def ip(bottom: str, top: str) -> str:
    fields = "inner_product_param { num_output: 3 }"
    return f'layer {{ name: "{top}" type: "InnerProduct" bottom: "{bottom}" top: "{top}" {fields} }}\n'


def layer(kind: str, bottom: str, top: str, name: str = "") -> str:
    return f'layer {{ name: "{name or kind + top}" type: "{kind}" bottom: "{bottom}" top: "{top}" }}\n'


LOSS = 'layer { name: "loss" type: "EuclideanLoss" bottom: "z" bottom: "t" top: "loss" }\n'


def together(of: Plan, one: tuple[str, int], other: tuple[str, int]) -> bool:
    first, second = slot(of, *one), slot(of, *other)
    assert (first.storage == second.storage) <= (first.offset == second.offset)
    return first.storage == second.storage


@pytest.mark.parametrize(("net", "least"), [(caffenet, 2.0), (googlenet, 2.5)])
def test_training_is_close_to_the_lower_bound(net: object, least: float) -> None:
    assert callable(net)
    found = planned(net())
    memory = found.reference_arena
    assert memory.lower_bound_bytes <= memory.planned_bytes <= 1.05 * memory.lower_bound_bytes
    assert memory.unshared_bytes > least * memory.planned_bytes
    Run(found).check()


def test_counts_of_published_nets() -> None:
    assert count_net(planned(caffenet(1), "TEST")).parameters == 60965224
    assert count_net(planned(caffenet(1), "TEST")).macs == 724406816
    assert count_net(planned(googlenet(1))).blob_values == 13378280


def test_a_net_of_700_layers_is_near_the_bound() -> None:
    graph = graph_of(residual(52))
    assert len(graph.nodes) > 600
    found = plan(graph)
    assert found.reference_arena.planned_bytes <= 1.05 * found.reference_arena.lower_bound_bytes


def test_layers_run_in_place_wherever_they_may() -> None:
    text = DATA + ip("d", "a") + layer("ReLU", "a", "b") + layer("Dropout", "b", "b") + ip("b", "z") + LOSS
    found = planned(text, "TEST")
    assert together(found, ("a", 0), ("b", 0))
    assert together(found, ("b", 0), ("b", 1))
    found = planned(text)
    assert together(found, ("a", 0), ("b", 0))
    assert not together(found, ("b", 0), ("b", 1))  # the backward of ReLU reads what it made


def test_nobody_overwrites_what_is_read_later() -> None:
    text = DATA + ip("d", "a") + layer("ReLU", "a", "a") + layer("TanH", "a", "b")
    read_again = text + 'layer { name: "s" type: "Eltwise" bottom: "a" bottom: "b" top: "z" }\n' + LOSS
    found = planned(read_again)
    assert together(found, ("a", 0), ("a", 1))
    assert not together(found, ("a", 1), ("b", 0))
    Run(found).check()


def test_values_that_backward_reads_stay() -> None:
    text = DATA + ip("d", "a") + ip("a", "raw") + layer("ReLU", "a", "a") + ip("a", "z") + LOSS
    assert together(planned(text), ("a", 0), ("a", 1))
    learned = text + LOSS.replace('"z"', '"raw"').replace('"loss"', '"loss2"')
    found = planned(learned)
    assert not together(found, ("a", 0), ("a", 1))  # the weight gradient of "raw" reads version 0
    Run(found).check()


def test_inputs_and_outputs_stay_readable() -> None:
    text = DATA + layer("ReLU", "d", "d") + ip("d", "z") + layer("TanH", "z", "out") + LOSS
    found = planned(text)
    end = found.end
    assert not together(found, ("d", 0), ("d", 1))
    for blob in ("d", "t", "out", "loss"):
        assert slot(found, blob).last == end
    assert slot(found, "d").first == -1


def test_other_names_for_the_same_values_cost_nothing() -> None:
    text = DATA + ip("d", "a") + layer("Flatten", "a", "f") + layer("Split", "f", "z") + LOSS
    found = planned(text)
    assert found.skipped == {2, 3}
    assert together(found, ("a", 0), ("f", 0))
    assert together(found, ("a", 0), ("z", 0))
    assert [found.graph.nodes[s.layer].name for s in found.backward if s.kind == "backward"] == ["loss", "a"]
    Run(found).check()
    kept = planned(text, keep=True)
    assert kept.skipped == frozenset()
    assert not together(kept, ("a", 0), ("f", 0))


def test_keep_keeps_everything() -> None:
    found = planned(caffenet(1), keep=True)
    end = found.end
    for index in (*found.data, *(d for d in found.diff if d is not None)):
        assert (found.slots[index].first, found.slots[index].last) == (-1, end)


def test_offsets_are_aligned() -> None:
    assert all(s.offset % 64 == 0 for s in planned(googlenet(1)).slots)


def test_verify_finds_a_planner_that_errs() -> None:
    good = planned(DATA + ip("d", "a") + ip("a", "z") + LOSS)
    moved = tuple(replace(s, offset=0) for s in good.slots)
    with pytest.raises(PlanError, match="alive in the same memory"):
        verify(replace(good, slots=moved))
    with pytest.raises(PlanError, match="outside the arena"):
        verify(replace(good, slots=tuple(replace(s, offset=10**9) for s in good.slots)))


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"inputs": {"dd": (1, 2)}}, "PLN008"),
        ({"inputs": {"d": (1, 0)}}, "PLN009"),
        ({"batch": 0}, "PLN009"),
    ],
)
def test_what_the_caller_asks_must_be_possible(options: dict[str, object], code: str) -> None:
    with pytest.raises(NetError) as refused:
        planned(DATA + ip("d", "z") + LOSS, **options)
    assert refused.value.diagnostics[0].code.id == code
