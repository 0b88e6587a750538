"""Nets written as programs: short, and exactly the same net."""

from __future__ import annotations

from pathlib import Path

import pytest

import netc
from netc import language
from netc.convert.program import program
from tests.nets.views import NETS

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.mark.parametrize("name", ["train_val", "odd_names", "one_phase"])
def test_programs(name: str, expected) -> None:  # type: ignore[no-untyped-def]
    definition = netc.load(FIXTURES / f"{name}.prototxt")
    text = program(definition)
    expected(FIXTURES / f"{name}.net", text)
    assert netc.loads(text, "again.net").record == definition.record
    assert language.format_text(text) == text


@pytest.mark.parametrize("name", ["googlenet", "mobilenet_v2", "densenet121"])
def test_expanded_nets_come_back_the_same(name: str) -> None:
    definition = netc.load(NETS / f"{name}.net")
    text = program(definition)
    assert netc.loads(text, "again.net").record == definition.record
    assert "layer {" not in text


def test_what_is_no_program_stays_plain_text() -> None:
    text = 'layer { name: "a" type: "Mystery" top: "x" }\nlayer { name: "b" type: "ReLU" bottom: "nobody" top: "x" }'
    definition = netc.loads(text, "odd.prototxt")
    assert netc.loads(program(definition), "again.net").record == definition.record
