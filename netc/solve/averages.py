"""What a test gives: outputs averaged over the batches, and the mean average precision of detections (SSD).

A detection is as good as its confidence: all of a class are sorted by it, and after each the precision (true positives
among all so far) and the recall (true positives among all true boxes) are noted. The average precision is the area
under that curve, in one of three ways (`ap_version`): "11point" averages, over the recalls 0, 0.1 ... 1, the largest
precision at that recall or beyond (VOC 2007; Everingham et al. 2010); "MaxIntegral" adds up, from the last detection
to the first, the steps of recall times the largest precision so far; "Integral" the steps of recall times the
precision (Liu et al. 2016, `ComputeAP`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from netc.errors import Report
from netc.layer import Array
from netc.run import Net
from netc.schema.record import Record
from netc.solve.codes import UNKNOWN_NAME

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


class Detections:
    """Rows of a DetectionEvaluate layer (image, class, confidence, true and false positive), batch after batch."""

    def __init__(self) -> None:
        self._rows: list[Array] = []

    def add(self, rows: Array) -> None:
        self._rows.append(rows.reshape(-1, 5).astype(np.float64))

    def precisions(self, version: str) -> dict[int, float]:
        """The average precision of each class."""
        rows = np.concatenate(self._rows) if self._rows else np.empty((0, 5))
        counts, found = rows[rows[:, 0] == -1], rows[rows[:, 0] != -1]
        found = found[found[:, 3:].any(1)]  # neither: a difficult box that does not count
        result = {}
        for label in np.unique(counts[:, 1]).astype(int).tolist():
            own = found[found[:, 1] == label]
            positives = int(counts[counts[:, 1] == label, 2].sum())
            result[label] = average_precision(own[:, 2], own[:, 3] == 1, positives, version)
        return result


class Averages:
    """Averages a test net's outputs. The mean average precision stands for the rows of a DetectionEvaluate layer.

    version: how that is computed. per_class: also give NAME/CLASS, the average precision of each class. Outputs whose
    shape changes from batch to batch, other than those, have no mean and are left out.
    """

    def __init__(self, net: Net, version: str = "Integral", *, per_class: bool = False) -> None:
        graph = net.graph
        values = (graph.values[v] for v in graph.outputs)
        names = (v.name for v in values if graph.nodes[v.producer].type.name == "DetectionEvaluate")
        self._detections = {name: Detections() for name in names}
        self._version, self._per_class = version, per_class
        self._sums: dict[str, Array | None] = {}
        self._count = 0

    def add(self, outputs: Mapping[str, Array]) -> None:
        """The outputs of one batch."""
        self._count += 1
        for name, value in outputs.items():
            if name in self._detections:
                self._detections[name].add(value)
                self._sums[name] = None
                continue
            before = self._sums.get(name, np.zeros(value.shape))
            same = before is not None and before.shape == value.shape
            self._sums[name] = before + value.astype(np.float64) if same and before is not None else None

    def means(self) -> dict[str, Array]:
        """The averages so far, by output."""
        found: dict[str, Array] = {}
        for name, total in self._sums.items():
            if total is not None:
                found[name] = total / self._count
            elif name in self._detections:
                precisions = self._detections[name].precisions(self._version)
                found[name] = np.array(sum(precisions.values()) / max(len(precisions), 1))
                if self._per_class:
                    found |= {f"{name}/{label}": np.array(value) for label, value in precisions.items()}
        return found


def check(p: Record, report: Report) -> None:
    """Report an eval_type or ap_version that does not exist (SOL010)."""
    for field, known in (("eval_type", ("classification", "detection")), ("ap_version", tuple(VERSIONS))):
        if getattr(p, field) not in known:
            message = f'there is no {field} "{getattr(p, field)}"'
            report.error(UNKNOWN_NAME, message, p.span_of(field), help=f"use one of {', '.join(known)}")
