"""What scripts read and write between passes, held to a model of Caffe's memory: one array for each blob name, layers
one after the other over it, and in it where the file says so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from netc import caffe
from netc.caffe.memory_data import Feed
from netc.layer import Array

File = Callable[..., str]
SHAPE = (2, 3, 1, 1)
DIMS = "shape { dim: 2 dim: 3 dim: 1 dim: 1 }"
SOURCES = {
    "Input": f"input_param {{ {DIMS} }}",
    "DummyData": f"dummy_data_param {{ {DIMS} data_filler {{ value: 2 }} }}",
    "MemoryData": "memory_data_param { batch_size: 2 channels: 3 height: 1 width: 1 }",
}


@dataclass
class Layer:
    """tops[0] = scale * sum(bottoms) + shift; a source has no bottoms."""

    name: str
    type: str
    bottoms: list[str]
    tops: list[str]
    scale: float = 1
    shift: float = 0
    versions: list[int] = field(default_factory=list)  # the layers that made the bottoms

    def text(self) -> str:
        names = [f'bottom: "{b}"' for b in self.bottoms] + [f'top: "{t}"' for t in self.tops]
        param = {"Power": f"power_param {{ scale: {self.scale} shift: {self.shift} }}", "Eltwise": "", **SOURCES}
        return f'layer {{ name: "{self.name}" type: "{self.type}" {" ".join(names)} {param[self.type]} }}\n'


class Model:
    """Caffe's memory. The parts of a gradient with several readers are kept until the blob's maker has run."""

    def __init__(self, layers: list[Layer]) -> None:
        self.layers = layers
        shapes = {t: (SHAPE if i == 0 else SHAPE[:1]) for layer in layers for i, t in enumerate(layer.tops)}
        fill = {t: 2.0 for layer in layers if layer.type == "DummyData" for t in layer.tops}
        self.data = {name: np.full(shape, fill.get(name, 0.0)) for name, shape in shapes.items()}
        self.diff = {name: np.zeros(shape) for name, shape in shapes.items()}
        self.readers = Counter(v for layer in layers for v in set(layer.versions))
        self.parts: dict[int, dict[int, Array]] = {}
        self.batches: list[Array] = []
        self.given = 0

    def forward(self, first: int, last: int) -> None:
        for layer in self.layers[first : last + 1]:
            if layer.bottoms:
                self.data[layer.tops[0]] = layer.scale * sum(self.data[b] for b in layer.bottoms) + layer.shift
            elif layer.type == "MemoryData":
                self.data[layer.tops[0]] = self.batches[self.given % len(self.batches)].copy()
                self.given += 1

    def backward(self, first: int, last: int) -> None:
        """From the higher to the lower."""
        for index in range(first, last - 1, -1):
            layer, parts = self.layers[index], dict[int, Array]()
            for version in layer.versions:
                parts[version] = parts.get(version, 0) + layer.scale * self.diff[layer.tops[0]]
                if self.readers[version] > 1:
                    self.parts.setdefault(version, {})[index] = parts[version]
            for bottom, version in zip(layer.bottoms, layer.versions, strict=True):
                self.diff[bottom] = sum(self.parts[version].values()) if version in self.parts else parts[version]
        self.parts = {made: parts for made, parts in self.parts.items() if not last <= made <= first}


def random_layers(generator: np.random.Generator) -> list[Layer]:
    layers: list[Layer] = []
    newest: dict[str, int] = {}  # the layer that made a blob's newest version
    read: set[int] = set()  # the versions that somebody reads: BVLC refuses to overwrite these
    for type_ in generator.permutation(["Input", *generator.choice(list(SOURCES), generator.integers(0, 3))]):
        if type_ == "MemoryData" and any(layer.type == "MemoryData" for layer in layers):
            continue
        name = f"s{len(layers)}"
        tops = [f"b{len(layers)}"] + ([f"l{len(layers)}"] if type_ == "MemoryData" else [])
        newest[tops[0]] = len(layers)
        layers.append(Layer(name, str(type_), [], tops))
    for index in range(len(layers), len(layers) + int(generator.integers(2, 9))):
        bottoms = [str(b) for b in generator.choice(list(newest), generator.choice([1, 1, 2]))]
        free = len(bottoms) == 1 and newest[bottoms[0]] not in read
        top = bottoms[0] if free and generator.random() < 0.6 else f"b{index}"
        kind = "Power" if len(bottoms) == 1 else "Eltwise"
        scale, shift = generator.integers(-2, 3, 2) + 0.5 if kind == "Power" else (1, 0)
        layers.append(
            Layer(f"n{index}", kind, bottoms, [top], float(scale), float(shift), [newest[b] for b in bottoms])
        )
        read.update(newest[b] for b in bottoms)
        newest[top] = index
    return layers


def step(net: caffe.Net, model: Model, generator: np.random.Generator) -> str:
    """Do something at random to both; says what."""
    count, names = len(model.layers), [n for n, a in model.data.items() if a.shape == SHAPE]
    low, high = sorted(int(i) for i in generator.integers(0, count, 2))
    low, high = (0, count - 1) if generator.random() < 0.3 else (low, high)
    name, values = str(generator.choice(names)), generator.integers(-3, 4, SHAPE).astype(np.float64)
    match generator.choice(["forward", "forward", "backward", "backward", "data", "diff", "ten times"]):
        case "forward":
            net.forward(start=model.layers[low].name, end=model.layers[high].name)
            model.forward(low, high)
            return f"forward {low}..{high}"
        case "backward":
            net.backward(start=model.layers[high].name, end=model.layers[low].name)
            model.backward(high, low)
            return f"backward {high}..{low}"
        case "data":
            net.blobs[name].data[...] = model.data[name] = values
            return f"{name}.data = ..."
        case "diff":
            net.blobs[name].diff[...] = model.diff[name] = values
            return f"{name}.diff = ..."
    for array in (net.blobs[name].data, model.data[name]):
        array[...] = np.fmod(array, 10)
    return f"{name}.data %= 10"


def compare(net: caffe.Net, model: Model, trace: list[str]) -> None:
    said = "\n".join(trace)
    for name, values in model.data.items():
        np.testing.assert_allclose(net.blobs[name].data, values, rtol=1e-4, atol=1e-3, err_msg=f"{name}\n{said}")
        if net._engine.versions.shown_gradient(name) is not None:
            diff = model.diff[name]
            np.testing.assert_allclose(net.blobs[name].diff, diff, rtol=1e-4, atol=1e-3, err_msg=f"{name}.diff\n{said}")


@pytest.mark.parametrize("hooked", [False, True])
@pytest.mark.parametrize("seed", range(60))
def test_scripts_see_caffes_memory(file: File, seed: int, hooked: bool) -> None:
    generator = np.random.default_rng(seed)
    layers = random_layers(generator)
    text = "force_backward: true\n" + "".join(layer.text() for layer in layers)
    net, model = caffe.Net(file(text), caffe.TEST), Model(layers)
    for index, layer in enumerate(layers):
        if layer.type == "MemoryData":
            rows = generator.integers(-3, 4, (6, *SHAPE[1:])).astype(np.float32)
            net._engine.feed(index, Feed(rows, np.zeros(6, np.float32)))
            model.batches = [rows[at : at + 2].astype(np.float64) for at in (0, 2, 4)]
    if hooked:
        net.after_forward(lambda _: None)
        net.before_backward(lambda _: None)
    trace = [text]
    for _ in range(25):
        trace.append(step(net, model, generator))
        compare(net, model, trace)


# ---------------------------------------------------------------- in place on what a script fills

IN_PLACE = """
input: "x" input_shape { dim: 1 dim: 3 } force_backward: true
layer { name: "p" type: "Power" bottom: "x" top: "x" power_param { scale: 2 shift: 1 } }
"""


def test_a_layer_in_place_on_an_input(file: File) -> None:
    net = caffe.Net(file(IN_PLACE), caffe.TEST)
    x = net.blobs["x"]
    x.data[...] = 5
    assert net.forward()["x"].tolist() == [[11] * 3]
    assert net.forward()["x"].tolist() == [[23] * 3]  # as in Caffe: it works on what the blob holds
    assert net.forward(x=np.full((1, 3), 5))["x"].tolist() == [[11] * 3]
    assert net.forward_all(x=np.full((4, 3), 2))["x"].tolist() == [[5] * 3] * 4
    assert net.backward(x=np.ones((1, 3)))["x"].tolist() == [[2] * 3]
    x.reshape(2, 3)
    x.data[...] = 1
    assert net.forward()["x"].tolist() == [[3] * 3] * 2


def test_several_layers_in_place_on_an_input(file: File) -> None:
    text = IN_PLACE + 'layer { name: "r" type: "ReLU" bottom: "x" top: "x" } layer { name: "a" type: "AbsVal"'
    net = caffe.Net(file(text + ' bottom: "x" top: "y" }'), caffe.TEST)
    net.blobs["x"].data[...] = [[-3, 0, 1]]
    net.forward(end="p")
    assert net.blobs["x"].data.tolist() == [[-5, 1, 3]]
    net.blobs["x"].data[0, 1] = -4
    assert net.forward(start="r")["y"].tolist() == [[0, 0, 3]]


def test_classifier_with_a_layer_in_place_on_its_input(file: File, tmp_path: Path) -> None:
    text = """input: "x" input_shape { dim: 2 dim: 3 dim: 4 dim: 4 }
    layer { name: "p" type: "Power" bottom: "x" top: "x" power_param { shift: -1 } }
    layer { name: "y" type: "Pooling" bottom: "x" top: "y" pooling_param { pool: AVE global_pooling: true } }"""
    weights = str(tmp_path / "w.caffemodel")
    caffe.Net(file(text), caffe.TEST).save(weights)
    found = caffe.Classifier(file(text), weights).predict([np.full((4, 4, 3), i, np.float32) for i in (1, 3, 7)], False)
    assert found.reshape(3, 3).tolist() == [[0] * 3, [2] * 3, [6] * 3]


def test_solver_with_layers_in_place_on_its_inputs(file: File) -> None:
    net = file("""input: "x" input_shape { dim: 1 dim: 1 } input: "t" input_shape { dim: 1 dim: 1 }
    layer { name: "px" type: "Power" bottom: "x" top: "x" power_param { scale: 3 } }
    layer { name: "pt" type: "Power" bottom: "t" top: "t" power_param { shift: 1 } }
    layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip"
      inner_product_param { num_output: 1 bias_term: false } }
    layer { name: "loss" type: "EuclideanLoss" bottom: "ip" bottom: "t" top: "loss" loss_weight: 0 }
    layer { name: "half" type: "Power" bottom: "loss" top: "loss" power_param { scale: 0.5 } loss_weight: 1 }""")
    solver = caffe.SGDSolver(file(f"net: '{net}' base_lr: 1 lr_policy: 'fixed' max_iter: 9", "s.prototxt"))
    weight = solver.net.params["ip"][0].data
    for _ in range(2):
        weight[...] = 2
        solver.net.blobs["x"].data[...], solver.net.blobs["t"].data[...] = 1, 4
        solver.step(1)  # loss = ((3 w - 5)^2 / 2) / 2
        assert float(solver.net.blobs["loss"].data) == 0.25
        assert float(solver.net.blobs["loss"].diff) == 1
        assert weight.tolist() == [[2 - 0.5 * 3 * (3 * 2 - 5)]]


def test_a_shape_that_changes_in_place(file: File) -> None:
    """BVLC aborts on this; here each version has its own shape."""
    text = """input: "x" input_shape { dim: 1 dim: 1 dim: 2 dim: 2 }
    layer { name: "pool" type: "Pooling" bottom: "x" top: "x" pooling_param { pool: MAX kernel_size: 2 stride: 2 } }"""
    net = caffe.Net(file(text), caffe.TEST)
    assert net.blobs["x"].shape == (1, 1, 2, 2)
    net.blobs["x"].data[...] = [[[[1, 2], [3, 4]]]]
    assert net.forward()["x"].tolist() == [[[[4]]]]
    net.blobs["x"].reshape(1, 1, 2, 4)
    net.blobs["x"].data[...] = [[[[1, 2, 3, 9], [3, 4, 5, 1]]]]
    assert net.forward()["x"].tolist() == [[[[4, 9]]]]


def test_losses_with_tops_that_nobody_named_do_not_meet(file: File) -> None:
    text = """force_backward: true input: "x" input_shape { dim: 2 dim: 3 } input: "t" input_shape { dim: 2 dim: 1 }
    layer { name: "a" type: "SoftmaxWithLoss" bottom: "x" bottom: "t" loss_weight: 2 }
    layer { name: "b" type: "HingeLoss" bottom: "x" bottom: "t" loss_weight: 3 }"""
    net = caffe.Net(file(text), caffe.TRAIN)
    assert net.forward() == {}
    assert net._forward(0, len(net.layers) - 1) == pytest.approx(2 * np.log(3) + 3 * 3)
