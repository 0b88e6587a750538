"""Mean average precision: curves worked out by hand, and a solver that tests by it."""

from __future__ import annotations

import numpy as np
import pytest

from netc import solve
from netc.errors import NetError
from netc.kernels.average_precision import VERSIONS, average_precision
from netc.solve.averages import Averages
from tests.run.common import make, solver_record

# Right, wrong, right, wrong, right of four: precisions 1, 1/2, 2/3, 1/2, 3/5, recalls 1/4, 1/4, 1/2, 1/2, 3/4.
SCORES = np.array([0.5, 0.9, 0.7, 0.8, 0.6])
RIGHT = np.array([True, True, True, False, False])


@pytest.mark.parametrize(
    ("version", "wanted"),
    [
        ("11point", (1 + 1 + 1 + 3 * 2 / 3 + 2 * 0.6) / 11),  # recalls 0 to 0.2, 0.3 to 0.5, 0.6 and 0.7
        ("MaxIntegral", 0.25 * 1 + 0.25 * 2 / 3 + 0.25 * 0.6),
        ("Integral", 0.25 * 1 + 0.25 * 2 / 3 + 0.25 * 0.6),
    ],
)
def test_average_precision(version: str, wanted: float) -> None:
    assert average_precision(SCORES, RIGHT, 4, version) == pytest.approx(wanted, rel=1e-6)
    assert average_precision(SCORES, RIGHT, 0, version) == 0
    assert average_precision(SCORES[:0], RIGHT[:0], 4, version) == 0


@pytest.mark.parametrize(
    ("version", "wanted"),
    [
        ("11point", 6 * 2 / 3 / 11 + 5 * 2 / 3 / 11),
        ("MaxIntegral", 2 / 3),  # a step of recall counts with the best precision from its start on
        ("Integral", 0.5 * 0.5 + 0.5 * 2 / 3),
    ],
)
def test_precision_that_rises(version: str, wanted: float) -> None:
    """Wrong, right, right of two: precisions 0, 1/2, 2/3."""
    found = average_precision(np.array([3.0, 2, 1]), np.array([False, True, True]), 2, version)
    assert found == pytest.approx(wanted, rel=1e-6)


def literal(scores: list[float], right: list[bool], positives: int, version: str) -> float:
    """The loops of the definition, one step after the other."""
    order = sorted(range(len(scores)), key=lambda i: -scores[i])
    hits = np.cumsum([right[i] for i in order])
    precision, recall = hits / np.arange(1, len(hits) + 1), hits / positives
    if version == "11point":
        return float(
            sum(max([p for p, r in zip(precision, recall, strict=True) if r >= j / 10], default=0) for j in range(11))
            / 11
        )
    total, n = 0.0, len(hits)
    if version == "Integral":
        return float(sum(precision[i] * (recall[i] - (recall[i - 1] if i else 0)) for i in range(n)))
    for i in range(n):
        total += max(precision[max(i - 1, 0) :]) * (recall[i] - (recall[i - 1] if i else 0))
    return total


@pytest.mark.parametrize("version", VERSIONS)
def test_random_curves(version: str) -> None:
    rng = np.random.default_rng(0)
    for count in range(1, 40):
        scores, right = rng.permutation(count).astype(float), rng.random(count) < 0.6
        positives = int(right.sum()) + int(rng.integers(1, 7)) * 2 + 1  # not a divisor of tenths' borders
        found = average_precision(scores, right, positives, version)
        assert found == pytest.approx(literal(scores.tolist(), right.tolist(), positives, version), abs=1e-6)


NET = """name: "eval"
layer { name: "found" type: "Input" top: "found" input_param { shape { dim: 1 dim: 1 dim: 3 dim: 7 } } }
layer { name: "true" type: "Input" top: "true" input_param { shape { dim: 1 dim: 1 dim: 2 dim: 8 } } }
layer { name: "eval" type: "DetectionEvaluate" bottom: "found" bottom: "true" top: "eval"
  detection_evaluate_param { num_classes: 4 evaluate_difficult_gt: false } }
layer { name: "one" type: "Reduction" bottom: "found" top: "one" }
"""


def fill(net: object, batch: int) -> None:
    """Class 1: right in both batches. Class 2: a wrong detection. Class 3: nothing. A difficult box is found too."""
    left = 0.1 + 0.1 * batch
    box = (left, 0.1, left + 0.3, 0.5)
    found = [(0, 1, 0.9 - 0.2 * batch, *box), (0, 2, 0.5, 0.6, 0.6, 0.9, 0.9), (0, 1, 0.95, 0.5, 0.5, 1, 1)]
    true = [(0, 1, 0, *box, 0), (0, 1, 1, 0.5, 0.5, 1, 1, 1)]
    net.set_input("found", np.array(found, np.float32)[None, None])  # type: ignore[attr-defined]
    net.set_input("true", np.array(true, np.float32)[None, None])  # type: ignore[attr-defined]


def test_averages_of_a_net() -> None:
    net = make(NET, phase="TEST")
    averages = Averages(net, per_class=True)
    for batch in range(2):
        fill(net, batch)
        averages.add(net.forward())
    found = averages.means()
    assert list(found) == ["eval", "eval/1", "eval/2", "eval/3", "one"]
    assert [float(found[name]) for name in ("eval", "eval/1", "eval/2", "eval/3")] == pytest.approx([1 / 3, 1, 0, 0])
    assert found["one"].shape == ()


def test_outputs_of_changing_shape_are_left_out() -> None:
    averages = Averages(make(NET, phase="TEST"))
    averages.add({"rows": np.ones((3, 2)), "one": np.ones(2)})
    averages.add({"rows": np.ones((2, 2)), "one": np.zeros(2)})
    averages.add({"rows": np.ones((2, 2)), "one": np.zeros(2)})
    assert {name: value.tolist() for name, value in averages.means().items()} == {"one": [1 / 3, 1 / 3]}


TRAIN = """layer { name: "x" type: "DummyData" top: "x" dummy_data_param { shape { dim: 2 dim: 3 } } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip" inner_product_param { num_output: 1 } }
layer { name: "loss" type: "EuclideanLoss" bottom: "ip" bottom: "ip" top: "loss" }
"""


class Heard(solve.Events):
    def __init__(self) -> None:
        self.results: list[solve.events.TestResult] = []

    def tested(self, result: solve.events.TestResult) -> None:
        self.results.append(result)


def test_a_solver_tests_by_mean_average_precision() -> None:
    fields = 'base_lr: 0.1 max_iter: 1 test_iter: 1 test_interval: 1 eval_type: "detection" ap_version: "11point" '
    test_net, heard = make(NET, phase="TEST"), Heard()
    fill(test_net, 0)
    record = solver_record(f"{fields} show_per_class_result: true")
    solve.Solver(record, make(TRAIN), [solve.Test(test_net, 1)], events=heard).test_all()
    assert float(heard.results[0].outputs["eval"]) == pytest.approx(1 / 3)
    assert float(heard.results[0].outputs["eval/1"]) == pytest.approx(1)


@pytest.mark.parametrize("fields", ['ap_version: "12point"', 'eval_type: "detect"'])
def test_names_that_do_not_exist(fields: str) -> None:
    with pytest.raises(NetError) as caught:
        solve.Solver(solver_record(f"base_lr: 0.1 max_iter: 1 {fields}"), make(TRAIN))
    assert [d.code.id for d in caught.value.diagnostics] == ["SOL010"]
