"""What `netc convert` can be told of ONNX files: free sizes, a part of the net, pixels, FP16, versions, domains."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netc
from netc.api.deploy import NO_PREDICTION
from netc.api.preprocess import Preprocessing
from netc.cli._files import write_parts
from netc.convert import files
from netc.convert.check import check, random_inputs
from netc.convert.codes import BAD_OPSET, NO_BLOB, NO_COUNTERPART_FIELD, NO_PREPROCESSING, NOT_FREE
from netc.convert.model import Made, Model, Options
from netc.convert.onnx.opsets import IR_VERSIONS
from netc.convert.predicting import build
from netc.errors import NetError
from netc.layer import Array, Shape
from netc.schema.weights import LayerWeights, Weights
from netc.schema.weights_write import dump_weights

onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")

NETS = Path(__file__).parent / "onnx_nets"
SSD, FCN, OPENPOSE = ((NETS / f"{name}.net").read_text() for name in ("ssd", "fcn", "openpose"))
G = 'weight_filler: { type: "gaussian" std: 0.3 }'


def made(tmp_path: Path, text: str, **options: Any) -> Made:
    path = tmp_path / "net.net"
    path.write_text(text)
    return files.dump(files.read(path), ".onnx", Options(**options))


def session(of: Made) -> Any:
    return onnxruntime.InferenceSession(of.content, providers=["CPUExecutionProvider"])


def agrees(of: Made, sizes: list[Mapping[str, Shape]]) -> None:
    """The same file, at each of these sizes of its inputs, with netc's numbers."""
    assert of.checkable is not None
    rng = np.random.default_rng(0)
    inputs = [{n: rng.standard_normal(s).astype(np.float32) for n, s in shapes.items()} for shapes in sizes]
    found = check(of.checkable, inputs)
    assert found.problem is None, found.problem
    assert found.compared == found.computed
    assert found.runs == len(sizes)


@pytest.mark.parametrize("text", [SSD, FCN, OPENPOSE], ids=["ssd", "fcn", "openpose"])
def test_one_file_for_three_sizes_and_two_batches(tmp_path: Path, text: str) -> None:
    file = made(tmp_path, text, dynamic=("N", "H", "W"))
    planes = [(64, 64), (80, 48), (57, 103)]
    agrees(file, [{"data": (batch, 3, *plane)} for batch in (1, 3) for plane in planes])
    (given,) = session(file).get_inputs()
    assert given.shape == ["N", 3, "H", "W"]


def test_a_two_stage_detector_for_two_sizes(tmp_path: Path) -> None:
    """Each layer on the regions that the file itself found, in its order."""
    file = made(tmp_path, (NETS / "rcnn.net").read_text(), dynamic=("H", "W"))
    assert file.checkable is not None
    found = check(file.checkable, random_inputs(file.checkable))
    assert (found.problem, found.compared) == (None, found.computed)
    assert found.runs == 2 + len(file.checkable.sizes) > 2


def test_free_sizes_have_the_input_s_names(tmp_path: Path) -> None:
    file = session(made(tmp_path, FCN, dynamic=("N", "H", "W")))
    assert {o.name: o.shape for o in file.get_outputs()}["prob"] == ["N", 4, "H", "W"]
    only = session(made(tmp_path, FCN, dynamic=("N",)))
    assert only.get_inputs()[0].shape == ["N", 3, 64, 64]


def test_every_example_that_allows_it_runs_with_a_free_batch(tmp_path: Path) -> None:
    text = """data = Input() { shape { dim: [2, 6, 7, 8] } }
a = MVN(data)
p = Pooling(a) { pool: MAX kernel_size: 2 stride: 2 }
b = Upsample(p) { scale: 2 }
c = ShuffleChannel(data) { group: 3 }
d = Interp(c) { height: 5 width: 9 }
e, f = Slice(data) { axis: 2 slice_point: 3 }
"""
    text += "g = Maxout(data) { pieces: 2 }\nh = Gram(data)\ni = Reduction(data) { axis: 1 }\nj = LRN(data)\n"
    agrees(made(tmp_path, text, dynamic=("N", "H", "W")), [{"data": (2, 6, 7, 8)}, {"data": (5, 6, 10, 9)}])


