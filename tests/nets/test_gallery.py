"""Every net of the gallery: plans in each of its states, counts as published, plain text that protobuf reads."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from google.protobuf import text_format

from netc import language
from netc.api.definition import Definition, expanded
from netc.api.planning import load, plan_state, states
from netc.api.session import Net
from netc.catalogue import catalogue
from netc.errors import Report
from netc.plan.counts import count_net
from netc.schema.upgrade import upgrade_net
from tests.nets.views import DEPLOY, NETS, TEST, TRAIN
from tests.schema.common import from_message, to_message

FILES = sorted(NETS.glob("*.net"))
ALL = (TRAIN, TEST, DEPLOY)

# Learned values and multiply-adds of one item in the deployed net. Published: torchvision's counts for ResNet-18, 34,
# 101, 152 and DenseNet-121 (11,689,512; 21,797,672; 44,549,160; 60,192,808; 7,978,856); BVLC Caffe's own counts of the
# published files for the others (ResNet-50 has a bias in conv1: 64 more than torchvision's 25,557,032).
COUNTS = {
    "alexnet": (60_965_224, 724_406_816),
    "densenet121": (7_978_856, 2_834_161_664),
    "digits": (53_098, 347_392),
    "fcn8s": (134_368_799, 180_992_697_408),
    "googlenet": (13_378_280, 1_591_044_096),
    "lenet": (431_080, 2_293_000),
    "mobilenet_v1": (4_231_976, 568_740_352),
    "mobilenet_v2": (3_505_960, 429_111_936),
    "resnet101": (44_549_160, 7_570_194_432),
    "resnet152": (60_192_808, 11_282_415_616),
    "resnet18": (11_689_512, 1_814_073_344),
    "resnet34": (21_797_672, 3_663_761_408),
    "resnet50": (25_557_096, 3_857_973_248),
    "squeezenet": (1_235_496, 387_747_520),
    "unet": (31_030_658, 150_428_424_448),
    "vgg16": (138_357_544, 15_470_264_320),
}


@cache
def gallery(name: str) -> Definition:
    return load(NETS / f"{name}.net")


def test_each_net_has_known_counts() -> None:
    assert [file.stem for file in FILES] == sorted(COUNTS)


@pytest.mark.parametrize("name", COUNTS)
def test_plans_in_each_of_its_states(name: str) -> None:
    definition = gallery(name)
    found = states(definition)
    assert found == {"resnet152": (TRAIN, TEST), "googlenet": (TRAIN, TEST)}.get(name, ALL)
    for state in found:
        plan = plan_state(definition, state, training=state.phase == "TRAIN")
        counts = count_net(plan)
        batch = plan.shapes[plan.graph.nodes[0].tops[0]][0]
        assert (counts.parameters, counts.macs // batch) == COUNTS[name]
        if state == TRAIN and name != "resnet152":
            assert any(step.kind == "loss" for step in plan.backward)
            assert all(p.learned for p in plan.params if p.blob.learned and p.lr_mult)
        if state == DEPLOY:
            assert [plan.graph.values[v].name for v in plan.graph.outputs] == ["prob"]


@pytest.mark.parametrize("name", COUNTS)
def test_protobuf_reads_the_expanded_text(name: str) -> None:
    definition = gallery(name)
    document = language.read(definition.path)
    message = definition.schema.message_class("NetParameter")()
    text_format.Parse(language.write(expanded(document, catalogue()).block), message)
    report = Report()
    assert to_message(upgrade_net(from_message(message, definition.schema), report)) == to_message(definition.record)
    assert not report.failed


@pytest.mark.parametrize("path", FILES + sorted(NETS.glob("blocks/*.net")), ids=lambda p: p.stem)
def test_is_formatted(path: Path) -> None:
    text = language.read_text(path)
    assert language.format_text(text) == text
    assert max(map(len, text.splitlines())) <= 120


@pytest.mark.parametrize("name", ["mobilenet_v1", "mobilenet_v2", "densenet121", "squeezenet"])
def test_trains_on_small_images(name: str) -> None:
    """Nets that take images of any size: the loss of random scores, and a gradient for every learned parameter."""
    size = (2, 3, 64, 64)
    net = Net(gallery(name), "TRAIN", inputs={"data": size, "label": (2,)}, synthetic=True, training=True)
    net.forward()
    net.backward()
    assert 6 < net.loss < 12  # log(1000) = 6.9
    gradients = [net.param_diffs[node.name][0] for node in net.graph.nodes if node.type.name == "Convolution"]
    assert all(gradient is not None and np.abs(gradient).max() > 0 for gradient in gradients)
