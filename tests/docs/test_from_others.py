"""The tables of docs/keras_pytorch.md: what stands there as netc's is a net, and gives the shapes that are shown."""

from __future__ import annotations

from pathlib import Path

import pytest

import netc
from netc.layer import format_shape
from tests.docs.pages import ROOT, parts

PAGE = ROOT / "docs/keras_pytorch.md"
INPUT = "x = Input() { shape { dim: [2, 3, 8, 8] } }\n"
NET = """
data, label = Digits() { batch_size: 4 }
target = DummyData() { shape { dim: [4, 10] } data_filler { value: 1 } }
score = InnerProduct(data) { num_output: 10 weight_filler { type: "xavier" } }
test { accuracy = Accuracy(score, label) }
"""
SOLVER = 'solver { base_lr: 0.01 lr_policy: "fixed" max_iter: 100 }'


def rows(heading: str, name: str) -> list[list[str]]:
    """The cells of the table that a test holds, below a heading."""
    held = f"tests/docs/{Path(__file__).name}::{name}"
    found = next(p for p in parts(PAGE) if p.section[-1] == heading and p.marks.get("held by") == held)
    return found.rows()[1:]


LAYERS = rows("Layers", "test_each_layer_gives_the_shape_that_is_shown")
IDIOMS = rows("Training", "test_each_idiom_is_a_net")


@pytest.mark.parametrize(("call", "shape"), [(row[2].strip("`"), row[3]) for row in LAYERS])
def test_each_layer_gives_the_shape_that_is_shown(call: str, shape: str) -> None:
    plan = netc.plan(netc.loads(f"{INPUT}y = {call}"))
    assert format_shape(plan.shapes[plan.graph.outputs[-1]]) == shape


@pytest.mark.parametrize("written", [row[2].strip("`") for row in IDIOMS])
def test_each_idiom_is_a_net(written: str, tmp_path: Path) -> None:
    solver = written if written.startswith("solver") else SOLVER
    loss = "loss = SoftmaxWithLoss(score, label)" if written.startswith("solver") else written
    path = tmp_path / "a.net"
    path.write_text(f"{NET}{loss}\nother = Silence(target)\n{solver}".replace("other = ", ""))
    history = netc.Solver(path, changes={"max_iter": 2, "snapshot_after_train": False}).solve()
    assert history.train[-1]["iteration"] == 1
