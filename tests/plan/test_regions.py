"""A net with one image and several regions stays so, whatever the caller says of either."""

from __future__ import annotations

import netc
from netc.api.deploy import deploy
from netc.layer import Shape

LEGACY = """
input: "data" input_shape { dim: 1 dim: 3 dim: 32 dim: 48 }
input: "rois" input_shape { dim: 300 dim: 5 }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 2 kernel_size: 3 } }
layer { name: "roi" type: "ROIPooling" bottom: "conv" bottom: "rois" top: "roi"
  roi_pooling_param { pooled_h: 2 pooled_w: 2 spatial_scale: 1 } }
"""
ONE = LEGACY.replace("dim: 300", "dim: 1")


def shapes(text: str, **options: object) -> tuple[Shape, ...]:
    plan = netc.plan(netc.loads(text, "rcnn.net"), **options)
    return tuple(plan.shapes[v] for v in plan.graph.inputs)


def test_regions_are_not_a_batch() -> None:
    for text in (LEGACY, ONE):
        assert shapes(text, inputs={"rois": (4, 5)}) == ((1, 3, 32, 48), (4, 5))
        rows = shapes(text)[1]
        assert shapes(text, batch=3) == ((3, 3, 32, 48), rows)
        assert shapes(text, inputs={"data": (2, 3, 16, 16)}) == ((2, 3, 16, 16), rows)


def test_regions_that_are_reshaped_first() -> None:
    text = """
    data, rois = Input() { shape { dim: [1, 3, 32, 48] } shape { dim: [1, 1, 1, 5] } }
    rows = Reshape(rois) { shape { dim: [-1, 5] } }
    roi = ROIPooling(data, rows) { pooled_h: 2 pooled_w: 2 spatial_scale: 1 }
    """
    assert shapes(text, batch=2) == ((2, 3, 32, 48), (1, 1, 1, 5))


def test_all_tops_of_a_data_layer_are_one_batch() -> None:
    text = 'layer { name: "d" type: "Data" top: "data" top: "label" data_param { source: "none" batch_size: 8 } }'
    plan = netc.plan(netc.loads(text, "d.prototxt"), inputs={"data": (4, 1, 5, 5)})
    assert [plan.shapes[v] for v in plan.graph.nodes[0].tops] == [(4, 1, 5, 5), (4,)]


def test_a_deploy_net_keeps_its_regions() -> None:
    head = """
    layer { name: "ip" type: "InnerProduct" bottom: "roi" top: "ip" inner_product_param { num_output: 3 } }
    """
    found = deploy(netc.loads(LEGACY + head, "rcnn.prototxt"), batch=2)
    plan = netc.plan(found.definition)
    assert [plan.shapes[v] for v in plan.graph.inputs] == [(2, 3, 32, 48), (300, 5)]
