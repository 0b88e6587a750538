"""Measures of a whole test, against formulas over all of its batches at once; no mean of batches gives the same."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from netc.errors import NetError
from netc.kernels.bleu import Bleu, bleu_of
from netc.solve.averages import Averages
from tests.run.common import make

Array = np.ndarray
Batches = list[tuple[Array, Array]]


def measured(
    layer: str, tops: int, batches: Sequence[tuple[Array, ...]], executor: str = "reference"
) -> list[float | list[float]]:
    """The figures of a test of these batches: bottoms of one layer."""
    shapes = [" ".join(f"dim: {size}" for size in array.shape) for array in batches[0]]
    inputs = "".join(
        f'layer {{ name: "{n}" type: "Input" top: "{n}" input_param {{ shape {{ {shape} }} }} }}\n'
        for n, shape in zip("ab", shapes, strict=False)
    )
    bottoms = " ".join(f'bottom: "{n}"' for n, _ in zip("ab", shapes, strict=False))
    names = " ".join(f'top: "t{i}"' for i in range(tops))
    net = make(f'{inputs}layer {{ name: "m" {layer} {bottoms} {names} }}', phase="TEST", executor=executor)
    averages = Averages(net)
    for batch in batches:
        for name, values in zip("ab", batch, strict=False):
            net.set_input(name, values)
        averages.add(net.forward())
    return [value.tolist() for value in averages.means().values()]


def marked(seed: int, count: int = 4, classes: int = 4) -> Batches:
    """Scores and labels of images; class 3 does not occur among the labels, and label 2 does not count."""
    rng = np.random.default_rng(seed)
    return [
        (rng.normal(size=(2, classes, 3, 5)).astype(np.float32), rng.integers(0, 3, (2, 3, 5)).astype(np.float32))
        for _ in range(count)
    ]


def pairs(batches: Batches) -> tuple[Array, Array]:
    """The class that each counted position is given, and its label."""
    given = np.concatenate([scores.argmax(axis=1).ravel() for scores, _ in batches])
    wanted = np.concatenate([labels.ravel() for _, labels in batches]).astype(int)
    return given[wanted != 2], wanted[wanted != 2]


def per_class(batches: Batches, formula: Callable[[Array, Array], tuple[float, float]]) -> list[float]:
    given, wanted = pairs(batches)
    parts = [formula(given == c, wanted == c) for c in range(4)]
    return [part / whole if whole else math.nan for part, whole in parts]


FORMULAS: dict[str, Callable[[Array, Array], tuple[float, float]]] = {
    "MeanIoU": lambda g, w: ((g & w).sum(), (g | w).sum()),
    "Dice": lambda g, w: (2 * (g & w).sum(), g.sum() + w.sum()),
}


@pytest.mark.parametrize("executor", ["reference", "fast"])
@pytest.mark.parametrize(("kind", "param"), [("MeanIoU", "mean_iou_param"), ("Dice", "dice_param")])
def test_regions(kind: str, param: str, executor: str) -> None:
    batches = marked(1)
    each = per_class(batches, FORMULAS[kind])
    mean, found = measured(f'type: "{kind}" {param} {{ ignore_label: 2 }}', 2, batches, executor)
    assert found == pytest.approx(each, nan_ok=True)
    assert mean == pytest.approx(np.nanmean(each))
    of_batches = [measured(f'type: "{kind}" {param} {{ ignore_label: 2 }}', 2, [batch])[0] for batch in batches]
    assert mean != pytest.approx(np.mean(of_batches), abs=1e-4)


def test_one_score_a_position() -> None:
    """Class 1 is what is above the threshold: here 0.3."""
    scores = np.array([[[0.2, 0.4], [0.3, 0.9]]], np.float32)
    labels = np.array([[[0, 1], [1, 0]]], np.float32).reshape(1, 2, 2)
    found = measured('type: "Dice" dice_param { threshold: 0.3 }', 2, [(scores.reshape(1, 1, 2, 2), labels)])
    assert found[1] == pytest.approx([0.5, 0.5])


def test_precision_recall() -> None:
    batches = marked(2)
    precision = per_class(batches, lambda g, w: ((g & w).sum(), g.sum()))
    recall = per_class(batches, lambda g, w: ((g & w).sum(), w.sum()))
    f1 = [2 * p * r / (p + r) for p, r in zip(precision, recall, strict=True)]
    layer = 'type: "PrecisionRecall" precision_recall_param { ignore_label: 2 %s }'
    assert measured(layer % "", 3, batches) == pytest.approx([np.nanmean(v) for v in (precision, recall, f1)])
    assert measured(layer % "positive: 1", 3, batches) == pytest.approx([precision[1], recall[1], f1[1]])


def test_precision_recall_as_scikit_learn_has_it() -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    rng = np.random.default_rng(0)
    batches = [(rng.normal(size=(30, 3)), rng.integers(0, 3, 30).astype(float)) for _ in range(3)]
    given = np.concatenate([scores.argmax(1) for scores, _ in batches])
    wanted = np.concatenate([labels for _, labels in batches])
    found = measured('type: "PrecisionRecall"', 3, batches)
    assert found == pytest.approx(metrics.precision_recall_fscore_support(wanted, given, average="macro")[:3])


@pytest.mark.parametrize("executor", ["reference", "fast"])
@pytest.mark.parametrize(("compare", "sign"), [("SIMILARITY", 1), ("DISTANCE", -1)])
def test_verification_of_scores(compare: str, sign: int, executor: str) -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    rng = np.random.default_rng(3)
    batches = []
    for _ in range(3):
        same = (rng.random(20) < 0.5).astype(np.float32)
        batches.append(((sign * (rng.normal(size=20) + same)).astype(np.float32), same))
    auc, eer, threshold = measured(
        f'type: "Verification" verification_param {{ compare: {compare} }}', 3, batches, executor
    )
    scores, same = (np.concatenate([batch[i] for batch in batches]) for i in (0, 1))
    assert auc == pytest.approx(metrics.roc_auc_score(same, sign * scores))
    accepted = sign * scores >= sign * threshold
    rates = accepted[same == 0].mean(), (~accepted[same == 1]).mean()
    assert eer == pytest.approx(np.mean(rates), abs=1 / 30)


@pytest.mark.parametrize("compare", ["EUCLIDEAN", "COSINE"])
def test_verification_of_vectors(compare: str) -> None:
    """All pairs of each batch, never of two batches."""
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    rng = np.random.default_rng(4)
    batches = [(rng.normal(size=(6, 3)).astype(np.float32), rng.integers(0, 3, 6).astype(np.float32)) for _ in range(4)]
    scores, same = [], []
    for vectors, classes in batches:
        for i in range(6):
            for j in range(i):
                a, b = vectors[i].astype(float), vectors[j].astype(float)
                cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
                scores.append(-np.linalg.norm(a - b) if compare == "EUCLIDEAN" else cosine)
                same.append(classes[i] == classes[j])
    auc, _, threshold = measured(f'type: "Verification" verification_param {{ compare: {compare} }}', 3, batches)
    assert auc == pytest.approx(metrics.roc_auc_score(same, scores))
    assert (threshold > 0) == (compare == "EUCLIDEAN" or threshold > 0)


@pytest.mark.parametrize("executor", ["reference", "fast"])
@pytest.mark.parametrize("compare", ["EUCLIDEAN", "COSINE"])
def test_one_shot(compare: str, executor: str) -> None:
    """The mean of all choices of one example of each class, each tried; classes have 3, 3 and 2 items, one is alone."""
    rng = np.random.default_rng(7)
    classes = np.array([0, 1, 1, 2, 0, 2, 0, 1, 3], np.float32)
    ties = rng.integers(0, 3, (3, 9, 2)) if compare == "EUCLIDEAN" else rng.normal(size=(3, 9, 2))
    batches = [(vectors.astype(np.float32), rng.permutation(classes)) for vectors in ties]
    right = []
    for vectors, of in batches:
        for item in range(9):
            near = [nearness(vectors[item].astype(float), v.astype(float), compare) for v in vectors]
            sets = [[i for i in range(9) if of[i] == c and i != item] for c in range(4)]
            tries = [chance([near[i] for i in chosen], int(of[item])) for chosen in itertools.product(*sets)]
            right += [np.mean(tries)] if tries else []
    found = measured(f'type: "OneShot" one_shot_param {{ compare: {compare} }}', 1, batches, executor)
    assert len(right) == 24
    assert found == pytest.approx([np.mean(right)])


def nearness(a: Array, b: Array, compare: str) -> float:
    if compare == "EUCLIDEAN":
        return -float(np.linalg.norm(a - b))
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def chance(near: list[float], own: int) -> float:
    """That the own class wins: against each other class a tie is a half."""
    return float(np.prod([0.5 * ((near[own] > n) + (near[own] >= n)) for c, n in enumerate(near) if c != own]))


def test_bleu_of_texts() -> None:
    """A text ends before its stop; filling does not count; steps may be the second axis."""
    rng = np.random.default_rng(5)
    batches = []
    for _ in range(3):
        texts = rng.integers(0, 6, (20, 3)).astype(np.float32)
        batches.append((texts, np.where(rng.random(texts.shape) < 0.2, rng.integers(0, 6, texts.shape), texts)))
    total = Bleu()
    for texts, references in batches:
        for n in range(3):
            rows = [array[:, n].astype(int).tolist() for array in (texts, references)]
            cut = [row[: row.index(4)] if 4 in row else row for row in rows]
            total = total.plus(bleu_of(*([token for token in row if token] for row in cut)))
    assert total.bleu > 0
    fields = "ngram_bleu_param { stop: 4 ignore_label: 0 %s }"
    assert measured(f'type: "NgramBLEU" {fields % ""}', 1, batches) == pytest.approx([total.bleu])
    turned = [(a.T, b.T) for a, b in batches]
    assert measured(f'type: "NgramBLEU" {fields % "axis: 1"}', 1, turned) == pytest.approx([total.bleu])


@pytest.mark.parametrize("executor", ["reference", "fast"])
def test_inception_score(executor: str) -> None:
    """exp E KL(p(y|x) || p(y)) of all images; class 3 is never said; it is no mean of the batches'."""
    rng = np.random.default_rng(6)
    batches = [rng.dirichlet([0.2] * 5, 8).astype(np.float32) for _ in range(3)]
    for p in batches:
        p[:, 4] += p[:, 3]
        p[:, 3] = 0
    every = np.concatenate(batches).astype(np.float64)
    mean = every.mean(axis=0)
    with np.errstate(all="ignore"):
        kl = np.nansum(every * (np.log(every) - np.log(mean)), axis=1)
    score, said = measured('type: "InceptionScore"', 2, [(p,) for p in batches], executor)
    assert score == pytest.approx(math.exp(kl.mean()), rel=1e-5)
    assert said == pytest.approx(mean, abs=1e-6)
    alone = [measured('type: "InceptionScore"', 2, [(p,)])[0] for p in batches]
    assert math.log(score) > np.mean(np.log(alone)) + 0.01
    sure = [(np.eye(4, dtype=np.float32),), (np.full((4, 4), 0.25, np.float32),)]
    assert measured('type: "InceptionScore"', 1, sure[:1]) == pytest.approx([4])
    assert measured('type: "InceptionScore"', 1, sure[1:]) == pytest.approx([1])


