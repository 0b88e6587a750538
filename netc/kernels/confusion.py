"""What is given to samples of each class: the confusion matrix, and the measures that follow from it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netc.kernels.tally import Tally

Array = NDArray[Any]


@dataclass(frozen=True)
class Classes:
    """`matrix[label, class]`: how often a sample with this label was given this class."""

    matrix: NDArray[np.int64]

    @property
    def counts(self) -> NDArray[np.int64]:
        """Samples of each label."""
        return np.asarray(self.matrix.sum(axis=1))

    @property
    def accuracy(self) -> float:
        """The share of right samples; NaN without samples."""
        return _share(np.trace(self.matrix), self.matrix.sum())

    @property
    def precision(self) -> list[float]:
        """Of the samples given a class, the share that is of it; NaN for a class that was never given."""
        given = self.matrix.sum(axis=0)
        return [_share(self.matrix[i, i], given[i]) for i in range(len(self.matrix))]

    @property
    def recall(self) -> list[float]:
        """Of the samples of a class, the share that was given it; NaN for a class without samples."""
        return [_share(self.matrix[i, i], self.counts[i]) for i in range(len(self.matrix))]

    @property
    def f1(self) -> list[float]:
        """The harmonic mean of precision and recall; NaN where either is."""
        pairs = zip(self.precision, self.recall, strict=True)
        return [2 * p * r / (p + r) if p + r else (0.0 if p + r == 0 else float("nan")) for p, r in pairs]

    @property
    def iou(self) -> list[float]:
        """Intersection over union of each class: right, of what has the label or was given it; NaN without any."""
        right, union = self.matrix.diagonal(), self.matrix.sum(axis=0) + self.counts - self.matrix.diagonal()
        return [_share(r, u) for r, u in zip(right, union, strict=True)]

    @property
    def mean_iou(self) -> float:
        """The mean of `iou` over the classes that have one."""
        return mean(self.iou)

    @property
    def dice(self) -> list[float]:
        """Twice the right ones of what has the label and what was given it (Dice 1945); NaN without any."""
        right, both = self.matrix.diagonal(), self.matrix.sum(axis=0) + self.counts
        return [_share(2 * r, b) for r, b in zip(right, both, strict=True)]


def mean(values: Sequence[float]) -> float:
    """Of the values that are numbers; NaN without any."""
    known = [value for value in values if not math.isnan(value)]
    return _share(sum(known), len(known))


def _share(part: Any, whole: Any) -> float:
    return float(part) / float(whole) if whole else float("nan")


def matrix_of(given: Array, wanted: Array, classes: int) -> NDArray[np.int64]:
    """How often each class was given to each label; places whose label is below 0 do not count."""
    counted = wanted >= 0
    pairs = wanted[counted].astype(np.int64) * classes + given[counted]
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


@dataclass(frozen=True)
class Confused(Tally):
    """A confusion matrix, and what a measure makes of it: the values of its tops."""

    matrix: NDArray[np.int64]
    made: Callable[[Classes], Sequence[Any]]

    def plus(self, other: Confused) -> Confused:
        return Confused(self.matrix + other.matrix, self.made)

    def figures(self) -> Sequence[Any]:
        return self.made(Classes(self.matrix))
