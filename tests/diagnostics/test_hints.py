"""What people usually write instead of Caffe's names is recognised, and one mistake is told once."""

from __future__ import annotations

import pytest

from netc.catalogue import catalogue
from netc.errors import Diagnostic
from netc.lsp.analysis import analyse

TYPES = catalogue()
INPUT = """layer { name: "in" type: "Input" top: "data" top: "label"
  input_param { shape { dim: [2, 3, 16, 16] } shape { dim: 2 } } }
"""


def errors(text: str, path: str = "net.prototxt") -> list[Diagnostic]:
    return [d for d in analyse(text, path, TYPES).diagnostics if d.severity == "error"]


def only(text: str) -> Diagnostic:
    found = errors(text)
    assert len(found) == 1, [d.message for d in found]
    return found[0]


def marked(diagnostic: Diagnostic) -> str:
    assert diagnostic.span is not None
    return diagnostic.span.source.text[diagnostic.span.start : diagnostic.span.end]


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("stride_size: 2", "`stride`"),
        ("kernel: 3", "`kernel_size`"),
        ("pad_size: 1", "`pad`"),
        ("bias: false", "`bias_term`"),
        ("use_bias: false", "`bias_term`"),
        ("filters: 4", "`num_output`"),
        ("dilations: 2", "`dilation`"),
        ("padding: 1", "`pad: 1`"),
        ("activation: 1", "a layer of its own"),
        ("lr_mult: 1", "`param { lr_mult: ... }` outside of `convolution_param`"),
        ("botom: 1", "the layer's `bottom`"),
    ],
)
def test_fields_of_a_convolution(wrong: str, meant: str) -> None:
    layer = 'layer { name: "c" type: "Convolution" bottom: "data" top: "c" convolution_param { %s } }'
    found = only(INPUT + layer % f"num_output: 4 kernel_size: 3 {wrong}")
    assert meant in (found.help or "")


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("lr: 0.1", "`base_lr`"),
        ("learning_rate: 0.1", "`base_lr`"),
        ("step_size: 10", "`stepsize`"),
        ("optimizer: 1", "`type`"),
        ("max_epochs: 3", "`max_iter`"),
        ("wd: 3", "`weight_decay`"),
        ('type: "Adma"', '"Adam"'),
        ('lr_policy: "setp"', '"step"'),
    ],
)
def test_fields_of_a_solver(wrong: str, meant: str) -> None:
    found = errors(f'net: "net.prototxt"\nmax_iter: 10\nbase_lr: 0.01\n{wrong}')
    assert any(meant in (d.help or "") for d in found), [d.render() for d in found]


@pytest.mark.parametrize(
    ("type", "meant"),
    [
        ("ReLu", '"ReLU"'),
        ("RELU", '"ReLU"'),
        ("eRLU", '"ReLU"'),
        ("Conv", '"Convolution"'),
        ("Dense", '"InnerProduct"'),
        ("FC", '"InnerProduct"'),
        ("MaxPool", '"Pooling"'),
        ("AvgPool", "pool: AVE"),
        ("CrossEntropyLoss", '"SoftmaxWithLoss"'),
        ("MSE", '"EuclideanLoss"'),
        ("Add", '"Eltwise"'),
        ("Tanh", '"TanH"'),
        ("BatchNormalization", '"BatchNorm"'),
    ],
)
def test_layer_types(type: str, meant: str) -> None:
    found = only(INPUT + f'layer {{ name: "l" type: "{type}" bottom: "data" top: "l" }}')
    assert marked(found) == f'"{type}"'
    assert meant in (found.help or "")


@pytest.mark.parametrize(
    ("layer", "mark", "meant"),
    [
        ('type: "Softmax" bottom: "data" bottom: "label" top: "l"', '"label"', '"SoftmaxWithLoss"'),
        ('type: "Sigmoid" bottom: "data" bottom: "label" top: "l"', '"label"', '"SigmoidCrossEntropyLoss"'),
        ('type: "SoftmaxWithLoss" bottom: "data" top: "l"', '"data"', '"Softmax"'),
        ('type: "Pooling" bottom: "data" top: "l" pooling_param { pool: AVG kernel_size: 2 }', "AVG", "AVE"),
        ('type: "Pooling" bottom: "data" top: "l" pooling_param { pool: "max" kernel_size: 2 }', '"max"', "MAX"),
        ('type: "Eltwise" bottom: "data" bottom: "data" top: "l" eltwise_param { operation: ADD }', "ADD", "SUM"),
        ('type: "Dropout" bottom: "data" top: "l" dropout_param { ratio: 0.5 }', "ratio", "`dropout_ratio`"),
        ('type: "Dropout" bottom: "data" top: "l" dropout_ratio: 0.5', "dropout_ratio", "dropout_param {"),
        ("type: RELU bottom: 'data' top: 'l'", "RELU", '"ReLU"'),
        ('type: "ReLU" bottom: data top: "l"', "data", '"data"'),
        ('type: "ReLU" input: "data" top: "l"', "input", "`bottom`"),
        ('type: "InnerProduct" bottom: "data" top: "l" inner_product_param { num_output: 1 weight_filler '
         '{ type: "xavir" } }', '"xavir"', '"xavier"'),
        ('typ: "ReLU" bottom: "data" top: "l"', "typ", "`type`"),
    ],
)  # fmt: skip
def test_layers(layer: str, mark: str, meant: str) -> None:
    found = only(INPUT + f'layer {{ name: "l" {layer} }}')
    assert marked(found) == mark
    assert meant in (found.help or "")


@pytest.mark.parametrize(
    ("damage", "mark"),
    [
        (('top: "conv1"', 'tpo: "conv1"'), "tpo"),
        (('type: "Convolution"', "type: Convolution"), "Convolution"),
        (("num_output: 4", "num_outptu: 4"), "num_outptu"),
        (("kernel_size: 3", 'kernel_size: "three"'), '"three"'),
        (('layer { name: "conv1"', 'layr { name: "conv1"'), "layr"),
        (("phase: TRAIN", "phase: TRAINING"), "TRAINING"),
        (('bottom: "data" top: "conv1"', 'bottom: "dta" top: "conv1"'), '"dta"'),
    ],
)
def test_nothing_is_said_of_what_a_mistake_causes(damage: tuple[str, str], mark: str) -> None:
    text = (
        INPUT
        + """layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1" include { phase: TRAIN }
  convolution_param { num_output: 4 kernel_size: 3 } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" include { phase: TRAIN } }
layer { name: "fc" type: "InnerProduct" bottom: "conv1" top: "fc" include { phase: TRAIN }
  inner_product_param { num_output: 10 } }
"""
    )
    assert errors(text) == []
    found = only(text.replace(*damage, 1))
    assert marked(found) == mark


@pytest.mark.parametrize("index", [0, 1, 2])
def test_the_odd_shape_is_marked(index: int) -> None:
    outputs = [4, 4, 4]
    outputs[index] = 5
    layers = [f"c{i} = Convolution(x) {{ num_output: {n} kernel_size: 1 }}\n" for i, n in enumerate(outputs)]
    text = "x = Input() { shape { dim: [1, 3, 8, 8] } }\n" + "".join(layers) + "y = Eltwise(c0, c1, c2)"
    (found,) = errors(text, "net.net")
    assert marked(found) == f"c{index}"
    assert len(found.notes) >= 3
