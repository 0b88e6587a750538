"""`netc scale`: a table of nodes, from a step that is measured."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import ROOT, Run

DIGITS = ROOT / "nets/digits.net"


def test_a_table_of_nodes(run: Run) -> None:
    done = run(
        "scale", DIGITS, "--nodes", "1..6", "--network", "10Gb/s", "--latency", "1ms", "--iterations", 1, "--json"
    )
    found = json.loads(done.out)
    assert [row["ranks"] for row in found["nodes"]] == [1, 2, 4, 6]
    measured, last = found["measured"], found["nodes"][-1]
    assert measured["images"] == 64
    assert last["exchange"] == pytest.approx(2 * 5 * (1e-3 + measured["gradients"] / 6 / 1.25e9))
    assert found["nodes"][0]["efficiency"] == 1
    assert [when for when, _ in measured["done"]] == sorted(when for when, _ in measured["done"])
    assert measured["done"][-1][0] == measured["backward"]
    assert all(0 <= row["hidden"] <= 1 for row in found["nodes"])


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--network", "fast", "25Gb/s"),
        ("--network", "0Gb/s", "more than nothing"),
        ("--latency", "5", "5us"),
        ("--nodes", "8..2", "1..256"),
    ],
)
def test_what_is_no_quantity_is_told_what_to_write(run: Run, option: str, value: str, said: str) -> None:
    done = run("scale", DIGITS, option, value)
    assert done.code == 2
    assert said in done.err


def test_a_net_without_a_loss_is_refused(run: Run) -> None:
    done = run("scale", DIGITS, "--phase", "TEST", "--iterations", "1")
    assert done.code == 1
    assert "CLI018" in done.err
