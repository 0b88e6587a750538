"""Drawings: which layers share a box, what frames a composite, what is written once."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import pytest

import netc
from netc.report.diagram import Boxes, boxes
from netc.report.draw import COLOURS, draw
from netc.report.rendering import picture
from netc.role import Family

ROOT = Path(__file__).parent.parent.parent
NET = """
def block(x; width) -> y {
  y = Convolution(x) { num_output: width kernel_size: 3 pad: 1 }
  y = BatchNorm(y)
  y = ReLU(y)
}
data = Input() { shape { dim: [2, 3, 8, 8] } }
h = block(data) { width: 8 }
h = block(h) { width: 8 }
p = Pooling(h) { kernel_size: 2 stride: 2 }
q = Pooling(h) { kernel_size: 2 stride: 2 pool: AVE }
s = Eltwise(p, q)
r = ReLU(s) as "apart/relu"
t = TanH(s)
z = Reduction(t)
"""


def planned(text: str = NET) -> netc.Plan:
    return netc.plan(netc.loads(text))


def types(plan: netc.Plan, found: Boxes) -> list[list[str]]:
    return [[plan.graph.nodes[i].type.name for i in box.layers] for box in found.boxes]


CHAIN = ["Convolution", "BatchNorm", "ReLU"]


def test_layers_in_place_go_with_the_layer_above() -> None:
    plan = planned()
    found = boxes(plan, "plain")
    rest = [["Pooling"], ["Pooling"], ["Eltwise"], ["ReLU"], ["TanH"], ["Reduction"]]
    assert types(plan, found) == [["Input"], CHAIN, CHAIN, *rest]
    assert found.clusters == ()  # a frame around one box says nothing


def test_compact_has_a_box_for_each_composite() -> None:
    plan = planned()
    found = boxes(plan, "compact")
    assert types(plan, found)[:2] == [["Input"], CHAIN * 2]
    assert (found.boxes[1].composite, found.boxes[1].repeats) == ("block", 2)
    assert found.clusters == ()


def test_full_has_a_box_for_each_layer() -> None:
    plan = planned()
    found = boxes(plan, "full")
    assert all(len(box.layers) == 1 for box in found.boxes)
    assert [len(box.clusters) for box in found.boxes] == [0, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0]


def test_a_shape_is_written_once_and_outputs_are_shown() -> None:
    source = draw(planned()).source
    assert source.count("2x8x8x8") == 2  # of each block's top, which two layers read in the end
    assert "o1 [label=z fillcolor" in source
    assert "scalar" not in source


@pytest.mark.parametrize("style", ["plain", "compact", "full"])
@pytest.mark.parametrize("name", ["googlenet", "resnet18", "unet", "digits", "densenet121"])
def test_every_layer_is_in_one_box_and_every_value_between_boxes_is_an_edge(name: str, style: str) -> None:
    plan = netc.plan(ROOT / "nets" / f"{name}.net")
    found = boxes(plan, style)  # type: ignore[arg-type]
    nodes = plan.graph.nodes
    assert sorted(chain.from_iterable(box.layers for box in found.boxes)) == list(range(len(nodes)))
    whose = {layer: at for at, box in enumerate(found.boxes) for layer in box.layers}
    wanted = {(whose[plan.graph.values[v].producer], whose[n.index], v) for n in nodes for v in n.bottoms}
    edges = [(e.source, e.target, e.value) for e in found.edges]
    assert set(edges) == {edge for edge in wanted if edge[0] != edge[1]}
    assert len(edges) == len(set(edges))
    firsts = [e.value for e in found.edges if e.first]
    assert sorted(firsts) == sorted({e.value for e in found.edges})
    assert {v for v, _ in found.outputs} == set(plan.graph.outputs)


def test_each_family_has_a_colour_of_its_own() -> None:
    assert set(COLOURS) == set(Family.__args__)  # type: ignore[attr-defined]
    assert len(set(COLOURS.values())) == len(COLOURS)


def test_resnet152_is_small_when_compact() -> None:
    found = boxes(netc.plan(ROOT / "nets" / "resnet152.net"), "compact")
    assert len(found.boxes) < 20


def test_the_program_takes_what_is_drawn() -> None:
    text = NET.replace('"apart/relu"', '"<b>|{x}\\\\n%"').replace("TanH(s)", 'TanH(s) as "ü \\"quoted\\""')
    for style in ("plain", "compact", "full"):
        shown = picture(draw(planned(text), style=style).source, "svg").decode()  # type: ignore[arg-type]
        assert "&lt;b&gt;|{x}" in shown
        assert "quoted" in shown
