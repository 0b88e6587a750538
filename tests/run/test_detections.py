"""The tail of a detector on the fast executor: the bits of the layers' own kernels, for any number of threads, and the
layers that give the same in every pass run once.
"""

from __future__ import annotations

import numpy as np
import pytest

from netc.layer import Array
from netc.run import Net
from netc.run.fast import Fast
from tests.run.common import make

PRIORS, CLASSES, IMAGES = 300, 4, 2

TAIL = """
layer {{ name: "loc" type: "Input" top: "loc" input_param {{ shape {{ dim: {images} dim: {offsets} }} }} }}
layer {{ name: "conf" type: "Input" top: "conf" input_param {{ shape {{ dim: {images} dim: {scores} }} }} }}
layer {{ name: "prior" type: "Input" top: "prior" input_param {{ shape {{ dim: 1 dim: 2 dim: {priors} }} }} }}
layer {{ name: "found" type: "DetectionOutput" bottom: "loc" bottom: "conf" bottom: "prior" top: "found"
  detection_output_param {{ num_classes: {classes} {fields} }} }}
"""
FIELDS = (
    "confidence_threshold: 0.2 nms_param { nms_threshold: 0.45 top_k: 40 } keep_top_k: 25 code_type: CENTER_SIZE",
    "nms_param { nms_threshold: 0.6 eta: 0.8 } code_type: CORNER",
    "share_location: false confidence_threshold: 0.5 nms_param { top_k: 9 } code_type: CORNER_SIZE",
    "background_label_id: -1 confidence_threshold: 0.5 keep_top_k: 0 variance_encoded_in_target: true",
    "background_label_id: 2 confidence_threshold: 0.9 nms_param { nms_threshold: 0 } keep_top_k: 1000",
    "confidence_threshold: 2",
)


def nets(fields: str) -> list[Net]:
    places = CLASSES if "share_location: false" in fields else 1
    text = TAIL.format(
        images=IMAGES, priors=PRIORS * 4, offsets=PRIORS * 4 * places, scores=PRIORS * CLASSES, classes=CLASSES,
        fields=fields,
    )  # fmt: skip
    fast = [make(text, "TEST", executor="fast", threads=threads) for threads in (1, 2, 3)]
    return [make(text, "TEST"), *fast]


def inputs(seed: int) -> dict[str, Array]:
    """Scores on a ladder, so that many are equal; priors that overlap, some of which are equal."""
    random = np.random.default_rng(seed)
    starts = random.integers(0, 20, (PRIORS, 2)) / 20
    priors = np.concatenate([starts, starts + random.integers(0, 6, (PRIORS, 2)) / 20], axis=1)
    steps = 2 if seed % 2 else 30
    scores = random.integers(0, steps, (IMAGES, PRIORS * CLASSES)) / steps * (seed % 3) / 2
    scores[:, :: 3 * seed + 5] = np.nan
    return {
        "loc": random.normal(0, 0.5, (IMAGES, PRIORS * 4 * CLASSES)),
        "conf": scores,
        "prior": np.stack([priors.ravel(), np.full(PRIORS * 4, 0.1)])[None],
    }


@pytest.mark.parametrize("fields", FIELDS)
def test_detections_have_the_bits_of_the_reference(fields: str) -> None:
    reference, *fast = nets(fields)
    assert all(isinstance(net.executor, Fast) for net in fast)
    assert any(item.launch for item in fast[0].executor.program.forward)  # type: ignore[attr-defined]
    sizes = set()
    for seed in range(6):
        given = inputs(seed)
        found = []
        for net in (reference, *fast):
            for name, array in given.items():
                net.set_input(name, array[:, : net.inputs[name].shape[1]] if array.ndim == 2 else array)
            found.append(net.forward()["found"])
        sizes.add(found[0].shape)
        for one in found[1:]:
            assert one.shape == found[0].shape
            assert one.tobytes() == found[0].tobytes()
    assert len(sizes) > 1 or "keep_top_k: 0" in fields or "threshold: 2" in fields


HEADS = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 16 dim: 16 } } }
layer { name: "a" type: "Convolution" bottom: "data" top: "a" convolution_param { num_output: 16 kernel_size: 3 } }
layer { name: "b" type: "Pooling" bottom: "a" top: "b" pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "pa" type: "PriorBox" bottom: "a" bottom: "data" top: "pa" prior_box_param { min_size: 4 } }
layer { name: "pb" type: "PriorBox" bottom: "b" bottom: "data" top: "pb" prior_box_param { min_size: 8 } }
layer { name: "prior" type: "Concat" bottom: "pa" bottom: "pb" top: "prior" concat_param { axis: 2 } }
layer { name: "flat" type: "Flatten" bottom: "prior" top: "flat" }
layer { name: "sum" type: "Reduction" bottom: "b" top: "sum" }
"""


def test_what_is_the_same_in_every_pass_is_made_once() -> None:
    net, other = make(HEADS, "TEST", executor="fast"), make(HEADS, "TEST")
    assert isinstance(net.executor, Fast)
    program, names = net.executor.program, [node.name for node in net.graph.nodes]
    assert [names[item.layer] for item in program.constants] == ["pa", "pb", "prior"]
    assert not {names[item.layer] for item in program.forward} & {"pa", "pb", "prior", "flat"}
    wanted = other.forward()["flat"]
    for one in (net, net, net.replica()):
        one.set_input("data", np.random.default_rng(1).normal(size=(2, 3, 16, 16)))
        assert one.forward()["flat"].tobytes() == wanted.tobytes()


def test_a_blob_that_a_layer_overwrites_in_place_is_made_again() -> None:
    text = HEADS + 'layer { name: "twice" type: "Power" bottom: "flat" top: "flat" power_param { scale: 2 } }'
    for training in (False, True):
        net, other = (make(text, "TEST", training=training, executor=e) for e in ("fast", "reference"))
        assert isinstance(net.executor, Fast)
        assert [net.graph.nodes[item.layer].name for item in net.executor.program.constants] == ["pa", "pb"]
        for _ in range(3):
            assert net.forward()["flat"].tobytes() == other.forward()["flat"].tobytes()


def test_a_net_that_keeps_its_blobs_makes_them_in_every_pass() -> None:
    """For a script may have written there."""
    net = make(HEADS, "TEST", keep=True, executor="fast")
    wanted = net.forward()["flat"]
    net.blobs["pa"][...] = 7
    assert net.forward()["flat"].tobytes() == wanted.tobytes()
