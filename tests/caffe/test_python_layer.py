"""Layers written in Python, in nets that pycaffe's Net runs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc import caffe

File = Callable[..., str]
Blobs = Any


class Times(caffe.Layer):  # type: ignore[misc]
    """Multiplies by the number in its param_str."""

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        assert self.param_str_ == self.param_str  # as Caffe called it at first
        self.value = float(self.param_str)

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        top[0].reshape(*bottom[0].data.shape)

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        top[0].data[...] = self.value * bottom[0].data

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        bottom[0].diff[...] = self.value * top[0].diff


class Fails(caffe.Layer):  # type: ignore[misc]
    def setup(self, bottom: Blobs, top: Blobs) -> None:
        raise RuntimeError("no good")


class Holds(caffe.Layer):  # type: ignore[misc]
    """Has one parameter, and gives it the gradient 1."""

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        self.blobs.add_blob(1)
        self.blobs[0].data[0] = 0

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        top[0].reshape(*bottom[0].data.shape)

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        pass

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        self.blobs[0].diff[0] = 1


class Phase(caffe.Layer):  # type: ignore[misc]
    def setup(self, bottom: Blobs, top: Blobs) -> None:
        pass

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        top[0].reshape()

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        top[0].data[()] = self.phase


class Counts(caffe.Layer):  # type: ignore[misc]
    """A data layer: 0, 1, 2, ..."""

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        top[0].reshape(4)
        self.at = 0

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        pass

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        top[0].data[...] = np.arange(self.at, self.at + 4)
        self.at += 4


class Grows(caffe.Layer):  # type: ignore[misc]
    """A data layer whose images have another size each time."""

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        self.size = 3

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        top[0].reshape(1, 1, self.size, self.size)

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        top[0].data[...] = self.size
        self.size += 1


class Positive(caffe.Layer):  # type: ignore[misc]
    """Gives the rows that sum to more than 0, as many as there are."""

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        top[0].reshape(1, bottom[0].shape[1])

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        pass

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        self.kept = np.flatnonzero(bottom[0].data.sum(1) > 0)
        top[0].reshape(len(self.kept), bottom[0].shape[1])
        top[0].data[...] = bottom[0].data[self.kept]

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        bottom[0].diff[...] = 0
        bottom[0].diff[self.kept] = top[0].diff


def python(name: str, layer: str, param: str = "", bottom: str = "data") -> str:
    below = f"bottom: '{bottom}'" if bottom else ""
    return f"""layer {{ type: 'Python' name: '{name}' {below} top: '{name}'
      python_param {{ module: '{__name__}' layer: '{layer}' param_str: '{param}' }} }}"""


HEAD = "name: 'py' force_backward: true input: 'data' input_shape { dim: 10 dim: 9 dim: 8 }\n"


@pytest.fixture
def net(file: File) -> caffe.Net:
    text = python("one", "Times", "10") + python("two", "Times", "2", "one") + python("three", "Times", "5", "two")
    return caffe.Net(file(HEAD + text), caffe.TRAIN)


def test_forward(net: caffe.Net) -> None:
    net.blobs["data"].data[...] = 8
    net.forward()
    assert (net.blobs["three"].data == 800).all()


def test_backward(net: caffe.Net) -> None:
    net.blobs["three"].diff[...] = 7
    net.backward()
    assert (net.blobs["data"].diff == 700).all()


def test_reshape(net: caffe.Net) -> None:
    net.blobs["data"].reshape(4, 4, 4, 4)
    net.forward()
    assert all(blob.data.shape == (4, 4, 4, 4) for blob in net.blobs.values())


def test_the_layer_is_the_object_itself(net: caffe.Net) -> None:
    layer = net.layers[1]
    assert isinstance(layer, Times)
    assert (layer.type, layer.param_str) == ("Python", "10")
    layer.value = 100
    net.blobs["data"].data[...] = 1
    assert (net.forward()["three"] == 1000).all()
    net.blobs["data"].reshape(2, 2)
    net.blobs["data"].data[...] = 1
    assert (net.forward()["three"] == 1000).all()
    assert net.layers[1] is layer


def test_an_exception_in_a_layer(file: File) -> None:
    with pytest.raises(RuntimeError, match="no good"):
        caffe.Net(file(HEAD + python("one", "Fails")), caffe.TRAIN)


def test_parameters(file: File, tmp_path: Path) -> None:
    path, weights = file(HEAD + python("layer", "Holds")), str(tmp_path / "w.caffemodel")
    net = caffe.Net(path, caffe.TRAIN)
    net.forward()
    net.backward()
    layer = net.layers[list(net._layer_names).index("layer")]
    assert layer.blobs[0].data[0] == 0
    assert layer.blobs[0].diff[0] == 1
    layer.blobs[0].data[0] += layer.blobs[0].diff[0]
    assert layer.blobs[0].data[0] == 1
    net.save(weights)
    layer.blobs[0].data[0] = -1
    net.copy_from(weights)
    assert net.layers[1].blobs[0].data[0] == 1
    other = caffe.Net(path, caffe.TRAIN)
    other.share_with(net)
    assert other.layers[1].blobs[0].data[0] == 1
    assert other.params["layer"][0].data[0] == 1


@pytest.mark.parametrize("phase", [caffe.TRAIN, caffe.TEST])
def test_phase(file: File, phase: int) -> None:
    net = caffe.Net(file(python("phase", "Phase", bottom="")), phase)
    assert net.forward()["phase"] == phase


def test_a_data_layer(file: File) -> None:
    net = caffe.Net(file(python("data", "Counts", bottom="")), caffe.TRAIN)
    for start in (0, 4, 8):
        net.forward()
        assert net.blobs["data"].data.tolist() == list(range(start, start + 4))
    net.layers[0].at = 0
    assert net.forward()["data"].tolist() == [0, 1, 2, 3]


def test_a_data_layer_whose_images_change_size(file: File) -> None:
    conv = """layer { type: 'Convolution' name: 'conv' bottom: 'data' top: 'conv'
      convolution_param { num_output: 2 kernel_size: 2 weight_filler { value: 1 } } }"""
    net = caffe.Net(file(python("data", "Grows", bottom="") + conv), caffe.TRAIN)
    for size in (3, 4, 5):
        found = net.forward()["conv"]
        assert found.shape == (1, 2, size - 1, size - 1)
        assert (found == 4 * size).all()
        assert net.blobs["data"].shape == (1, 1, size, size)


def test_a_layer_whose_values_decide_its_shape(file: File) -> None:
    text = """layer { type: 'InnerProduct' name: 'ip' bottom: 'rows' top: 'ip'
      inner_product_param { num_output: 2 weight_filler { value: 1 } } }"""
    head = "force_backward: true input: 'data' input_shape { dim: 5 dim: 3 }"
    net = caffe.Net(file(head + python("rows", "Positive") + text), caffe.TRAIN)
    weights = net.params["ip"][0].data
    for signs in ([1, -1, 1, 1, -1], [1, 1, 1, 1, 1], [-1, -1, -1, 1, -1]):
        rows = np.array(signs, np.float32)
        net.blobs["data"].data[...] = rows[:, None]
        kept = int((rows > 0).sum())
        assert net.forward()["ip"].tolist() == [[3, 3]] * kept
        net.clear_param_diffs()
        found = net.backward(ip=np.ones((kept, 2)))["data"]
        assert found.tolist() == [[2 * (sign > 0)] * 3 for sign in signs]
        assert net.params["ip"][1].diff.tolist() == [kept, kept]
        assert np.shares_memory(weights, net.params["ip"][0].data)


MODULE = """
import caffe