@pytest.mark.parametrize(
    ("text", "axes", "where"),
    [
        (
            f"data = Input() {{ shape {{ dim: [1, 3, 9, 9] }} }}\na = InnerProduct(data) {{ num_output: 2 {G} }}",
            "H",
            "a",
        ),
        ("data = Input() { shape { dim: [2, 3, 4, 6] } }\na = Reshape(data) { shape { dim: [2, 3, 24] } }", "N", "a"),
        ("data = Input() { shape { dim: [2, 3, 8, 8] } }\na = SPP(data) { pyramid_height: 2 }", "W", "a"),
        ("data = Input() { shape { dim: [2, 3] } }\na = ReLU(data)", "H", ""),
    ],
)
def test_a_layer_that_wants_one_size_is_named(tmp_path: Path, text: str, axes: str, where: str) -> None:
    with pytest.raises(NetError) as caught:
        made(tmp_path, text, dynamic=(axes,))
    (problem,) = caught.value.diagnostics
    assert problem.code is NOT_FREE
    assert f'layer "{where}"' in problem.message if where else "no input has it" in problem.message


def test_up_to_a_blob(tmp_path: Path) -> None:
    """With its last version, and nothing that it does not need; blobs that others read may be asked for, too."""
    file = made(tmp_path, SSD, upto=("c", "a"))
    model = onnx.load_model_from_string(file.content)
    assert [o.name for o in model.graph.output] == ["c", "a"]
    assert [n.op_type for n in model.graph.node] == ["Conv", "Relu", "MaxPool", "Conv"]
    agrees(file, [{"data": (1, 3, 64, 64)}])
    with pytest.raises(NetError) as caught:
        made(tmp_path, SSD, upto=("founds",))
    (problem,) = caught.value.diagnostics
    assert (problem.code, problem.help) == (NO_BLOB, 'did you mean "found"?')


@pytest.mark.parametrize("ending", [".onnx", ".py", ".caffe"])
def test_a_net_without_layers_is_no_file(tmp_path: Path, ending: str) -> None:
    """Nobody would load it; nor what is left up to an input, or of a snapshot that holds data layers only."""
    path = tmp_path / "net.prototxt"
    data = 'layer { name: "data" type: "Data" top: "data" top: "label" data_param { source: "db" batch_size: 2 } }'
    given = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 } } }'
    relu = 'layer { name: "a" type: "ReLU" bottom: "data" top: "a" }'
    cases = [(data, Options(inputs={"data": (1, 3)})), (given, Options())]
    cases += [(given + relu, Options(upto=("data",)))] if ending != ".py" else []
    for text, options in cases:
        path.write_text(text)
        with pytest.raises(NetError) as caught:
            files.dump(files.read(path), ending, options)
        assert [d.code for d in caught.value.diagnostics] == [NO_PREDICTION]


@pytest.mark.parametrize("opset", sorted(IR_VERSIONS))
def test_every_version_of_operators(tmp_path: Path, opset: int) -> None:
    text = SSD + "ln = LayerNorm(a)\nred = Reduction(b) { operation: MEAN axis: 1 }\nup = Upsample(b) { scale: 2 }\n"
    text += "sl, sm = Slice(b)\nmx = Eltwise(sl, sm) { operation: MAX }\n"
    file = made(tmp_path, text, opset=opset)
    model = onnx.load_model_from_string(file.content)
    assert [(o.domain, o.version) for o in model.opset_import] == [("", opset)]
    agrees(file, [{"data": (1, 3, 64, 64)}])


