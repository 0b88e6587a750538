"""Measures that count over a test: the figures are those of all batches together, on both executors."""

from __future__ import annotations

import numpy as np
import pytest

from netc.solve.averages import Averages
from tests.run.common import make

NET = """
layer { name: "s" type: "Input" top: "scores" input_param { shape { dim: 3 dim: 2 dim: 4 } } }
layer { name: "l" type: "Input" top: "label" input_param { shape { dim: 3 dim: 2 } } }
layer { name: "p" type: "Perplexity" bottom: "scores" bottom: "label" top: "perplexity" top: "bits"
  perplexity_param { ignore_label: 3 } }
layer { name: "m" type: "Reduction" bottom: "scores" top: "mean" reduction_param { operation: MEAN } }
"""


def batch(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores and labels; one label in three does not count, and in batch 2 none does."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(0, 3, (3, 2, 4)).astype(np.float32)
    labels = rng.integers(0, 4, (3, 2)) if seed != 2 else np.full((3, 2), 3)
    return scores, labels.astype(np.float32)


def surprise(scores: np.ndarray, labels: np.ndarray) -> list[float]:
    """-log p of each label that counts."""
    p = np.exp(scores.astype(np.float64))
    p /= p.sum(axis=-1, keepdims=True)
    pairs = zip(p.reshape(-1, 4), labels.reshape(-1).astype(int), strict=True)
    return [-np.log(row[label]) for row, label in pairs if label != 3]


@pytest.mark.parametrize("executor", ["reference", "fast"])
def test_perplexity_is_that_of_all_tokens(executor: str) -> None:
    net = make(NET, phase="TEST", executor=executor)
    averages, every = Averages(net), list[float]()
    for seed in range(5):
        scores, labels = batch(seed)
        net.set_input("scores", scores)
        net.set_input("label", labels)
        outputs = net.forward()
        averages.add(outputs)
        own = surprise(scores, labels)
        every += own
        if own:
            assert outputs["perplexity"] == pytest.approx(np.exp(np.mean(own)), rel=1e-5)
        else:
            assert np.isnan(outputs["perplexity"])
    found = averages.means()
    assert list(found) == ["perplexity", "bits", "mean"]
    assert found["perplexity"] == pytest.approx(np.exp(np.mean(every)), rel=1e-6)
    assert found["bits"] == pytest.approx(np.mean(every) / np.log(2), rel=1e-6)


def test_equal_scores_leave_all_classes_open() -> None:
    net = make(NET, phase="TEST")
    net.set_input("scores", np.ones((3, 2, 4)))
    assert net.forward()["perplexity"] == pytest.approx(4)


def test_a_tally_begins_anew_with_each_test() -> None:
    net = make(NET, phase="TEST")
    for seed in (0, 1):
        scores, labels = batch(seed)
        net.set_input("scores", scores)
        net.set_input("label", labels)
        averages = Averages(net)
        averages.add(net.forward())
        assert averages.means()["perplexity"] == pytest.approx(np.exp(np.mean(surprise(scores, labels))), rel=1e-6)
