"""netc.dnn's nets where no number of OpenCV's is needed: buffers, errors, what is written and read."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc import dnn
from netc.errors import NetError
from tools.opencv_golden import FOLDER, blob, read

PROTO, MODEL = (FOLDER / "branches.prototxt", FOLDER / "branches.caffemodel")


def code_of(error: pytest.ExceptionInfo[NetError]) -> str:
    return error.value.diagnostics[0].code.id


@pytest.mark.parametrize("kind", [bytes, bytearray, lambda data: np.frombuffer(data, np.uint8)])
def test_reads_buffers(kind: Any) -> None:
    net = dnn.readNetFromCaffe(bufferProto=kind(PROTO.read_bytes()), bufferModel=kind(MODEL.read_bytes()))
    positional = dnn.readNetFromCaffe(kind(PROTO.read_bytes()), kind(MODEL.read_bytes()))
    named = dnn.readNetFromCaffe(prototxt=str(PROTO), caffeModel=MODEL)
    outputs = []
    for each in (net, positional, named):
        each.setInput(blob(1, 1, 3, 12, 12))
        outputs.append(each.forward())
    assert np.array_equal(outputs[0], outputs[1])
    assert np.array_equal(outputs[0], outputs[2])


def test_reads_a_net_without_weights() -> None:
    net = dnn.readNetFromCaffe(str(FOLDER / "colour.prototxt"))
    net.setInput(blob(1, 1, 1, 8, 8))
    assert net.forward().shape == (1, 2, 4, 4)


def test_outputs_are_copies() -> None:
    net = read(dnn, "branches")
    net.setInput(blob(1, 1, 3, 12, 12))
    first = net.forward()
    kept = first.copy()
    first[...] = 7
    assert np.array_equal(net.forward(), kept)
    net.setInput(blob(2, 1, 3, 12, 12))
    assert not np.array_equal(net.forward(), kept)


def test_an_input_may_change_after_it_was_set() -> None:
    net, array = read(dnn, "branches"), blob(1, 1, 3, 12, 12)
    net.setInput(array)
    wanted = net.forward()
    net.setInput(array)
    array[...] = 0
    assert np.array_equal(net.forward(), wanted)


def test_parameters_are_written_before_and_after_a_pass() -> None:
    early, late = read(dnn, "colour"), read(dnn, "colour")
    new = blob(9, 2, 7, 1, 1)
    late.setInput(blob(8, 1, 1, 14, 18))
    before = late.forward()
    for net in (early, late):
        net.getLayer(net.getLayerId("class8_ab")).blobs = [new]
        net.setInput(blob(8, 1, 1, 14, 18))
    assert np.array_equal(early.forward(), late.forward())
    assert not np.allclose(late.forward(), before)
    late.setParam("class8_ab", 0, new * 2)
    np.testing.assert_allclose(late.forward(), early.forward() * 2, rtol=1e-5)
    assert np.array_equal(late.getParam("class8_ab"), new * 2)


def test_a_layer_without_parameters_has_none() -> None:
    net = read(dnn, "branches")
    assert net.getLayer(2).name == "relu"
    assert net.getLayer("relu_1").blobs == ()
    assert (net.getLayer(0).name, net.getLayer(0).type, net.getLayer(0).blobs) == ("_input", "", ())
    assert net.getLayersCount("ReLU") == 2


REFUSALS = {
    "RUN080": lambda net: net.forward(),
    "RUN081": lambda net: net.setInput(None),
    "RUN010": lambda net: net.setInput(blob(1, 1, 3, 12, 12), "dat"),
    "RUN013": lambda net: net.getLayer("con"),
    "RUN088": lambda net: net.forwardAsync(),
    "RUN089": lambda net: net.getFLOPS([(1, 3, 12, 12), (1, 3)]),
}


@pytest.mark.parametrize("code", REFUSALS)
def test_refuses(code: str) -> None:
    with pytest.raises(dnn.error) as error:
        REFUSALS[code](read(dnn, "branches"))
    assert code_of(error) == code


@pytest.mark.parametrize("given", [[], [np.zeros((6, 3, 3, 2))], [np.zeros((6, 3, 3, 2)), np.zeros(6)], ["x", "y"]])
def test_refuses_blobs_that_do_not_fit_and_writes_none(given: Any) -> None:
    net = read(dnn, "branches")
    before = net.getLayer("conv").blobs
    with pytest.raises(dnn.error) as error:
        net.getLayer("conv").blobs = given
    assert code_of(error) == "RUN081"
    assert all(np.array_equal(a, b) for a, b in zip(before, net.getLayer("conv").blobs, strict=True))


@pytest.mark.parametrize(
    "ask", [lambda n: n.forward("prb"), lambda n: n.forward(["prob", "x"]), lambda n: n.getLayer(99)]
)
def test_refuses_unknown_layers(ask: Any) -> None:
    net = read(dnn, "branches")
    net.setInput(blob(1, 1, 3, 12, 12))
    with pytest.raises(dnn.error) as error:
        ask(net)
    assert code_of(error) == "RUN013"


def test_a_shape_that_no_layer_can_take_is_refused_and_the_net_goes_on() -> None:
    net = read(dnn, "branches")
    net.setInput(blob(1, 1, 3, 12, 12))
    wanted = net.forward()
    net.setInput(blob(1, 1, 4, 12, 12))
    with pytest.raises(dnn.error):
        net.forward()
    net.setInput(blob(1, 1, 3, 12, 12))
    assert np.array_equal(net.forward(), wanted)


def test_an_empty_net_has_nothing() -> None:
    assert dnn.Net().empty()
    assert dnn.Net().getLayerNames() == ()
    with pytest.raises(dnn.error) as error:
        dnn.Net().forward()
    assert code_of(error) == "RUN082"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(dnn.error, match="no such file"):
        dnn.readNetFromCaffe(str(tmp_path / "deploy.prototxt"))
    with pytest.raises(dnn.error):
        dnn.readNetFromCaffe(str(PROTO), str(tmp_path / "x.caffemodel"))


def test_names_that_are_not_built_are_not_there() -> None:
    with pytest.raises(AttributeError, match="readNetFromDarknet"):
        dnn.readNetFromDarknet  # noqa: B018
    assert {"readNetFromCaffe", "DNN_TARGET_CPU"} <= set(dir(dnn))
    assert (dnn.DNN_BACKEND_OPENCV, dnn.DNN_TARGET_CUDA) == (3, 6)


def test_errors_are_opencvs_where_it_is_there(tmp_path: Path) -> None:
    """In a process with a module cv2 that has an `error`."""
    (tmp_path / "cv2.py").write_text("class error(Exception): pass\n")
    script = (
        "import cv2\nfrom netc import dnn\n"
        "try: dnn.readNetFromCaffe('nope.prototxt')\nexcept cv2.error as e: print('caught', type(e).__name__)"
    )
    path = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
    done = subprocess.run([sys.executable, "-c", path + script], capture_output=True, text=True, check=True)
    assert done.stdout == "caught error\n"


def test_retrieves_several_outputs() -> None:
    net = read(dnn, "branches")
    net.setInput(blob(1, 1, 3, 12, 12))
    pairs = zip(net.forwardAndRetrieve(["prob", "extra"]), net.forward(["prob", "extra"]), strict=True)
    assert all(np.array_equal(one[0], other) for one, other in pairs)


@pytest.mark.parametrize(
    "arguments",
    [
        ("p.prototxt", "m.caffemodel"),
        ("m.caffemodel", "p.prototxt"),
        ("m.caffemodel", "p.prototxt.txt"),
        ("p.prototxt.txt", "m.caffemodel"),
        ("m.bin", "p.cfg", "Caffe"),
        ("m.bin", "p.prototxt"),
    ],
)
def test_reads_files_in_either_order(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """As OpenCV 4.12 reads each of these."""
    for name in arguments[:2]:
        (tmp_path / name).write_bytes((PROTO if name.startswith("p") else MODEL).read_bytes())
    net = dnn.readNet(*(str(tmp_path / name) for name in arguments[:2]), *arguments[2:])
    assert np.array_equal(net.getParam("fc"), read(dnn, "branches").getParam("fc"))


def test_leaves_other_formats_to_opencv(tmp_path: Path) -> None:
    """In a process with an OpenCV, and in this one without."""
    with pytest.raises(dnn.error) as error:
        dnn.readNet("yolo.onnx")
    assert code_of(error) == "RUN085"
    (tmp_path / "cv2").mkdir()
    (tmp_path / "cv2/__init__.py").write_text("from cv2 import dnn\nclass error(Exception): pass\n")
    (tmp_path / "cv2/dnn.py").write_text("def readNet(*given, **named): return given, named\n")
    script = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\nimport cv2\nfrom netc import dnn\n"
        "print(dnn.readNet('a.onnx')); dnn.install(); print(cv2.dnn.readNet('b.onnx', engine=1))\n"
        f"print(cv2.dnn.readNet({str(PROTO)!r}).getLayerId('conv'))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "(('a.onnx', '', ''), {})\n(('b.onnx', '', ''), {'engine': 1})\n1\n"


def test_says_how_long_a_pass_took() -> None:
    net = read(dnn, "branches")
    assert net.getPerfProfile()[0] == 0
    net.setInput(blob(1, 1, 3, 12, 12))
    net.forward()
    ticks, by_layer = net.getPerfProfile()
    assert ticks > 0
    assert by_layer.shape == (len(net.getLayerNames()),)
    assert by_layer.sum() == pytest.approx(ticks, rel=1e-6, abs=1)
    assert by_layer[net.getLayerId("conv") - 1] > 0
    assert by_layer[net.getLayerId("relu") - 1] == 0  # joined to conv


@pytest.mark.parametrize("shape", [(), (1, 3, 0, 4), "abc", [(1, 3, 12, 12), 7], (1, 3, -1, 4), None])
def test_refuses_what_is_no_shape(shape: Any) -> None:
    net = read(dnn, "branches")
    for ask in (net.getLayersShapes, net.getFLOPS, net.getMemoryConsumption):
        with pytest.raises(dnn.error) as error:
            ask(shape)
        assert code_of(error) == "RUN089"


def test_figures_are_asked_for_by_position_or_name() -> None:
    net, shape = read(dnn, "branches"), (1, 3, 12, 12)
    assert net.getFLOPS(1, shape) == net.getFLOPS(layerId=1, netInputShapes=[shape]) > 0
    assert net.getFLOPS(netInputShape=shape) == net.getFLOPS([shape]) > net.getFLOPS(1, shape)
    assert net.getMemoryConsumption(0, shape) == (0, 4 * 3 * 12 * 12)
    with pytest.raises(dnn.error) as error:
        net.getFLOPS(99, shape)
    assert code_of(error) == "RUN013"
    assert net.input_shapes() == {"data": shape}


def test_figures_of_a_shape_that_no_layer_can_take() -> None:
    with pytest.raises(dnn.error) as error:
        read(dnn, "branches").getFLOPS((1, 3, 2, 2))
    assert code_of(error).startswith("LAY")


def test_a_graph_is_written_to_a_file(tmp_path: Path) -> None:
    net = read(dnn, "branches")
    with pytest.raises(dnn.error) as error:
        net.dump()
    assert code_of(error) == "RUN080"
    net.setInput(blob(1, 2, 3, 20, 12))
    net.dumpToFile(str(tmp_path / "net.dot"))
    text = (tmp_path / "net.dot").read_text()
    assert text == net.dump()
    assert "output: 2 x 6 x 18 x 10" in text
    with pytest.raises(dnn.error, match="cannot be written"):
        net.dumpToFile(str(tmp_path / "none/net.dot"))


@pytest.mark.parametrize("name", ["branches", "ssd"])
def test_times_of_layers_follow_the_shape_and_where_a_pass_ends(name: str) -> None:
    net = read(dnn, name)
    for size, end in ((12, None), (24, None), (24, net.getLayerNames()[2])):
        net.setInput(blob(1, 1, 3, size * 2, size * 2))
        net.forward(end)
        ticks, by_layer = net.getPerfProfile()
        assert by_layer.sum() == pytest.approx(ticks, abs=1)
        assert (by_layer[3:] > 0).any() == (end is None)
        assert np.array_equal(net.getPerfProfile()[1], by_layer)
