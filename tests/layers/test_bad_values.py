"""Values that a layer cannot use: labels and indices that do not exist, NaN. Diagnostics or documented results."""

from __future__ import annotations

import numpy as np
import pytest

from netc.errors import NetError
from netc.layer import Example, Input
from tests.layers.harness import Bench, known

SCORES = Input((4, 3))
LABELED = {
    "Accuracy": ("", (SCORES,)),
    "SoftmaxWithLoss": ("", (SCORES,)),
    "WeightedSoftmaxWithLoss": ("", (SCORES,)),
    "SoftmaxFocalLoss": ("", (SCORES,)),
    "InfogainLoss": ("", (SCORES,)),
    "HingeLoss": ("", (SCORES,)),
    "MultinomialLogisticLoss": ("", (SCORES,)),
    "CenterLoss": ("center_loss_param { num_output: 3 }", (SCORES,)),
    "NegativeSamplingLoss": ("negative_sampling_param { num_output: 3 }", (SCORES,)),
}
THIRD = {"WeightedSoftmaxWithLoss": Input((4,), "uniform"), "InfogainLoss": Input((3, 3), "uniform")}


def bench(name: str, fields: str, *inputs: Input, tops: int = 1) -> Bench:
    return Bench.of(known().types[name], Example(fields, inputs, tops))


@pytest.mark.parametrize("name", LABELED)
@pytest.mark.parametrize("value", [3.0, -1.0, 1e30, -1e30, float("nan"), float("inf")])
def test_a_label_that_is_no_class_is_named(name: str, value: float) -> None:
    fields, inputs = LABELED[name]
    labels = Input((4,), "values", values=(0, 1, value, 2))
    more = (THIRD[name],) if name in THIRD else ()
    with pytest.raises(NetError) as refused:
        bench(name, fields, *inputs, labels, *more).forward()
    (diagnostic,) = refused.value.diagnostics
    assert diagnostic.code.id == "LAY100"
    assert diagnostic.message == (f'layer "tested" ({name}): the label at [2] is {value:g}, but the classes are 0 to 2')
    assert diagnostic.span is not None


def test_labels_are_cut_to_integers_as_in_c() -> None:
    sure = Input((2, 2), "values", values=(9, 0, 0, 9))
    for labels, right in (((-0.9, 1.9), 1.0), ((0.9, 0.0), 0.5)):
        run = bench("Accuracy", "", sure, Input((2,), "values", values=labels)).forward()
        assert run.tops[0] == right


def test_an_ignored_label_may_be_no_class() -> None:
    labels = Input((4,), "values", values=(0, 255, 2, 255))
    run = bench("SoftmaxWithLoss", "loss_param { ignore_label: 255 }", SCORES, labels).forward()
    assert np.isfinite(run.tops[0])


@pytest.mark.parametrize("name", ["SoftmaxWithLoss", "SoftmaxFocalLoss"])
def test_a_batch_without_counted_labels_has_no_loss_and_no_gradient(name: str) -> None:
    labels = Input((4,), "values", values=(7, 7, 7, 7))
    tested = bench(name, "loss_param { ignore_label: 7 }", SCORES, labels)
    run = tested.backward(tested.forward().call)
    assert run.tops[0] == 0
    assert run.bottom_diffs[0] is not None
    assert not run.bottom_diffs[0].any()


def test_accuracy_without_counted_labels_is_0() -> None:
    labels = Input((4,), "values", values=(1, 1, 1, 1))
    run = bench("Accuracy", "accuracy_param { ignore_label: 1 }", SCORES, labels, tops=2).forward()
    assert run.tops[0] == 0
    assert not run.tops[1].any()


def test_a_true_class_with_nan_is_wrong() -> None:
    nan = float("nan")
    scores = Input((2, 2), "values", values=(nan, 0, 1, nan))
    run = bench("Accuracy", "", scores, Input((2,), "values", values=(0, 0))).forward()
    assert run.tops[0] == 0.5


def test_ties_count_against_the_label() -> None:
    scores = Input((1, 3), "values", values=(5, 5, 1))
    label = Input((1,), "values", values=(0,))
    assert bench("Accuracy", "", scores, label).forward().tops[0] == 0
    assert bench("Accuracy", "accuracy_param { top_k: 2 }", scores, label).forward().tops[0] == 1


@pytest.mark.parametrize("value", [4.0, -1.0, float("nan"), 1e20])
def test_an_index_without_a_vector_is_named(value: float) -> None:
    indices = Input((2, 2), "values", values=(0, 1, 3, value))
    with pytest.raises(NetError) as refused:
        bench("Embed", "embed_param { num_output: 2 input_dim: 4 }", indices).forward()
    (diagnostic,) = refused.value.diagnostics
    assert diagnostic.code.id == "LAY101"
    assert f"the index at [1, 1] is {value:g}, but indices go from 0 to 3" in diagnostic.message


NAN_LOSSES = {
    "SoftmaxWithLoss": Input((4,), "labels", 0, 3),
    "SoftmaxFocalLoss": Input((4,), "labels", 0, 3),
    "HingeLoss": Input((4,), "labels", 0, 3),
    "MultinomialLogisticLoss": Input((4,), "values", values=(0, 0, 0, 0)),
    "SigmoidCrossEntropyLoss": Input((4, 3), "binary"),
    "EuclideanLoss": SCORES,
    "L1Loss": SCORES,
    "ContentLoss": SCORES,
    "StyleLoss": SCORES,
}


@pytest.mark.parametrize("name", NAN_LOSSES)
def test_nan_makes_the_loss_nan(name: str) -> None:
    values = (0.5, 0.5, 0.5, float("nan"), 0.5, 0.5, *(0.5,) * 6)
    tested = bench(name, "", Input((4, 3), "values", values=values), NAN_LOSSES[name])
    run = tested.forward()
    assert np.isnan(run.tops[0])
    tested.backward(run.call)  # and does nothing worse
