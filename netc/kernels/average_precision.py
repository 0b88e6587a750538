"""The mean average precision of detections (SSD).

A detection is as good as its confidence: all of a class are sorted by it, and after each the precision (true positives
among all so far) and the recall (true positives among all true boxes) are noted. The average precision is the area
under that curve, in one of three ways (`ap_version`): "11point" averages, over the recalls 0, 0.1 ... 1, the largest
precision at that recall or beyond (VOC 2007; Everingham et al. 2010); "MaxIntegral" adds up, from the last detection
to the first, the steps of recall times the largest precision so far; "Integral" the steps of recall times the
precision (Liu et al. 2016, `ComputeAP`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netc.kernels.tally import Asked, Tally

Array = NDArray[Any]
_LEAST_STEP = 1e-6


def _eleven_points(precision: Array, recall: Array) -> float:
    reached = (float(precision[recall >= j / 10].max(initial=0)) for j in range(11))
    return sum(best / 11 for best in reached)


def _max_integral(precision: Array, recall: Array) -> float:
    best = np.maximum.accumulate(precision[::-1])[::-1]
    steps = np.diff(recall.astype(np.float64))
    steps = np.where(steps > _LEAST_STEP, steps, 0)
    return float((best[:-1] * steps).sum() + float(recall[0]) * float(best[0]))


def _integral(precision: Array, recall: Array) -> float:
    steps = np.diff(recall.astype(np.float64), prepend=0.0)
    return float((precision * np.where(steps > _LEAST_STEP, steps, 0)).sum())


VERSIONS: Mapping[str, Callable[[Array, Array], float]] = {
    "11point": _eleven_points,
    "MaxIntegral": _max_integral,
    "Integral": _integral,
}


def average_precision(scores: Array, right: Array, positives: int, version: str) -> float:
    """The average precision of one class's detections: their confidences, and whether each is a true positive.

    positives: how many true boxes there are. 0 if there are none, or no detections.
    """
    if not positives or not len(scores):
        return 0.0
    hits = right[np.argsort(-scores, kind="stable")].astype(np.int64).cumsum()
    precision = hits.astype(np.float32) / np.arange(1, len(hits) + 1, dtype=np.float32)
    recall = hits.astype(np.float32) / np.float32(positives)
    return VERSIONS[version](precision, recall.astype(np.float64))


@dataclass(frozen=True, slots=True)
class Detections(Tally):
    """Rows of detections (image, class, confidence, true and false positive) of some batches.

    A row of image -1 says of a class how many true boxes it has.
    """

    parts: tuple[Array, ...]

    def plus(self, other: Detections) -> Detections:
        return Detections(self.parts + other.parts)

    def precisions(self, version: str) -> dict[int, float]:
        """The average precision of each class."""
        rows = np.concatenate([part.reshape(-1, 5) for part in self.parts]).astype(np.float64)
        counts, found = rows[rows[:, 0] == -1], rows[rows[:, 0] != -1]
        found = found[found[:, 3:].any(1)]  # neither: a difficult box that does not count
        result = {}
        for label in np.unique(counts[:, 1]).astype(int).tolist():
            own = found[found[:, 1] == label]
            positives = int(counts[counts[:, 1] == label, 2].sum())
            result[label] = average_precision(own[:, 2], own[:, 3] == 1, positives, version)
        return result

    def figures(self) -> tuple[Array, ...]:
        return (self.parts[-1],)

    def named(self, asked: Asked) -> Mapping[str, float]:
        """Their mean, and that of each class if it is asked for."""
        precisions = self.precisions(asked.ap_version)
        mean = sum(precisions.values()) / max(len(precisions), 1)
        return {"": mean, **({f"/{label}": p for label, p in precisions.items()} if asked.per_class else {})}


@dataclass(frozen=True, slots=True)
class ClassPrecisions(Tally):
    """As `Detections`, whose figures are the mean average precision and that of each of so many classes."""

    parts: tuple[Array, ...]
    version: str
    classes: int

    def plus(self, other: ClassPrecisions) -> ClassPrecisions:
        return ClassPrecisions(self.parts + other.parts, self.version, self.classes)

    def figures(self) -> tuple[float, Array]:
        found = Detections(self.parts).precisions(self.version)
        each = np.zeros(self.classes)
        for label, precision in found.items():
            each[label] = precision
        return sum(found.values()) / max(len(found), 1), each
