"""Precision, recall and the confusion matrix."""

import math

import numpy as np
import pytest

from netc.api.confusion import Confusion, as_csv
from netc.api.definition import loads
from netc.api.session import Net
from netc.errors import NetError
from netc.kernels.confusion import Classes

NET = """
layer { name: "in" type: "Input" top: "x" top: "label" input_param { shape { dim: 4 dim: 3 } shape { dim: 4 } } }
layer { name: "acc" type: "Accuracy" bottom: "x" bottom: "label" top: "acc" accuracy_param { ignore_label: 2 } }
"""
SCORES = np.array([[9, 0, 0], [0, 9, 0], [0, 9, 0], [0, 0, 9]], np.float32)


def net(**options: object) -> Net:
    made = Net(loads(NET), **options)  # type: ignore[arg-type]
    made.set_input("x", SCORES)
    made.set_input("label", np.array([0, 0, 1, 2]))
    return made


def test_precision_recall_and_f1() -> None:
    found = Classes(np.array([[8, 2, 0], [0, 5, 0], [0, 0, 0]]))
    assert found.precision == pytest.approx([1, 5 / 7, math.nan], nan_ok=True)
    assert found.recall == pytest.approx([0.8, 1, math.nan], nan_ok=True)
    assert found.f1 == pytest.approx([8 / 9, 10 / 12, math.nan], nan_ok=True)
    assert found.accuracy == pytest.approx(13 / 15)
    assert found.counts.tolist() == [10, 5, 0]


def test_a_class_that_is_always_wrong_has_f1_zero() -> None:
    assert Classes(np.array([[0, 3], [2, 0]])).f1 == [0.0, 0.0]


def test_what_the_accuracy_layer_reads_is_counted_as_it_runs() -> None:
    made = net()
    counted = Confusion(made)
    with made.observed(counted):
        made.forward()
        made.forward()
    assert counted.matrix.tolist() == [[2, 2, 0], [0, 2, 0], [0, 0, 0]]


def test_named_blobs_are_counted_after_a_pass() -> None:
    made = net(keep=True)
    counted = Confusion(made, "x", "label")
    made.forward()
    counted.add()
    assert counted.matrix.tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 1]]


def test_labels_that_are_no_class_are_told() -> None:
    counted = Confusion(net(keep=True), "x", "label")
    counted.count(SCORES, np.array([0, 7, -1, 2]))
    assert (counted.outside, counted.matrix.sum()) == (2, 2)


def test_every_position_counts() -> None:
    text = """
    layer { name: "in" type: "Input" top: "x" top: "label"
      input_param { shape { dim: 1 dim: 2 dim: 1 dim: 2 } shape { dim: 1 dim: 1 dim: 1 dim: 2 } } }
    layer { name: "s" type: "Silence" bottom: "x" bottom: "label" }"""
    counted = Confusion(Net(loads(text), keep=True), "x", "label")
    counted.count(np.array([[[[5, 0]], [[0, 5]]]], np.float32), np.array([[[[0, 0]]]], np.float32))
    assert counted.matrix.tolist() == [[1, 1], [0, 0]]


@pytest.mark.parametrize(("scores", "labels"), [("x", "y"), ("label", "x")])
def test_blobs_that_cannot_be_compared(scores: str, labels: str) -> None:
    with pytest.raises(NetError) as caught:
        Confusion(net(keep=True), scores, labels)
    assert caught.value.diagnostics[0].code.id == "RUN053"


def test_csv() -> None:
    assert as_csv(Classes(np.array([[1, 2], [0, 3]])), ["a", "b"]) == 'label,"a","b"\n"a",1,2\n"b",0,3\n'


def test_intersection_over_union() -> None:
    found = Classes(np.array([[8, 2, 0], [0, 5, 0], [0, 0, 0]]))
    assert found.iou == pytest.approx([8 / 10, 5 / 7, math.nan], nan_ok=True)
    assert found.mean_iou == pytest.approx((8 / 10 + 5 / 7) / 2)
    assert math.isnan(Classes(np.zeros((2, 2), int)).mean_iou)


def test_a_segmentation_is_compared_where_its_loss_reads_it() -> None:
    made = Net(
        loads("""
        layer { name: "in" type: "Input" top: "x" input_param { shape { dim: [2, 3, 2, 2] } } }
        layer { name: "gt" type: "Input" top: "gt" input_param { shape { dim: [2, 1, 2, 2] } } }
        layer { name: "loss" type: "SoftmaxWithLoss" bottom: "x" bottom: "gt" top: "loss"
          loss_param { ignore_label: 255 } }
        """),
        keep=True,
    )
    given = np.array([[[0, 1], [1, 2]], [[0, 0], [2, 2]]])
    made.set_input("x", (np.arange(3)[:, None, None] == given[:, None]).astype(np.float32))
    made.set_input("gt", np.array([[[[0, 1], [0, 255]]], [[[0, 0], [2, 1]]]], np.float32))
    counted = Confusion(made)
    made.forward()
    counted.add()
    assert counted.positions
    assert not Confusion(net(keep=True)).positions
    assert counted.matrix.tolist() == [[3, 1, 0], [0, 1, 1], [0, 0, 1]]
    assert counted.classes.iou == pytest.approx([3 / 4, 1 / 3, 1 / 2])
    assert (counted.outside, counted.classes.accuracy) == (0, pytest.approx(5 / 7))
