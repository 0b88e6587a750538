"""The net that predicts, derived from the net that trains."""

import pytest

from netc.api.definition import loads
from netc.api.deploy import Deployed, deploy
from netc.api.planning import plan
from netc.errors import NetError
from netc.schema.text import to_text

DATA = """
layer {
  name: "data" type: "Data" top: "data" top: "label" include { phase: PHASE }
  transform_param { crop_size: 12 mirror: true scale: 0.5 mean_value: 104 mean_value: 117 mean_value: 123 }
  data_param { source: "PHASE_lmdb" batch_size: 32 backend: LMDB }
}
"""
CONV = """
layer {
  name: "NAME" type: "Convolution" bottom: "BOTTOM" top: "NAME"
  param { lr_mult: 1 decay_mult: 1 } param { lr_mult: 2 decay_mult: 0 }
  convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } bias_filler { type: "constant" } }
}
"""
HEAD = """
layer { name: "NAME" type: "InnerProduct" bottom: "BOTTOM" top: "NAME" inner_product_param { num_output: 5 } }
layer { name: "NAME_loss" type: "SoftmaxWithLoss" bottom: "NAME" bottom: "label" top: "NAME_loss" loss_weight: WEIGHT }
layer { name: "NAME_acc" type: "Accuracy" bottom: "NAME" bottom: "label" top: "NAME_acc" include { phase: TEST } }
"""


def conv(name: str, bottom: str) -> str:
    return CONV.replace("NAME", name).replace("BOTTOM", bottom)


def head(name: str, bottom: str, weight: float = 1) -> str:
    return HEAD.replace("NAME", name).replace("BOTTOM", bottom).replace("WEIGHT", str(weight))


BOTH = DATA.replace("PHASE", "TRAIN") + DATA.replace("PHASE", "TEST")
RELU = 'layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }\n'


def derived(text: str, **options: object) -> Deployed:
    return deploy(loads(text), **options)  # type: ignore[arg-type]


def layers(found: Deployed) -> list[tuple[str, str]]:
    return [(layer.name, layer.type) for layer in found.definition.record.layer]


def test_a_classifier() -> None:
    found = derived('name: "net"\n' + BOTH + conv("conv", "data") + RELU + head("fc", "conv"))
    assert layers(found) == [
        ("data", "Input"), ("conv", "Convolution"), ("relu", "ReLU"), ("fc", "InnerProduct"), ("prob", "Softmax"),
    ]  # fmt: skip
    assert (found.inputs, found.outputs, found.left_out) == (("data",), ("prob",), ("fc_loss", "fc_acc"))
    data, conv_layer, *_ = found.definition.record.layer
    assert data.input_param.shape[0].dim == (1, 3, 12, 12)
    assert dict(data.transform_param.values) == {"scale": 0.5, "crop_size": 12, "mean_value": (104, 117, 123)}
    assert not conv_layer.has("param")
    assert dict(conv_layer.convolution_param.values) == {"num_output": 4, "kernel_size": (3,)}
    assert plan(found.definition).graph.name == "net"


def test_it_is_plain_text_that_stays_as_it_is() -> None:
    text = to_text(derived(BOTH + conv("conv", "data") + head("fc", "conv")).definition.record)
    assert to_text(derived(text).definition.record) == text


def test_heads_that_only_help_training_go() -> None:
    text = BOTH + conv("conv", "data") + head("aux", "conv", 0.3) + conv("more", "conv") + head("fc", "more")
    assert derived(text).outputs == ("prob",)
    assert ("aux", "InnerProduct") not in layers(derived(text))
    assert derived(text, all_heads=True).outputs == ("aux/prob", "fc/prob")


def test_heads_of_other_labels_stay() -> None:
    second = head("fc2", "conv", 0.5).replace('"label"', '"more"')
    text = BOTH.replace('top: "label"', 'top: "label" top: "more"').replace('"Data"', '"HDF5Data"')
    text = text.replace("data_param", "hdf5_data_param").replace("backend: LMDB", "")
    text = "\n".join(line for line in text.splitlines() if "transform_param" not in line)
    found = derived(
        text + conv("conv", "data") + head("fc1", "conv") + second,
        inputs={"data": (8, 3, 9, 9), "label": (8,), "more": (8,)},
    )
    assert found.outputs == ("fc1/prob", "fc2/prob")


