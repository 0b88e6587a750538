"""Normalize of SSD in nets that do not learn it."""

import pytest

from tests.run.test_fast import compare, conv, data, ip, layer

BODY = data(2, 20, 9, 11) + conv("data", "a", "num_output: 37 kernel_size: 3")
FILL = 'scale_filler { type: "uniform" min: 1 max: 3 }'
LOSS = ip("b", "ip", 5) + layer("SoftmaxWithLoss", ["ip", "label"], "loss")


def normalize(fields, top="b"):
    return layer("Normalize", "a", top, f"norm_param {{ {fields} }}", name="b")


def labels(net):
    return {item.launch.label for item in net.executor.program.forward if item.launch is not None}


@pytest.mark.parametrize("top", ["a", "b"])
@pytest.mark.parametrize("fields", ["channel_shared: false", "", "channel_shared: false eps: 10"])
def test_each_pixel_is_divided_by_its_length(fields, top):
    net = compare(BODY + normalize(f"across_spatial: false {FILL} {fields}", top), "TEST", tolerance=1e-4)
    assert "normalize" in labels(net)


@pytest.mark.parametrize(
    ("fields", "tail", "phase"), [("across_spatial: true", "", "TEST"), ("across_spatial: false", LOSS, "TRAIN")]
)
def test_others_run_their_own_kernels(fields, tail, phase):
    assert "normalize" not in labels(compare(BODY + normalize(f"{fields} {FILL}") + tail, phase, tolerance=1e-4))
