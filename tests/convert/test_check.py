"""`netc convert --check`: what was made runs beside netc, and the first layer that differs is named."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

import netc
from netc.convert import files
from netc.convert.check import ROUNDED, TOLERANCE, Checked, check, random_inputs
from netc.convert.codes import BAD_GIVEN, DIFFERS, NOT_TAKEN
from netc.convert.given import given_inputs
from netc.convert.model import Checkable, Options
from netc.errors import NetError
from netc.layer import Array
from netc.plan import plan
from netc.run.net import Net

TEXT = """data = Input() { shape { dim: [2, 3, 6, 6] } }
a = Convolution(data) { num_output: 4 kernel_size: 3 weight_filler: { type: "gaussian" std: 0.5 } }
a = ReLU(a)
b = Pooling(a) { pool: MAX kernel_size: 2 stride: 2 }
c = Reshape(b) { shape { dim: [0, -1] } }
"""
ROOT = Path(__file__).parents[2]
Spoil = Callable[[dict[int, Array]], None]


class Twin:
    """Another netc net with the same parameters, which somebody spoils."""

    name = "twin"

    def __init__(self, net: Net, spoil: Spoil) -> None:
        self.net, self.spoil = net, spoil

    def __call__(self, inputs: Mapping[str, Array]) -> Mapping[int, Array]:
        shapes = {name: array.shape for name, array in inputs.items()}
        net = Net(plan(self.net.graph, training=False, inputs=shapes, keep=True), params=self.net)
        for name, array in inputs.items():
            net.set_input(name, array)
        net.forward()
        values = {v.index: found.copy() for v in net.graph.values if (found := net.executor.value(v.index)) is not None}
        self.spoil(values)
        return values


def checked(spoil: Spoil, text: str = TEXT, tolerance: float = 1e-4, **more: object) -> Checked:
    net = netc.Net(netc.loads(text, "net.net"), "TEST", training=False, seed=1)
    it = Checkable(lambda: net, lambda: Twin(net, spoil), **more)  # type: ignore[arg-type]
    return check(it, random_inputs(it), tolerance)


def add(index: int, number: float) -> Spoil:
    def spoil(values: dict[int, Array]) -> None:
        values[index].reshape(-1)[-1] += number

    return spoil


def test_nothing_differs() -> None:
    found = checked(lambda values: None)
    assert (found.problem, found.runs, found.compared, found.computed) == (None, 2, 4, 4)
    assert found.worst is not None
    assert found.worst.error == 0


@pytest.mark.parametrize(
    ("index", "layer", "type"), [(1, "a", "Convolution"), (2, "a/relu", "ReLU"), (4, "c", "Reshape")]
)
def test_the_first_layer_that_differs_is_named(index: int, layer: str, type: str) -> None:
    """Versions of one blob are told apart by the layers that made them."""

    def spoil(values: dict[int, Array]) -> None:
        for value in range(index, 5):
            values[value] = values[value] + 1

    problem = checked(spoil).problem
    assert problem is not None
    assert problem.code is DIFFERS
    assert problem.message.startswith(f'layer "{layer}" ({type}) is the first that differs on twin: [')
    assert problem.span is not None
    assert problem.span.source.text[problem.span.start : problem.span.end].count(type) == 1


def test_by_how_much() -> None:
    text = "data = Input() { shape { dim: [1, 2] } }\nb = Power(data) { scale: 0 shift: 8 }"
    assert checked(add(1, 0.0007), text).problem is None  # 8 is the largest value
    problem = checked(add(1, 0.002), text).problem
    assert problem is not None
    assert "[0, 1] is 8.002, netc's 8, 0.00025 of the largest value" in problem.message
    assert checked(add(1, 0.002), text, tolerance=1e-3).problem is None


def test_a_side_that_is_rounded_may_be_further_off() -> None:
    middle = (TOLERANCE + ROUNDED) / 2
    text = "data = Input() { shape { dim: [1, 2] } }\nb = Power(data) { scale: 0 shift: 1 }"
    net = netc.Net(netc.loads(text, "net.net"), "TEST", training=False)
    for rounded in (False, True):
        it = Checkable(lambda: net, lambda: Twin(net, add(1, middle)), rounded=rounded)
        assert (check(it, random_inputs(it)).problem is None) == rounded


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_what_is_not_a_number_differs(number: float) -> None:
    assert checked(add(3, number)).problem is not None


def test_values_that_overflow_are_not_held_to_each_other() -> None:
    """One side is infinite where the other is not yet, or no number; the first such layer is named."""
    text = (
        "data = Input() { shape { dim: [1, 2] } }\nb = Power(data) { scale: 0 shift: 3e38 }\nc = Power(b) { scale: 2 }"
    )

    def overflow(values: dict[int, Array]) -> None:
        values[1] = values[1] * 0 - np.inf
        values[2] = values[2] * np.nan

    found = checked(overflow, text)
    assert (found.problem, found.overflown) == (None, "b")
    assert checked(lambda values: None).overflown == ""


def test_other_shapes_differ() -> None:
    def spoil(values: dict[int, Array]) -> None:
        values[4] = values[4].reshape(-1)

    problem = checked(spoil).problem
    assert problem is not None
    assert "its shape is 32, netc's 2x16" in problem.message


def test_values_that_the_target_does_not_make_are_not_compared() -> None:
    def lose(values: dict[int, Array]) -> None:
        del values[1], values[2]

    found = checked(lose)
    assert (found.problem, found.compared, found.computed) == (None, 2, 4)


def test_other_sizes_are_run_too() -> None:
    text = TEXT.replace("0, -1", "0, 4, -1")
    found = checked(lambda values: None, text, sizes=({"data": (1, 3, 9, 7)},))
    assert (found.problem, found.runs) == (None, 3)


DETECTIONS = """loc = Input() { shape { dim: [1, 24] } }
conf = Input() { shape { dim: [1, 18] } }
prior = Input() { shape { dim: [1, 2, 24] } }
y = DetectionOutput(loc, conf, prior) { num_classes: 3 nms_param { nms_threshold: 0.45 } keep_top_k: 10 }
"""


def test_detections_are_compared_as_sets() -> None:
    def turn(values: dict[int, Array]) -> None:
        values[3] = values[3][:, :, ::-1]

    found = checked(turn, DETECTIONS)
    assert found.problem is None
    assert found.worst is not None
    assert found.worst.error == 0

    def lose(values: dict[int, Array]) -> None:
        values[3] = values[3][:, :, 1:]

    problem = checked(lose, DETECTIONS).problem
    assert problem is not None
    assert "rows, netc's " in problem.message
    assert checked(add(3, 0.01), DETECTIONS).problem is not None


def test_draws_are_not_compared_and_the_layers_after_them_on_what_was_drawn() -> None:
    text = TEXT + "d = Dropout(c) { sample_weights_test: true }\ne = Power(d) { scale: 2 }\n"

    def draw(values: dict[int, Array]) -> None:
        values[5] = values[5] * 0 + 3
        values[6] = values[5] * 2

    found = checked(draw, text)
    assert (found.problem, found.compared, found.computed) == (None, 5, 6)
    assert checked(add(6, 1), text).problem is not None


# ---------------------------------------------------------------- given inputs


def given(path: Path, **arrays: Array) -> Checked:
    np.savez(path, **arrays)
    net = netc.Net(netc.loads(TEXT.replace("0, -1", "0, 4, -1"), "net.net"), "TEST", training=False, seed=1)
    it = Checkable(lambda: net, lambda: Twin(net, add(1, 1)))
    return check(it, given_inputs(it, path))


def test_given_inputs_are_run(tmp_path: Path) -> None:
    found = given(tmp_path / "a.npz", data=np.ones((5, 3, 8, 7), np.uint8))
    assert found.first is not None
    assert "[4, 3, 5, 4]" in found.first.said  # the last value of 5 x 4 x 6 x 5
    assert given(tmp_path / "b.npz", images=np.zeros((2, 3, 6, 6))).runs == 1  # the only array is the only input's


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"a": np.zeros(3), "b": np.zeros(3)}, 'has no array for the input "data"; it has a, b'),
        ({"data": np.zeros((3, 6, 6))}, '"data" has 3 axes, the input has 4'),
    ],
)
def test_given_inputs_that_do_not_fit(tmp_path: Path, arrays: dict[str, Array], said: str) -> None:
    with pytest.raises(NetError) as caught:
        given(tmp_path / "a.npz", **arrays)
    (problem,) = caught.value.diagnostics
    assert problem.code is BAD_GIVEN
    assert said in problem.message


@pytest.mark.parametrize(("options", "name"), [(Options(batch=2), "batch"), (Options(inputs={"data": (1,)}), "input")])
def test_options_that_a_format_does_not_take_are_refused(options: Options, name: str) -> None:
    with pytest.raises(NetError) as caught:
        files.dump(files.read(ROOT / "nets/lenet.net"), ".prototxt", options)
    (problem,) = caught.value.diagnostics
    assert problem.code is NOT_TAKEN
    assert problem.message.startswith(f"--{name} says nothing about a .prototxt file")
    assert problem.help is not None
    assert ".onnx" in problem.help