@pytest.mark.parametrize("opset", [11, 13, 21])
def test_free_sizes_in_other_versions(tmp_path: Path, opset: int) -> None:
    agrees(made(tmp_path, SSD, opset=opset, dynamic=("N", "H", "W")), [{"data": (2, 3, 48, 80)}])


@pytest.mark.parametrize("opset", [10, 22, 0])
def test_versions_that_are_not_written(tmp_path: Path, opset: int) -> None:
    with pytest.raises(NetError) as caught:
        made(tmp_path, SSD, opset=opset)
    assert [d.code for d in caught.value.diagnostics] == [BAD_OPSET]


def test_half_of_the_bytes(tmp_path: Path) -> None:
    text = f"data = Input() {{ shape {{ dim: [1, 64] }} }}\na = InnerProduct(data) {{ num_output: 256 {G} }}"
    whole, half = made(tmp_path, text), made(tmp_path, text, half=True)
    assert len(half.content) < 0.55 * len(whole.content)
    agrees(half, [{"data": (1, 64)}])  # netc has the rounded weights, too
    x = np.random.default_rng(0).standard_normal((1, 64)).astype(np.float32)
    one, other = (session(file).run(None, {"data": x})[0] for file in (whole, half))
    assert 0 < np.abs(one - other).max() < 2e-2


# ---------------------------------------------------------------- preprocessing and metadata


def prepared(tmp_path: Path, transform: str, size: str = "4, 5") -> Made:
    layer = f"data = Input() {{ shape {{ dim: [2, 3, {size}] }} transform_param {{ {transform} }} }}"
    text = f"{layer}\na = Power(data) {{ scale: 2 }}"
    return made(tmp_path, text, with_preprocessing=True)


def test_preprocessing_by_mean_values_and_scale(tmp_path: Path) -> None:
    file = prepared(tmp_path, "mean_value: [104, 117, 123] scale: 0.25")
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 5)).astype(np.float32)
    (found,) = session(file).run(None, {"image": pixels})
    expected = 0.5 * (pixels - np.array([104, 117, 123]).reshape(1, 3, 1, 1))
    np.testing.assert_allclose(found, expected, 1e-5, 1e-4)
    assert file.checkable is not None
    assert check(file.checkable, random_inputs(file.checkable)).problem is None


def test_preprocessing_by_mean_image_and_crop(tmp_path: Path) -> None:
    """As netc predicts: the mean of the whole image is subtracted, then the middle is cut out."""
    from netc.schema.weights_write import write_blob  # noqa: PLC0415 - only here

    mean = np.random.default_rng(1).uniform(0, 255, (3, 9, 10)).astype(np.float32)
    with (tmp_path / "mean.binaryproto").open("wb") as file:
        write_blob(file, mean[None])
    made_of = prepared(tmp_path, f'mean_file: "{tmp_path}/mean.binaryproto" crop_size: 4', "4, 4")
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 9, 10)).astype(np.float32)
    (found,) = session(made_of).run(None, {"image": pixels})
    np.testing.assert_allclose(found, 2 * (pixels - mean)[:, :, 2:6, 3:7], 1e-5, 1e-4)


def test_preprocessing_that_nobody_knows(tmp_path: Path) -> None:
    with pytest.raises(NetError) as caught:
        made(tmp_path, OPENPOSE, with_preprocessing=True)
    assert [d.code for d in caught.value.diagnostics] == [NO_PREPROCESSING]


