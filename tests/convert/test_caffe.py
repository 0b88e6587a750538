"""Caffe's files anew, for Caffe and for tools that read them: read again, they give the same numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netc
from netc.catalogue import catalogue
from netc.convert import caffe, files
from netc.convert.caffe.profiles import PROFILES
from netc.convert.check import check, random_inputs
from netc.convert.codes import NO_COUNTERPART, NO_COUNTERPART_FIELD, NOT_TAKEN, UNKNOWN_TOOL
from netc.convert.made_up import parameters
from netc.convert.model import Made, Model, Options
from netc.convert.predicting import build as predicting
from netc.errors import NetError
from netc.layer import Example, LayerType
from netc.report.explain import example_text
from netc.run.net import Net
from netc.run.weights import weights_of
from netc.schema.record import Record
from netc.schema.weights import parse_weights
from tests.layers.harness import values_of

NETS = Path(__file__).parents[2] / "nets"
TYPES = {t.name: t for t in catalogue().types.values()}
CASES = [
    (t, e) for t in TYPES.values() for e in t.examples if e.tops and not t.source and not t.loss and t.name != "Python"
]
DRAWN = ("sample_weights_test: true", 'data_filler { type: "', "anchor_target_param", "proposal_target_param")
"""Of fields with which values are drawn anew in every run."""


def model_of(layer_type: LayerType, example: Example) -> Model:
    """The net around an example, in phase TEST, with parameters that show mistakes."""
    definition = netc.loads(example_text(layer_type, example), "example.net")
    net = netc.Net(definition, "TEST", training=False)
    rng = np.random.default_rng(1)
    for blobs in net.params.values():
        for position, blob in enumerate(blobs):
            noise = rng.standard_normal(blob.shape)
            variance = layer_type.name in ("BatchNorm", "BN") and position in (1, 2, 3)
            blob[...] += 0.3 * np.abs(noise) + 1 if variance else 0.3 * noise
    return Model(Path("example.net"), definition, weights_of(net))


def given(net: Net, example: Example) -> dict[str, Any]:
    shapes = [given.shape for given in example.inputs]
    return {n: values_of(example.inputs[i], i).reshape(shapes[i]) for i, n in enumerate(net.inputs)}


def agrees(made: Made, example: Example | None = None) -> None:
    """What was made, read again, gives the numbers of the net that it was made from."""
    assert made.checkable is not None
    it = made.checkable
    inputs = [given(it.net(), example)] if example else random_inputs(it, 1)
    found = check(it, inputs, 1e-4)
    assert found.problem is None, found.problem
    assert found.compared


@pytest.mark.parametrize(
    ("layer_type", "example"), CASES, ids=lambda v: v.name if isinstance(v, LayerType) else v.fields
)
def test_every_example_stays_the_same(layer_type: LayerType, example: Example) -> None:
    """For Caffe itself everything is written; for a tool it is, or it is refused by its name. All of it agrees."""
    model, done = model_of(layer_type, example), set()
    for tool in ("", *PROFILES):
        try:
            made = files.dump(model, ".caffe", Options(profile=tool, fold=tool in ("", "ncnn")))
        except NetError as error:
            assert tool
            for found in error.diagnostics:
                assert found.code in (NO_COUNTERPART, NO_COUNTERPART_FIELD)
                assert layer_type.name in found.message or "Input" in found.message
                assert PROFILES[tool].tool in found.message
            continue
        if made.content not in done and not any(text in example.fields for text in DRAWN):
            agrees(made, example)
        done.add(made.content)


def small(tmp_path: Path, text: str, **options: Any) -> tuple[Made, list[Record]]:
    """A net with noise for parameters, converted; and its layers as they are read again."""
    path = tmp_path / "net.net"
    path.write_text(
        'name: "n"\ndata = Input() { shape { dim: [2, 4, 8, 8] } }\nlet g = { type: "gaussian" std: 0.5 }\n' + text
    )
    definition = netc.load(path)
    net = netc.Net(definition, "TEST", training=False)
    rng = np.random.default_rng(0)
    for blobs in net.params.values():
        for blob in blobs:
            blob[...] = rng.uniform(0.5, 1.5, blob.shape)
    made = files.dump(Model(path, definition, weights_of(net)), ".caffe", Options(**options))
    agrees(made)
    return made, list(netc.loads(made.content.decode(), "model.prototxt").record.layer)


CONV = "a = Convolution(data) { num_output: 4 kernel_size: 3 bias_term: false weight_filler: g }\n"


def test_what_only_training_needs_is_gone_and_nothing_is_in_place(tmp_path: Path) -> None:
    made, layers = small(
        tmp_path,
        CONV + "a = ReLU(a)\na = Dropout(a)\nb, c = Split(a)\nSilence(c)\nd = TanH(b)\nd = Power(d) { shift: 1 }",
    )
    assert [layer.type for layer in layers] == ["Input", "Convolution", "ReLU", "TanH", "Power"]
    assert all(layer.top[0] not in layer.bottom for layer in layers)
    assert layers[-1].top == ("d",)
    assert all(not layer.has("param") and "filler" not in made.content.decode() for layer in layers)


def test_in_place_as_published_nets_have_it(tmp_path: Path) -> None:
    _, layers = small(
        tmp_path, CONV + "a = ReLU(a)\nb = TanH(a)\nc = Eltwise(a, b)\nd = Power(c) { shift: 1 }", in_place=True
    )
    assert [(layer.bottom, layer.top) for layer in layers[1:]] == [
        (("data",), ("a",)),
        (("a",), ("a",)),
        (("a",), ("b",)),
        (("a", "b"), ("c",)),
        (("c",), ("d",)),
    ] or layers[-1].bottom == layers[-1].top == ("d",)


@pytest.mark.parametrize(
    "layer",
    [
        "Convolution(data) { num_output: 6 kernel_size: 3 weight_filler: g }",
        "Convolution(data) { num_output: 6 kernel_size: 3 group: 2 bias_term: false weight_filler: g }",
        "DepthwiseConvolution(data) { num_output: 4 kernel_size: 3 weight_filler: g }",
        "Deconvolution(data) { num_output: 6 kernel_size: 3 group: 2 stride: 2 weight_filler: g }",
        "InnerProduct(data) { num_output: 5 weight_filler: g }",
        "InnerProduct(data) { num_output: 5 transpose: true bias_term: false weight_filler: g }",
    ],
)
@pytest.mark.parametrize(
    "after",
    [
        "b = BatchNorm(a) { eps: 0.1 }\nb = Scale(b) { bias_term: true }",
        "b = Scale(a)\nb = Bias(b)\nb = BatchNorm(b) { eps: 0.1 }\nc = ReLU(b)",
        "b = BN(a) { slope_filler: g eps: 0.1 }",
    ],
)
def test_folding(tmp_path: Path, layer: str, after: str) -> None:
    _, layers = small(tmp_path, f"a = {layer}\n{after}", fold=True)
    assert len(layers) == 2 + ("ReLU" in after)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (CONV + "b = BatchNorm(a)\nc = ReLU(a)", ["Convolution", "BatchNorm", "ReLU"]),  # another layer reads the sum
        ("a = ReLU(data)\nb = BatchNorm(a) { eps: 0.1 }\nb = Scale(b) { bias_term: true }", ["ReLU", "Scale"]),
        (CONV + "b = Scale(a) { axis: 2 }", ["Convolution", "Scale"]),
        (CONV + "s = Pooling(a) { pool: AVE global_pooling: true }\ns = Flatten(s)\nb = Scale(a, s) { axis: 0 }", None),
        (CONV + "b = BatchNorm(a) { use_global_stats: false }", ["Convolution", "BatchNorm"]),
    ],
)
def test_what_is_not_folded_into_a_product(tmp_path: Path, text: str, kept: list[str] | None) -> None:
    _, layers = small(tmp_path, text, fold=True)
    assert kept is None or [layer.type for layer in layers[1:]] == kept


@pytest.mark.parametrize(
    ("tool", "text", "types"),
    [
        ("rknn", "b = Axpy(s, data, data)", ["Pooling", "Flatten", "Scale", "Eltwise"]),
        ("ascend", "b = ReLU6(data)", ["Clip"] if "ReLU6" not in PROFILES["ascend"].types else ["ReLU6"]),
        ("rknn", "b = Clip(data) { min: 0 max: 6 }", ["ReLU6"]),
        ("ncnn", "b = LRN(data) { k: 2 alpha: 0.5 }", ["LRN", "Power"]),
        ("ncnn", "b = InnerProduct(data) { num_output: 3 transpose: true weight_filler: g }", ["InnerProduct"]),
        (
            "rknn",
            "b = InnerProduct(data) { num_output: 3 axis: -1 weight_filler: g }",
            ["Reshape", "InnerProduct", "Reshape"],
        ),
        ("rknn", "b = ShuffleChannel(data) { group: 2 }", ["Reshape", "Permute", "Reshape"]),
        ("ncnn", "b = Swish(data) { beta: 2 }", ["Power", "Sigmoid", "Eltwise"]),
        ("ncnn", "b = Upsample(data) { scale: 2 }", ["Deconvolution"]),
        ("tpu-mlir", "b = Convolution(data) { num_output: 3 kernel_size: [1, 3] weight_filler: g }", ["Convolution"]),
        ("ncnn", "b = Bias(data)", ["Scale"]),
        ("ncnn", "b = Whiten(data) { method: PCA keep: 3 }", ["InnerProduct"]),
        ("ncnn", "b = Whiten(data) { method: ZCA }", ["InnerProduct", "Reshape"]),
        ("tpu-mlir", "b = Concat(data, data) { axis: -3 }", ["Concat"]),
        ("openvino", "b = Reshape(data) { axis: 1 num_axes: 1 shape { dim: [2, 2] } }", ["Reshape"]),
    ],
)
def test_rewrites(tmp_path: Path, tool: str, text: str, types: list[str]) -> None:
    before = "s = Pooling(data) { pool: AVE global_pooling: true }\n" if "(s" in text else ""
    _, layers = small(tmp_path, before + text, profile=tool)
    assert [layer.type for layer in layers[1:]] == types


@pytest.mark.parametrize("tool", ["", *PROFILES])
def test_statistics_as_published_nets_ask_for_them(tmp_path: Path, tool: str) -> None:
    """Deploy files of ResNet say `use_global_stats: true`, which is what every tool does."""
    text = "a = BatchNorm(data) { use_global_stats: true eps: 0.001 }\nb = Scale(a) { bias_term: true }"
    made, layers = small(tmp_path, text, profile=tool)
    assert [layer.type for layer in layers] == ["Input", "BatchNorm", "Scale"]
    assert layers[1].batch_norm_param.eps == pytest.approx(0.001)
    agrees(made)


def test_every_layer_that_a_tool_does_not_take_is_named(tmp_path: Path) -> None:
    with pytest.raises(NetError) as caught:
        small(
            tmp_path,
            "a = Pooling(data) { pool: AVE kernel_size: 3 pad: 1 }\nb = ArgMax(data)\n"
            "c = Permute(data) { order: [1, 0, 2, 3] }\nd = Tile(data) { tiles: 2 }\n"
            "e = Pooling(data) { pool: AVE global_pooling: true }\nf = Eltwise(data, e) { operation: PROD }",
            profile="ncnn",
        )
    found = caught.value.diagnostics
    assert [d.code for d in found] == [
        NO_COUNTERPART_FIELD,
        NO_COUNTERPART,
        NO_COUNTERPART_FIELD,
        NO_COUNTERPART,
        NO_COUNTERPART_FIELD,
    ]
    assert all("ncnn" in d.message for d in found)


def test_names_that_a_tool_cannot_read(tmp_path: Path) -> None:
    _, layers = small(tmp_path, 'a as "x y" = ReLU(data)\nb as "x_y" = TanH(a)\nc = Sigmoid(b)', profile="ncnn")
    assert [layer.top[0] for layer in layers[1:3]] == ["x_y", "x_y_2"]
    assert all(" " not in layer.name for layer in layers)


def test_shared_parameters_become_each_layers_own(tmp_path: Path) -> None:
    spec = 'param { name: "w" } param { name: "b" }'
    made, layers = small(
        tmp_path,
        f"a = InnerProduct(data) {{ num_output: 256 weight_filler: g {spec} }}\n"
        f"b = InnerProduct(a) {{ num_output: 256 weight_filler: g {spec} }}",
    )
    stored = {layer.name: layer.blobs for layer in parse_weights(b"".join(made.beside[".caffemodel"])).layers}
    assert len(stored["a"]) == len(stored["b"]) == 2
    assert not any(layer.has("param") for layer in layers)


def test_half(tmp_path: Path) -> None:
    path = tmp_path / "lenet.net"
    made = files.dump(files.read(NETS / "lenet.net"), ".caffe", Options(half=True, batch=1))
    blobs = {la.name: la.blobs for la in parse_weights(b"".join(made.beside[".caffemodel"])).layers}
    assert blobs["conv1"][0].dtype == np.float16
    assert made.checkable is not None
    assert check(made.checkable, random_inputs(made.checkable, 1), 0.01).problem is None
    assert not path.exists()


def test_old_forms_become_the_present_one(tmp_path: Path) -> None:
    path = tmp_path / "old.prototxt"
    path.write_text(
        'name: "old" input: "data" input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8\n'
        'layers { name: "conv" type: CONVOLUTION bottom: "data" top: "conv" blobs_lr: 1 blobs_lr: 2 '
        "convolution_param { num_output: 2 kernel_size: 3 } }\n"
        'layers { name: "relu" type: RELU bottom: "conv" top: "conv" }\n'
    )
    made = files.dump(files.read(path), ".caffe", Options())
    text = made.content.decode()
    assert "layers" not in text
    assert "input_dim" not in text
    assert text.index('type: "Input"') < text.index('type: "Convolution"') < text.index('type: "ReLU"')
    agrees(made)


def test_a_tool_that_is_not_known() -> None:
    model = files.read(NETS / "lenet.net")
    with pytest.raises(NetError) as caught:
        files.dump(model, ".caffe", Options(profile="tensorrt"))
    assert caught.value.diagnostics[0].code is UNKNOWN_TOOL
    with pytest.raises(NetError) as caught:
        files.dump(model, ".onnx", Options(profile="ncnn"))
    assert caught.value.diagnostics[0].code is NOT_TAKEN
    assert "--for" in caught.value.diagnostics[0].message


def test_profiles_name_layer_types_and_fields_that_there_are() -> None:
    schema = netc.loads('layer { name: "a" type: "Input" top: "a" }', "x").schema
    for profile in PROFILES.values():
        assert profile.source.startswith("https://")
        for name, takes in profile.types.items():
            assert name in TYPES, (profile.tool, name)
            param = TYPES[name].param
            fields = schema.message("LayerParameter").field(param).message.fields if param else {}
            for field in (*(takes.fields or ()), *takes.only, *takes.one, *takes.axes):
                assert field in fields, (profile.tool, name, field)
    assert caffe.FORMAT.in_folder == "model.prototxt"


# ---------------------------------------------------------------- FP16

NORMED = """data = Input() { shape { dim: [2, 3, 8, 8] } }
a = Convolution(data) { num_output: 6 kernel_size: 3 }
b = BatchNorm(a)
c = Scale(b) { bias_term: true }
d = DepthwiseConvolution(c) { num_output: 6 kernel_size: 3 group: 6 }
e = Deconvolution(d) { num_output: 2 kernel_size: 2 }
f = InnerProduct(e) { num_output: 5 }
"""


@pytest.mark.parametrize("fold", [False, True])
def test_half_with_and_without_folding(tmp_path: Path, fold: bool) -> None:
    """What is checked has the rounded parameters, biases too; where they are rounded after folding, it says so."""
    (tmp_path / "net.net").write_text(NORMED)
    model = files.read(tmp_path / "net.net")
    model = replace(model, weights=parameters(predicting(model)[0].plan))
    made = files.dump(model, ".caffe", Options(half=True, fold=fold))
    stored = {la.name: la.blobs for la in parse_weights(b"".join(made.beside[".caffemodel"]), "m").layers}
    assert {name: {blob.dtype.type for blob in blobs} for name, blobs in stored.items() if blobs} == {
        "a": {np.float16},
        **({} if fold else {"b": {np.float32}, "c": {np.float32}}),
        "d": {np.float16},
        "e": {np.float32},
        "f": {np.float16},
    }
    it = made.checkable
    assert it is not None
    assert it.rounded == fold
    found = check(it, random_inputs(it))
    assert found.problem is None
    assert found.worst is not None
    assert (found.worst.error == 0) != fold
