"""Made-up data is what the layers say they take, through layers that hand values on."""

from __future__ import annotations

import numpy as np
import pytest

import netc
from netc.api.made_up import held, made_up
from netc.catalogue import catalogue
from netc.layer import Example, Input, LayerType
from netc.role import Holds, whole

NETS = {
    "labels of every position": (
        "x, t = Input() { shape { dim: [2, 5, 3, 4] } shape { dim: [2, 1, 3, 4] } }\nl = SoftmaxWithLoss(x, t)",
        "t",
        whole(5),
    ),
    "labels that are cut and flattened": (
        "x, t = Input() { shape { dim: [4, 7] } shape { dim: [4, 2, 1] } }\n"
        "a, b = Slice(t) { axis: 1 }\nf = Flatten(b) { axis: 0 }\nl = SoftmaxWithLoss(x, f)",
        "t",
        whole(7),
    ),
    "indices": ("x = Input() { shape { dim: [4, 3] } }\ny = Embed(x) { num_output: 2 input_dim: 11 }", "x", whole(11)),
    "continuation": (
        "x, c = Input() { shape { dim: [3, 2, 4] } shape { dim: [3, 2] } }\ny = LSTM(x, c) { num_output: 5 }",
        "c",
        Holds("binary"),
    ),
    "regions": (
        "x, r = Input() { shape { dim: [3, 2, 8, 6] } shape { dim: [9, 5] } }\n"
        "y = ROIPooling(x, r) { pooled_h: 2 pooled_w: 2 spatial_scale: 0.5 }",
        "r",
        Holds("regions", high=3, width=12, height=16),
    ),
    "the size of the image": (
        "s, o, i = Input() { shape { dim: [1, 18, 3, 5] } shape { dim: [1, 36, 3, 5] } shape { dim: [1, 3] } }\n"
        "r = Proposal(s, o, i)",
        "i",
        Holds("image", width=80, height=48),
    ),
    "anything": ("x = Input() { shape { dim: [4, 3] } }\ny = ReLU(x)", "x", Holds()),
}


@pytest.mark.parametrize("name", NETS)
def test_a_net_runs_on_made_up_data(name: str) -> None:
    text, blob, wanted = NETS[name]
    net = netc.Net(netc.loads(text, "made.net"), "TRAIN", synthetic=True)
    plan = net.plan
    value = next(v.index for v in plan.graph.values if v.name == blob)
    assert held(plan, value) == wanted
    net.forward()
    if net.plan.backward_planned:
        net.backward()


def test_regions_lie_in_an_image_of_the_batch() -> None:
    rows = made_up(np.random.default_rng(1), Holds("regions", high=3, width=12, height=16), (50, 5, 1, 1)).reshape(
        50, 5
    )
    image, x1, y1, x2, y2 = rows.T
    assert set(image) == {0, 1, 2}
    assert (x1 >= 0).all() and (x1 <= x2).all() and (x2 <= 12).all()  # noqa: PT018
    assert (y1 >= 0).all() and (y1 <= y2).all() and (y2 <= 16).all()  # noqa: PT018


def _examples() -> list[tuple[LayerType, Example]]:
    return [(t, e) for t in dict.fromkeys(catalogue().types.values()) for e in t.examples if e.inputs and e.tops]


@pytest.mark.parametrize(("layer_type", "example"), _examples(), ids=lambda x: getattr(x, "name", ""))
def test_what_a_layer_says_it_takes_is_what_its_examples_give(layer_type: LayerType, example: Example) -> None:
    """A bottom whose examples are labels, 0 or 1, says so."""
    names = [f"b{i}" for i in range(len(example.inputs))]
    shapes = " ".join(f"shape {{ {' '.join(f'dim: {d}' for d in i.shape)} }}" for i in example.inputs)
    tops = ", ".join(f"t{i}" for i in range(example.tops))
    text = f"{', '.join(names)} = Input() {{ {shapes} }}\n"
    text += f"{tops} = {layer_type.name}({', '.join(names)}) {{ {example.fields} }}"
    plan = netc.plan(netc.loads(text, "example.net"), phase=example.phase)
    setup = plan.layers[-1].setup
    for index, given in enumerate(example.inputs):
        says = setup.bottom_holds(index)
        if given.kind == "labels":
            assert (says.kind, says.low, says.high) == ("labels", given.low, given.high) or _also(says, given)
        if given.kind == "binary":
            assert says.kind == "binary"


def _also(says: Holds, given: Input) -> bool:
    """Labels that keep away from the ends of what may be."""
    return says.kind == "labels" and says.low <= given.low and given.high <= says.high