def test_preprocessing_of_a_snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What training stored counts: of digits, 16 grey values that pixels are divided by."""
    monkeypatch.chdir(tmp_path)
    root = Path(__file__).parents[2]
    solver = netc.Solver(
        root / "nets/digits.net",
        changes={"max_iter": 2, "snapshot_prefix": "digits", "display": 0},
        executor="reference",
    )
    solver.solve()
    snapshot = next(tmp_path.glob("*.caffemodel"))
    model = files.with_weights(files.read(root / "nets/digits.net"), [snapshot])
    file = files.dump(model, ".onnx", Options(with_preprocessing=True))
    (given,) = session(file).get_inputs()
    pixels = np.random.default_rng(0).integers(0, 256, given.shape).astype(np.float32)
    plain = session(files.dump(model, ".onnx"))
    scale = json.loads(plain.get_modelmeta().custom_metadata_map["preprocessing/data"])["scale"]
    expected = plain.run(None, {plain.get_inputs()[0].name: pixels * np.float32(scale)})
    for one, other in zip(session(file).run(None, {given.name: pixels}), expected, strict=True):
        np.testing.assert_allclose(one, other, 1e-4, 1e-5)
    kept = replace(model, prepared={"data": Preprocessing(1, class_names=("nought", "one"))})
    said = session(files.dump(kept, ".onnx")).get_modelmeta().custom_metadata_map
    assert said["labels"] == "nought\none"


PHASES = """let source = { source: "db" batch_size: 2 }
train { data, label = Data() { transform_param: { mean_value: 9 } data_param: source } }
test { data, label = Data() { transform_param: { scale: 0.5 mean_value: 10 } data_param: source } }
deploy { data = Input() { shape { dim: [2, 1, 3, 4] } } }
a = Power(data) { scale: 2 }
"""


def test_preprocessing_as_the_data_layer_of_another_phase_says(tmp_path: Path) -> None:
    """The net that predicts has an Input, its tests a data layer for the same blob."""
    file = made(tmp_path, PHASES, with_preprocessing=True)
    (found,) = session(file).run(None, {"image": np.full((2, 1, 3, 4), 30, np.float32)})
    np.testing.assert_allclose(found, 20)
    plain = session(made(tmp_path, PHASES)).get_modelmeta().custom_metadata_map
    assert json.loads(plain["preprocessing/data"]) == {"channels": "gray", "mean": [10], "scale": 0.5}


def test_preprocessing_of_a_net_with_parameters_that_has_none(tmp_path: Path) -> None:
    """Its mean is one; nothing is said of the layers that start as their fillers say."""
    text = f"{PHASES}b = InnerProduct(a) {{ num_output: 3 {G} }}"
    file = made(tmp_path, text, with_preprocessing=True)
    assert file.notes == ("no weights were given: parameters are as their fillers say",)
    assert file.checkable is not None
    assert check(file.checkable, random_inputs(file.checkable)).problem is None


def test_metadata(tmp_path: Path) -> None:
    file = made(tmp_path, SSD, labels=("background", "dog", "cat"))
    said = session(file).get_modelmeta().custom_metadata_map
    assert said["labels"].split("\n") == ["background", "dog", "cat"]
    assert said["source"] == "net.net"
    assert said["columns/found"] == "image,class,confidence,xmin,ymin,xmax,ymax"
    assert said["netc"] == netc.__version__


# ---------------------------------------------------------------- other domains


@pytest.mark.parametrize(("domain", "name"), [("opencv", ""), ("openvino", "org.openvinotoolkit")])
def test_own_nodes_for_detections(tmp_path: Path, domain: str, name: str) -> None:
    file = made(tmp_path, SSD, domain=domain)
    assert file.checkable is None  # nobody here runs it
    assert file.unchecked == f"onnxruntime has no DetectionOutput, which is a node of {domain}'s own"
    model = onnx.load_model_from_string(file.content)
    (node,) = [n for n in model.graph.node if n.op_type == "DetectionOutput"]
    assert node.domain == name
    assert list(node.input) == ["loc", "scores", "prior"]
    fields = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    assert fields["code_type"] == b"CENTER_SIZE"
    assert (fields["keep_top_k"], fields["top_k"], fields["share_location"]) == (20, 50, 1)
    assert fields["nms_threshold"] == pytest.approx(0.45)
    assert ("num_classes" in fields) == (domain == "opencv")


def test_a_file_without_own_nodes_is_checked(tmp_path: Path) -> None:
    file = made(tmp_path, SSD, domain="opencv", upto=("prob",))
    agrees(file, [{"data": (1, 3, 64, 64)}])


def test_a_threshold_that_falls_is_refused_by_its_field(tmp_path: Path) -> None:
    text = SSD.replace("nms_threshold: 0.45", "nms_threshold: 0.7 eta: 0.9")
    for domain in ("", "opencv"):
        with pytest.raises(NetError) as caught:
            made(tmp_path, text, domain=domain)
        (problem,) = caught.value.diagnostics
        assert problem.code is NO_COUNTERPART_FIELD
        assert 'layer "found" (DetectionOutput)' in problem.message
    made(tmp_path, text.replace("0.7", "0.5"))  # where the threshold is no more than 0.5, it never falls


# ---------------------------------------------------------------- parameters


def test_parameters_are_not_copied(tmp_path: Path) -> None:
    """Large ones are written from the file that they were read from."""
    path = tmp_path / "w.caffemodel"
    weights: Array = np.random.default_rng(0).standard_normal((64, 48)).astype(np.float32)
    path.write_bytes(dump_weights("net", [LayerWeights("a", "InnerProduct", (weights, np.zeros(64, np.float32)))]))
    text = "data = Input() { shape { dim: [1, 48] } }\na = InnerProduct(data) { num_output: 64 }"
    (tmp_path / "net.net").write_text(text)
    model = files.with_weights(files.read(tmp_path / "net.net"), [path])
    it, _ = build(model)
    assert model.weights is not None
    assert np.shares_memory(it.blobs[0], model.weights.layers[0].blobs[0])
    parts = files.dump(model, ".onnx").parts
    assert any(isinstance(part, memoryview) and part.nbytes == weights.nbytes for part in parts)
    x = np.ones((1, 48), np.float32)
    (found,) = session(Made(parts)).run(None, {"data": x})
    np.testing.assert_allclose(found, x @ weights.T, 1e-4, 1e-5)


def test_weights_for_a_part_of_the_net(tmp_path: Path) -> None:
    text = "data = Input() { shape { dim: [1, 4] } }\na = ReLU(data)\nb = InnerProduct(a) { num_output: 2 }"
    (tmp_path / "net.net").write_text(text)
    weights = Weights(
        "net", (LayerWeights("b", "InnerProduct", (np.ones((2, 4), np.float32), np.ones(2, np.float32))),)
    )
    model = Model(tmp_path / "net.net", files.read(tmp_path / "net.net").definition, weights)
    assert files.dump(model, ".onnx", Options(upto=("a",))).notes == ()


@pytest.mark.parametrize("ending", [".onnx", ".py", ".caffe", ".caffemodel", ".safetensors"])
def test_converting_costs_the_parameters_once(tmp_path: Path, ending: str) -> None:
    """Reading, writing and all between: less than half as much again as the parameters."""
    weights = np.zeros((2048, 4096), np.float32)
    path = tmp_path / "w.caffemodel"
    path.write_bytes(dump_weights("net", [LayerWeights("a", "InnerProduct", (weights, np.zeros(2048, np.float32)))]))
    (tmp_path / "net.net").write_text(
        "data = Input() { shape { dim: [1, 4096] } }\na = InnerProduct(data) { num_output: 2048 }"
    )
    model = files.with_weights(files.read(tmp_path / "net.net"), [path])  # what is loaded once is there now
    files.dump(model, ending)
    del model
    tracemalloc.start()
    try:
        model = files.with_weights(files.read(tmp_path / "net.net"), [path])
        done = files.dump(model, ending)
        for name, parts in {ending: done.parts, **done.beside}.items():
            write_parts(tmp_path / f"made{name}", parts)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert weights.nbytes < peak < 1.5 * weights.nbytes
    assert max(path.stat().st_size for path in tmp_path.glob("made.*")) > weights.nbytes
