"""Layers that a script's class computes, where no number of OpenCV's is needed: what goes wrong, and when it counts."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netc import dnn
from tools.opencv_golden import FOLDER, blob, read
from tools.opencv_golden.own import Mine

TEXT = """
input: "data" input_shape { dim: 1 dim: 2 dim: 3 dim: 4 }
layer { name: "a" type: "Power" bottom: "data" top: "a" power_param { scale: 2 } }
layer { name: "b" type: "Strange" bottom: "a" top: "b" strange_param { k: 1 k: 2 } power_param { shift: 0.1 } }
"""


class Same:
    def __init__(self, params: Any, blobs: Any) -> None:
        self.params, self.asked = params, 0

    def getMemoryShapes(self, inputs: Any) -> Any:  # noqa: N802
        self.asked += 1
        return [inputs[0]]

    def forward(self, inputs: Any) -> Any:
        return [inputs[0] + 1]


@pytest.fixture
def register() -> Iterator[Any]:
    given: list[str] = []

    def add(type: str, cls: Any) -> None:
        dnn.dnn_registerLayer(type, cls)
        given.append(type)

    yield add
    for type in given:
        dnn.dnn_unregisterLayer(type)


def net() -> Any:
    return dnn.readNetFromCaffe(bufferProto=TEXT.encode())


def test_an_unknown_type_waits_for_its_class(register: Any) -> None:
    read_before = net()
    assert not read_before.empty()
    with pytest.raises(dnn.error, match=re.escape('layer "b": unknown type "Strange"')) as error:
        read_before.setInput(blob(1, 1, 2, 3, 4))
    assert "dnn_registerLayer" in str(error.value)
    made = []
    register("Strange", lambda params, blobs: made.append(params) or Same(params, blobs))
    read_before.setInput(blob(1, 1, 2, 3, 4))
    np.testing.assert_array_equal(read_before.forward(), 2 * blob(1, 1, 2, 3, 4) + 1)
    assert made == [{"k": "2", "shift": np.float32(0.1)}]
    assert (read_before.getLayer("b").type, read_before.getLayersCount("Strange")) == ("Strange", 1)


def test_other_mistakes_do_not_wait() -> None:
    with pytest.raises(dnn.error) as error:
        dnn.readNetFromCaffe(bufferProto=TEXT.replace('bottom: "a"', 'bottom: "x"').encode())
    assert {d.code.id for d in error.value.diagnostics} == {"GRA001", "GRA003"}


def test_parameters_that_were_set_before_a_class_came_stay(register: Any) -> None:
    register("Mine", Mine)
    early = read(dnn, "own")
    early.setParam("conv", 1, np.arange(4))
    register("Sigmoid", Same)
    early.setInput(blob(1, 1, 3, 9, 11))
    assert early.forward().max() > 1
    np.testing.assert_array_equal(early.getParam("conv", 1), np.arange(4))


def test_the_last_class_counts(register: Any) -> None:
    register("Strange", None)
    register("Strange", Same)
    found = net()
    found.setInput(blob(1, 1, 2, 3, 4))
    assert found.forward().shape == (1, 2, 3, 4)


class TooMany(Same):
    def getMemoryShapes(self, inputs: Any) -> Any:  # noqa: N802
        return [inputs[0], inputs[0]]


class Smaller(Same):
    def forward(self, inputs: Any) -> Any:
        return [inputs[0][:, :1]]


class NoShapes(Same):
    def getMemoryShapes(self, inputs: Any) -> Any:  # noqa: N802
        return inputs[7]


class Fails(Same):
    def forward(self, inputs: Any) -> Any:
        raise KeyError("lost")


FAILURES = {
    "Strange.*TooMany|getMemoryShapes gave 2 shapes for 1 tops": TooMany,
    "Smaller.forward gave 1x1x3x4, but getMemoryShapes 1x2x3x4": Smaller,
    "NoShapes.getMemoryShapes: IndexError: list index out of range": NoShapes,
    "Fails.forward: KeyError: 'lost'": Fails,
    r"object\(params, blobs\): TypeError": object,
}


def run_it() -> None:
    found = net()
    found.setInput(blob(1, 1, 2, 3, 4))
    found.forward()


@pytest.mark.parametrize("said", FAILURES)
def test_says_what_a_class_did_wrong(said: str, register: Any) -> None:
    register("Strange", FAILURES[said])
    with pytest.raises(dnn.error, match=said) as error:
        run_it()
    diagnostic = error.value.diagnostics[0]
    assert diagnostic.code.id == "RUN087"
    assert diagnostic.span is not None
    assert diagnostic.span.line == 4


def test_a_type_without_a_class_is_not_taken_back() -> None:
    with pytest.raises(dnn.error) as error:
        dnn.dnn_unregisterLayer("Crop")
    assert error.value.diagnostics[0].code.id == "RUN086"


def test_fields_that_nobody_has_are_refused_in_layers_that_netc_has(tmp_path: Path) -> None:
    text = (FOLDER / "own.prototxt").read_text().replace("num_output: 4", "num_output: 4 colour: 3")
    with pytest.raises(dnn.error, match="colour"):
        dnn.readNetFromCaffe(bufferProto=text.encode())
