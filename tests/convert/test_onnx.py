"""ONNX files run by onnxruntime give netc's numbers: every layer type's examples, small nets, whole nets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netc
from netc.catalogue import catalogue
from netc.convert.check import check, random_inputs
from netc.convert.codes import NO_COUNTERPART, NO_COUNTERPART_FIELD
from netc.convert.model import Checkable
from netc.convert.onnx import WRITERS, export
from netc.convert.onnx.runner import OnnxRuntime
from netc.convert.predicting import Predicting
from netc.errors import NetError
from netc.layer import Example, LayerType
from netc.report.explain import example_text
from netc.run.net import Net
from tests.layers.harness import values_of

pytest.importorskip("onnx", reason="the extra onnx is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")

TYPES = {t.name: t for t in catalogue().types.values()}
CASES = [(t, e) for t in TYPES.values() if t.name != "Silence" and not t.source for e in t.examples]
REFUSED = ("eta: 0.9", 'data_filler { type: "')
"""What fields of examples ask for that ONNX has nothing for."""


def build(layer_type: LayerType, example: Example) -> Net:
    """A net around the example, with inputs and parameters that show mistakes."""
    definition = netc.loads(example_text(layer_type, example), "example.net")
    net: Net = netc.Net(definition, "TEST", training=False)
    for index, array in enumerate(net.inputs.values()):
        array[...] = values_of(example.inputs[index], index)
    rng = np.random.default_rng(1)
    for name, blobs in net.params.items():
        for position, blob in enumerate(blobs):
            noise = rng.standard_normal(blob.shape)
            blob[...] += 0.3 * np.abs(noise) + 1 if name == "batchnorm" and position in (1, 2) else 0.3 * noise
    return net


def run(net: Net) -> dict[str, Any]:
    """What onnxruntime makes of the net's inputs."""
    model = export(Predicting.of(net))
    session = onnxruntime.InferenceSession(model.message().SerializeToString(), providers=["CPUExecutionProvider"])
    wanted = {i.name for i in session.get_inputs()}
    values = session.run(None, {name: array for name, array in net.inputs.items() if name in wanted})
    return dict(zip([o.name for o in session.get_outputs()], values, strict=True))


def hold(net: Net, atol: float = 1e-5, rtol: float = 1e-4) -> None:
    found, expected = run(net), net.forward()
    outputs = [name for name in expected if name not in net.inputs]
    assert list(found)[: len(outputs)] == outputs
    for name in outputs:
        assert found[name].shape == expected[name].shape
        np.testing.assert_allclose(found[name], expected[name], rtol, atol, err_msg=name)


@pytest.mark.parametrize(
    ("layer_type", "example"), CASES, ids=lambda v: v.name if isinstance(v, LayerType) else v.fields
)
def test_every_example_gives_the_same_numbers_or_is_refused(layer_type: LayerType, example: Example) -> None:
    """Of every type there is: converted and equal, or refused with the type's name or the field."""
    net = build(layer_type, example)
    if layer_type in WRITERS and not any(text in example.fields for text in REFUSED):
        if not net.plan.layers[-1].setup.random:
            hold(net)
        return
    with pytest.raises(NetError) as caught:
        export(Predicting.of(net))
    (problem,) = caught.value.diagnostics
    assert problem.code is (NO_COUNTERPART_FIELD if layer_type in WRITERS else NO_COUNTERPART)
    assert layer_type.name in problem.message


@pytest.mark.parametrize("opset", [11, 17, 21])
@pytest.mark.parametrize(("fields", "kept"), [("", 4.0), ("scale_train: false", 1.0)])
def test_values_that_are_dropped_at_test(fields: str, kept: float, opset: int) -> None:
    """Anew in every run, each with the layer's probability; what comes after is compared on what was drawn."""
    dropped = f"dropout_ratio: 0.75 sample_weights_test: true {fields}"
    text = f"x = Input() {{ shape {{ dim: [50, 40] }} }}\ny = Dropout(x) {{ {dropped} }}"
    it = Predicting.of(small(f"{text}\nz = Softmax(y)"))
    model = export(it, opset=opset)
    checkable = Checkable(it.net, lambda: OnnxRuntime(model))
    found = check(checkable, random_inputs(checkable))
    assert (found.problem, found.compared, found.computed) == (None, 1, 2)
    whole = export(Predicting.of(small(text)), opset=opset).message().SerializeToString()
    session = onnxruntime.InferenceSession(whole, providers=["CPUExecutionProvider"])
    ones = np.ones((50, 40), np.float32)
    first, second = (session.run(None, {"x": ones})[0] for _ in range(2))
    assert set(first.flat) == {0.0, kept}
    assert 0.2 < (first > 0).mean() < 0.3
    assert (first != second).any()


def test_what_has_no_writer() -> None:
    """Losses, measures and their targets, files and users' code: whatever a net that predicts can hold has one."""
    types = [t for t in TYPES.values() if t not in WRITERS and not (t.source or t.loss or t.role.end)]
    assert {t.name for t in types} == {"AnchorTarget", "GridTarget", "ProposalTarget", "Python"}


