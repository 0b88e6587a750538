"""What the outputs of a net are, and which part of them is whose."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from netc.api.definition import loads
from netc.api.outputs import Output, class_map, outputs
from netc.api.planning import plan
from netc.api.predict import Predictor

IMAGES = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: [4, 3, 6, 6] } } }\n'
SOFTMAX = 'layer { name: "prob" type: "Softmax" bottom: "%s" top: "prob" }\n'
FC = 'layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc" inner_product_param { num_output: %d } }\n'
CONV = 'layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 5 %s } }\n'
ONE = "kernel_size: 1"
FLAT = 'layer { name: "flat" type: "Flatten" bottom: "%s" top: "flat" }\n'
CROP = 'layer { name: "cut" type: "Crop" bottom: "conv" bottom: "data" top: "cut" crop_param { offset: 0 } }\n'
RESHAPE = 'layer { name: "r" type: "Reshape" bottom: "%s" top: "r" reshape_param { shape { %s } } }\n'
PRIORS = 'layer { name: "p" type: "PriorBox" bottom: "conv" bottom: "data" top: "p" prior_box_param { min_size: 2 } }\n'
REGIONS = 'layer { name: "rois" type: "Input" top: "rois" input_param { shape { dim: [2, 5] } } }\n'
POOL = """layer { name: "pool" type: "ROIPooling" bottom: "data" bottom: "rois" top: "pool"
  roi_pooling_param { pooled_h: 2 pooled_w: 2 spatial_scale: 1 } }
layer { name: "fc" type: "InnerProduct" bottom: "pool" top: "fc" inner_product_param { num_output: 3 } }
"""
LEARNED = 'layer { name: "w" type: "Parameter" top: "w" parameter_param { shape { dim: [4, 7] } } }\n'
GENERATED = """layer { name: "made" type: "Deconvolution" bottom: "r" top: "made"
  convolution_param { num_output: 1 kernel_size: 2 stride: 2 } }
"""
PICK = 'layer { name: "best" type: "ArgMax" bottom: "conv" top: "best" argmax_param { axis: 1 } }\n'
DETECT = """
layer { name: "loc" type: "InnerProduct" bottom: "data" top: "loc" inner_product_param { num_output: 12 } }
layer { name: "conf" type: "InnerProduct" bottom: "data" top: "conf" inner_product_param { num_output: 9 } }
layer { name: "priors" type: "Input" top: "priors" input_param { shape { dim: [1, 2, 12] } } }
layer { name: "found" type: "DetectionOutput" bottom: "loc" bottom: "conf" bottom: "priors" top: "found"
  detection_output_param { num_classes: 3 keep_top_k: 2 confidence_threshold: 0.25 } }