class Plus(caffe.Layer):
    def setup(self, bottom, top): pass
    def reshape(self, bottom, top): top[0].reshape(*bottom[0].shape)
    def forward(self, bottom, top): top[0].data[...] = bottom[0].data + 1
    def backward(self, top, propagate_down, bottom): bottom[0].diff[...] = top[0].diff
"""
SCRIPT = """
import sys
from netc import caffe
{more}
net = caffe.Net(sys.argv[1], caffe.TEST)
assert (net.forward()["plus"] == 1).all()
"""


@pytest.mark.parametrize("more", ["import pluslayer", "caffe.allow_python()"])
def test_code_that_the_program_chose_runs(tmp_path: Path, more: str) -> None:
    assert _run(tmp_path, more).returncode == 0


def test_code_that_only_the_net_file_names_does_not(tmp_path: Path) -> None:
    found = _run(tmp_path, "")
    assert found.returncode == 1
    assert "LAY105" in found.stderr
    assert _run(tmp_path, "", {"NETC_ALLOW_PYTHON": "1"}).returncode == 0


def _run(directory: Path, more: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    (directory / "pluslayer.py").write_text(MODULE)
    net = "input: 'data' input_shape { dim: 2 } layer { type: 'Python' name: 'plus' bottom: 'data' top: 'plus' "
    (directory / "net.prototxt").write_text(net + "python_param { module: 'pluslayer' layer: 'Plus' } }")
    script = directory / "script.py"
    script.write_text(SCRIPT.format(more=more))
    root = Path(caffe.__file__).parents[2]
    variables = {"PYTHONPATH": f"{root}:{directory}", "PATH": "", "HOME": str(directory), **(environment or {})}
    command = [sys.executable, str(script), str(directory / "net.prototxt")]
    return subprocess.run(command, capture_output=True, text=True, env=variables, check=False)