def test_inception_score_of_scores() -> None:
    with pytest.raises(NetError) as caught:
        measured('type: "InceptionScore"', 1, [(np.array([[0.5, 0.5], [0.5, 2]], np.float32),)])
    found = caught.value.diagnostics[0]
    assert found.code.id == "LAY116"
    assert "item 1 adds up to 2.5" in found.message


def test_mean_average_precision() -> None:
    """An image in each batch. Class 1: right at 0.9, wrong at 0.6, right at 0.5, of three boxes; class 2: nothing."""
    box, other = (0.1, 0.1, 0.4, 0.4), (0.5, 0.5, 0.9, 0.9)
    batches = [
        (
            np.array([[0, 1, 0.9, *box], [0, 1, 0.6, *box]], np.float32).reshape(1, 1, 2, 7),
            np.array([[0, 1, 0, *box, 0], [0, 1, 1, *other, 0]], np.float32).reshape(1, 1, 2, 8),
        ),
        (
            np.array([[0, 1, 0.5, *other], [-1] * 7], np.float32).reshape(1, 1, 2, 7),
            np.array([[0, 1, 0, *other, 0], [0, 2, 0, *box, 0]], np.float32).reshape(1, 1, 2, 8),
        ),
    ]
    fields = 'mean_average_precision_param { num_classes: 3 ap_version: "%s" }'
    area = 1 / 3 * 1 + 1 / 3 * 2 / 3
    eleven = (4 * 1 + 3 * 2 / 3) / 11  # recalls 0 to 0.3, then 0.4 to 0.6
    for version, wanted in (("Integral", area), ("MaxIntegral", area), ("11point", eleven)):
        mean, each = measured(f'type: "MeanAveragePrecision" {fields % version}', 2, batches)
        assert each == pytest.approx([0, wanted, 0], abs=1e-6)
        assert mean == pytest.approx(wanted / 2, abs=1e-6)