"""


def kinds(text: str) -> Mapping[str, Output]:
    return outputs(plan(loads(IMAGES + text), "TEST"), 4)


@pytest.mark.parametrize(
    ("text", "name", "kind", "whose"),
    [
        (FC % 3 + SOFTMAX % "fc", "prob", "classes", "sample"),
        (CONV % "kernel_size: 6" + SOFTMAX % "conv" + FLAT % "prob", "flat", "classes", "sample"),
        (FC % 3, "fc", "values", "sample"),
        (FC % 1, "fc", "values", "sample"),
        (CONV % ONE, "conv", "map", "sample"),
        (CONV % "kernel_size: 3 pad: 2" + CROP, "cut", "map", "sample"),
        (CONV % ONE + SOFTMAX % "conv", "prob", "map", "sample"),
        (CONV % ONE + SOFTMAX % "conv" + FLAT % "prob", "flat", "values", "sample"),
        (CONV % "kernel_size: 6", "conv", "values", "sample"),
        (CONV % ONE + PICK, "best", "map", "sample"),
        (FC % 8 + RESHAPE % ("fc", "dim: [0, 2, 2, 2]") + GENERATED, "made", "map", "sample"),
        (FC % 6 + RESHAPE % ("fc", "dim: [-1, 3]") + SOFTMAX % "r", "prob", "values", "sample"),
        (FC % 6 + RESHAPE % ("fc", "dim: [1, -1]"), "r", "values", "mixed"),
        (CONV % ONE + PRIORS, "p", "values", "shared"),
        (FC % 3 + LEARNED, "w", "values", "shared"),
        (REGIONS + POOL, "fc", "values", "mixed"),
        (DETECT, "found", "rows", "rows"),
        (DETECT + RESHAPE % ("found", "dim: [-1, 7]"), "r", "rows", "rows"),
    ],
)
def test_what_an_output_is(text: str, name: str, kind: str, whose: str) -> None:
    found = kinds(text)[name]
    assert (found.kind, found.whose) == (kind, whose)


def test_a_sample_gets_its_part() -> None:
    reshaped = kinds(FC % 6 + RESHAPE % ("fc", "dim: [-1, 3]"))["r"]
    np.testing.assert_array_equal(reshaped.of(np.arange(24).reshape(8, 3), 1, 4), [[6, 7, 8], [9, 10, 11]])
    rows = kinds(DETECT)["found"]
    given = np.array([[0, 1, 0.9, 0, 0, 1, 1], [2, 1, 0.8, 0, 0, 1, 1], [2, 2, 0.7, 0, 0, 1, 1]])[None, None]
    assert [len(rows.of(given, i, 4)) for i in range(4)] == [1, 0, 2, 0]
    np.testing.assert_array_equal(rows.of(given, 2, 4)[:, :3], [[0, 1, 0.8], [0, 2, 0.7]])
    none = np.array([[i, -1, -1, -1, -1, -1, -1] for i in range(4)])[None, None]
    assert rows.of(none, 1, 4).shape == (0, 7)


def test_the_class_at_each_position() -> None:
    probabilities = np.zeros((5, 6, 6))
    probabilities[3] = 1
    found = class_map(kinds(CONV % ONE + SOFTMAX % "conv")["prob"], probabilities)
    np.testing.assert_array_equal(found, np.full((6, 6), 3))
    assert class_map(kinds(CONV % ONE)["conv"], probabilities) is None
    np.testing.assert_array_equal(
        class_map(kinds(CONV % ONE + PICK)["best"], np.full((1, 6, 6), 2.0)), np.full((6, 6), 2)
    )


def test_boxes_of_each_image_whatever_the_batch(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(3, 3, 6, 6))
    np.savez(tmp_path / "a.npz", data=values)
    text = IMAGES + DETECT.replace(
        'type: "Input" top: "priors" input_param', 'type: "DummyData" top: "priors" dummy_data_param'
    )
    found = []
    for batch in (1, 2, 4):
        made = Predictor(loads(text), [], batch=batch)
        made.net.params["conf"][0][...] = np.random.default_rng(1).normal(size=(9, 108))
        found.append([p.outputs["found"] for p in made([tmp_path / "a.npz"])])
    assert sum(len(rows) for rows in found[0]) > 3
    for other in found[1:]:
        for one, two in zip(found[0], other, strict=True):
            np.testing.assert_allclose(one, two, rtol=1e-5)
            assert not one[:, 0].any()


def test_regions_go_to_their_image(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(2, 3, 6, 6))
    rois = np.array([[1, 0, 0, 3, 3], [0, 0, 0, 5, 5], [1, 2, 2, 5, 5]], float)
    np.savez(tmp_path / "a.npz", data=values, rois=rois)
    made = Predictor(loads(IMAGES + REGIONS + POOL.replace("fc", "pooled")), [], batch=4)
    assert made.batch == 1
    made.net.params["pooled"][0][...] = np.eye(3, 12)
    found = [p.outputs["pooled"] for p in made([tmp_path / "a.npz"])]
    assert [f.shape for f in found] == [(1, 3), (2, 3)]
    assert found[1][0, 0] == pytest.approx(values[1, 0, :2, :2].max())
    np.savez(tmp_path / "a.npz", data=values, rois=rois[:1])
    (bad,) = made([tmp_path / "a.npz"])
    assert bad.problem is not None
    assert "no region of image 0" in bad.problem.message