def test_a_loss_of_the_train_net_only_still_says_what_the_scores_are() -> None:
    text = BOTH + conv("conv", "data") + head("fc", "conv").replace("loss_weight: 1", "include { phase: TRAIN }")
    assert derived(text).outputs == ("prob",)


def test_sigmoid_for_its_loss_and_nothing_for_a_regression() -> None:
    text = BOTH + conv("fc", "data")
    loss = 'layer {{ name: "loss" type: "{}" bottom: "fc" bottom: "label" top: "loss" }}'
    assert layers(derived(text + loss.format("SigmoidCrossEntropyLoss"), inputs={"label": (32, 4, 10, 10)}))[-1] == (
        "prob",
        "Sigmoid",
    )
    assert derived(text + loss.format("EuclideanLoss"), inputs={"label": (32, 4, 10, 10)}).outputs == ("fc",)


def test_a_softmax_that_is_there_is_not_doubled() -> None:
    own = 'layer { name: "p" type: "Softmax" bottom: "fc" top: "p" include { phase: TEST } }'
    assert derived(BOTH + conv("conv", "data") + head("fc", "conv") + own).outputs == ("p",)


def test_what_labels_reach_goes() -> None:
    text = BOTH + conv("conv", "data") + head("fc", "conv")
    text += 'layer { name: "silence" type: "Silence" bottom: "label" }'
    assert derived(text).inputs == ("data",)


def test_a_train_net_without_a_test_net() -> None:
    assert derived(DATA.replace("PHASE", "TRAIN") + conv("conv", "data") + head("fc", "conv")).outputs == ("prob",)


def test_a_batch_that_the_file_holds_elsewhere_stays() -> None:
    fixed = 'layer { name: "r" type: "Reshape" bottom: "data" top: "r" reshape_param { shape { dim: 32 dim: 432 } } }'
    found = derived(BOTH + fixed + head("fc", "r"))
    assert found.definition.record.layer[0].input_param.shape[0].dim == (32, 3, 12, 12)


def test_deploy_blocks_win() -> None:
    text = """
    train { data, label = Digits() { split: "train" batch_size: 8 } }
    test { data, label = Digits() { split: "test" batch_size: 8 } }
    deploy { data = Input() { shape { dim: 1 dim: 1 dim: 8 dim: 8 } } }
    ip = InnerProduct(data) { num_output: 10 }
    train { loss = SoftmaxWithLoss(ip, label) }
    test { accuracy = Accuracy(ip, label) }
    deploy { prob = Softmax(ip) }
    """
    found = derived(text)
    assert layers(found) == [("data", "Input"), ("ip", "InnerProduct"), ("prob", "Softmax")]


def test_a_net_that_predicts_nothing() -> None:
    with pytest.raises(NetError) as caught:
        derived(DATA.replace("PHASE", "TEST") + 'layer { name: "s" type: "Silence" bottom: "data" bottom: "label" }')
    assert caught.value.diagnostics[0].code.id == "RUN050"


@pytest.mark.parametrize(
    ("layer", "blobs"),
    [
        ('type: "BatchNorm" batch_norm_param { scale_filler { value: 1 } }', 5),  # NVCaffe's, with a scale and a shift
        ('type: "BN" bn_param { slope_filler { value: 1 } }', 4),  # TSN's; SegNet's has two
    ],
)
def test_fillers_that_say_which_form_a_layer_has_stay(layer: str, blobs: int) -> None:
    text = BOTH + conv("conv", "data") + f'layer {{ name: "bn" bottom: "conv" top: "bn" {layer} }}' + head("fc", "bn")
    found = deploy(loads(text))
    planned = plan(found.definition)
    (node,) = [n for n in planned.graph.nodes if n.name == "bn"]
    assert len(planned.layers[node.index].params) == blobs
    assert "weight_filler" not in to_text(found.definition.record)
