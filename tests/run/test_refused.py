"""Labels and indices that are none, on the fast executor: what the reference says, and nothing is harmed by them."""

from __future__ import annotations

import numpy as np
import pytest

from netc.errors import NetError
from netc.kernels.labels import BadValueError
from netc.run import Net
from tests.run.common import make

WORDS = """force_backward: true
input: "words" input_shape { dim: 4 dim: 3 }
input: "cont" input_shape { dim: 4 dim: 3 }
input: "label" input_shape { dim: 4 dim: 3 }
layer { name: "embed" type: "Embed" bottom: "words" top: "embed"
  embed_param { input_dim: 7 num_output: 5 weight_filler { type: "uniform" min: -1 } } }
layer { name: "lstm" type: "LSTM" bottom: "embed" bottom: "cont" top: "lstm"
  recurrent_param { num_output: 6 weight_filler { type: "uniform" min: -1 } } }
layer { name: "accuracy" type: "Accuracy" bottom: "lstm" bottom: "label" top: "accuracy" accuracy_param { axis: 2 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "lstm" bottom: "label" top: "loss"
  softmax_param { axis: 2 } loss_param { ignore_label: 9 } }
"""
IMAGES = """
input: "data" input_shape { dim: 2 dim: 3 dim: 5 dim: 4 }
input: "label" input_shape { dim: 2 dim: 1 dim: 5 dim: 4 }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 6 kernel_size: 1 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "conv" bottom: "label" top: "loss" loss_param { ignore_label: 9 } }
layer { name: "accuracy" type: "Accuracy" bottom: "conv" bottom: "label" top: "accuracy" }
"""


def opened(text: str, executor: str) -> Net:
    net = make(text, executor=executor, threads=2, keep=True, seed=3)
    random = np.random.default_rng(0)
    for name, array in net.inputs.items():
        array[...] = random.integers(0, 6, array.shape) if name != "data" else random.normal(size=array.shape)
    if "cont" in net.inputs:
        net.inputs["cont"][...] = 1
    return net


def said(net: Net) -> tuple[str, int]:
    with pytest.raises(BadValueError) as caught:
        net.forward()
    return str(caught.value), caught.value.item


@pytest.mark.parametrize("value", [7, -1, np.nan, np.inf, 1e30, 6.5, -0.5])
@pytest.mark.parametrize(("text", "name"), [(WORDS, "words"), (WORDS, "label"), (IMAGES, "label")])
def test_what_is_no_index_is_said_as_the_reference_says_it(text: str, name: str, value: float) -> None:
    nets = [opened(text, executor) for executor in ("reference", "fast")]
    for net in nets:
        net.inputs[name].reshape(-1)[-2] = value
    if value == -0.5 or (value == 6.5 and name == "words"):
        outputs = [net.forward() for net in nets]
        for key, array in outputs[0].items():
            np.testing.assert_allclose(outputs[1][key], array, rtol=1e-5)
    else:
        assert said(nets[0]) == said(nets[1])


def test_an_ignored_label_is_no_class_of_an_accuracy_without_one() -> None:
    for executor in ("reference", "fast"):
        net = opened(IMAGES, executor)
        net.inputs["label"][0] = 9
        with pytest.raises(NetError, match=r"LAY100.*\"accuracy\""):
            net.forward()


def test_a_word_that_is_none_leaves_states_as_they_are() -> None:
    """Layers behind the one that refuses do not run: an LSTM goes on from the pass before."""
    nets = [opened(WORDS, "fast") for _ in range(2)]
    for net in nets:
        net.forward()
    nets[0].inputs["words"][1, 1] = 7
    before = nets[0].inputs["words"].copy()
    said(nets[0])
    np.testing.assert_array_equal(nets[0].inputs["words"], before)
    nets[0].inputs["words"][...] = nets[1].inputs["words"]
    for net in nets:
        net.forward()
        net.backward()
    for name in ("lstm", "loss"):
        np.testing.assert_array_equal(nets[0].blobs[name], nets[1].blobs[name])