@pytest.mark.parametrize(("name", "states"), [("LSTM", "hc"), ("RNN", "h"), ("GRU", "h")])
def test_a_state_that_is_kept_goes_in_and_out(name: str, states: str) -> None:
    """Given back, it is what netc keeps; left out, it is zero."""
    text = f"""x = Input() {{ shape {{ dim: [3, 2, 4] }} }}
cont = Input() {{ shape {{ dim: [3, 2] }} }}
r = {name}(x, cont) {{ num_output: 5 weight_filler: {{ type: "gaussian" }} bias_filler: {{ type: "gaussian" }} }}
"""
    net = small(text)
    net.inputs["cont"][...] = [[0, 1], [1, 1], [1, 0]]
    model = export(Predicting.of(net))
    assert len(model.notes) == 1
    assert "r/h_0" in model.notes[0]
    session = onnxruntime.InferenceSession(model.message().SerializeToString(), providers=["CPUExecutionProvider"])
    given: dict[str, Any] = {}
    for _ in range(3):
        expected = net.forward()["r"]
        found = session.run(None, net.inputs | given)
        np.testing.assert_allclose(found[0], expected, 1e-4, 1e-5)
        given = {f"r/{letter}_0": array for letter, array in zip(states, found[1:], strict=True)}
        net.inputs["cont"][...] = 1


def small(text: str) -> Net:
    definition = netc.loads(text, "small.net")
    net: Net = netc.Net(definition, "TEST", training=False, seed=3)
    for index, array in enumerate(net.inputs.values()):
        array[...] = np.random.default_rng(index).standard_normal(array.shape)
    return net


DATA = 'data = Input() { shape { dim: [2, 3, 9, 8] } }\nlet g = { type: "gaussian" std: 0.5 }\n'


@pytest.mark.parametrize(
    "text",
    [
        "a = Convolution(data) { num_output: 4 kernel_size: 3 weight_filler: g }\na = ReLU(a)\nb = Pooling(a) {"
        " kernel_size: 2 }\na = Sigmoid(a)",
        "a = Dropout(data)",
        "a = ReLU(data)\nb = Dropout(a)\nc, d = Split(b)",
        "a, b, c = Slice(data)\nx = Concat(b, a)\nSilence(c)",
        'a = InnerProduct(data) { num_output: 5 weight_filler: g param { name: "w" } param { name: "b" } }\n'
        'b = InnerProduct(data) { num_output: 5 weight_filler: g param { name: "w" } param { name: "b" } }\n'
        "c = Eltwise(a, b) { coeff: [1, -2] }",
        # names of operations, parameters and blobs that could meet
        'r as "a/relu" = ReLU(data)\na = ReLU(data) { negative_slope: 0.1 }\nb as "a/constant" = Power(r) { shift: 1 }',
        "s = Input() { shape { dim: [] } }\na = ReLU(s)\nb = Reduction(data)\nc = Eltwise(a, b)",
    ],
)
def test_small_nets(text: str) -> None:
    hold(small(DATA + text))


def test_an_input_written_in_place_keeps_its_name() -> None:
    net = small(DATA + "data = ReLU(data)\ndata = TanH(data)")
    ((name, found),) = run(net).items()
    assert name == "data_2"
    np.testing.assert_allclose(found, net.forward()["data"], 1e-5)


def test_many_readers_of_one_conv_keep_their_version() -> None:
    net = small(DATA + "a = ReLU(data)\nb = Power(a) { scale: 2 }\na = Power(a) { shift: 1 }\nc = Eltwise(a, b)")
    hold(net)


@pytest.mark.parametrize("name", ["digits", "lenet", "squeezenet", "mobilenet_v1"])
def test_gallery(name: str) -> None:
    """Whole nets with BatchNorm's statistics set, where there are some."""
    net = netc.Net(Path(__file__).parents[2] / f"nets/{name}.net", "TEST", stages=("deploy",), batch=1, seed=2)
    rng = np.random.default_rng(0)
    for node in net.graph.nodes:
        if node.type.name == "BatchNorm":
            mean, variance, factor = net.params[node.name]
            mean[...], variance[...], factor[...] = rng.normal(0, 1, mean.shape), rng.uniform(1, 2, mean.shape), 2
    net.inputs["data"][...] = rng.standard_normal(net.inputs["data"].shape)
    hold(net, atol=1e-5, rtol=1e-3)


def test_every_layer_without_counterpart_is_named() -> None:
    net = small(
        DATA + "label = Input() { shape { dim: 2 } }\nip = InnerProduct(data) { num_output: 5 }\n"
        "loss = SoftmaxWithLoss(ip, label)\nx = Accuracy(ip, label)\n"
        'y = DummyData() { shape { dim: 2 } data_filler { type: "gaussian" } }\nz = ReLU(y)'
    )
    with pytest.raises(NetError) as caught:
        export(Predicting.of(net))
    found = caught.value.diagnostics
    assert [d.code for d in found] == [NO_COUNTERPART, NO_COUNTERPART, NO_COUNTERPART_FIELD]
    assert [d.message.partition(":")[0] for d in found] == ['layer "loss"', 'layer "x"', 'layer "y" (DummyData)']
    assert found[2].span is not None
    assert found[2].span.source.text[found[2].span.start : found[2].span.end] == "data_filler"
