"""SSD's detections, step by step: the boxes of a class that do not overlap, and the best of an image as rows.

Both executors run these, so they give the same bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netc.jit import kernel
from netc.kernels.boxes import CODES, best_first, suppress

Array = NDArray[Any]
COLUMNS = 7  # of a row: image, class, confidence, xmin, ymin, xmax, ymax


@dataclass(frozen=True, slots=True)
class DetectionGeometry:
    """What a DetectionOutput is about.

    images, priors, classes: how many there are; loc_classes: classes of locations, 1 if all classes share one.
    code: how offsets are written (`boxes.CODES`); encoded: they are not multiplied by the variances. background: the
    class that is no object, or -1. top_k: so many boxes of a class are looked at; keep: so many of an image are kept,
    all if negative. The rest are thresholds (see `boxes.suppress`).
    """

    images: int
    priors: int
    classes: int
    loc_classes: int
    code: int
    encoded: bool
    background: int
    top_k: int
    keep: int
    confidence: float
    overlap: float
    eta: float

    @classmethod
    def of_boxes(
        cls, images: int, boxes: int, classes: int, keep: int, confidence: float, overlap: float, own: bool = False
    ) -> DetectionGeometry:
        """Where boxes are there already: one for all classes, or (own) one for each; class 0 is the background."""
        return cls(
            images=images,
            priors=boxes,
            classes=classes,
            loc_classes=classes if own else 1,
            code=CODES["CORNER"],
            encoded=True,
            background=0,
            top_k=boxes,
            keep=keep,
            confidence=confidence,
            overlap=overlap,
            eta=1.0,
        )

    @property
    def most(self) -> int:
        """Rows of an image, at most."""
        found = self.top_k * (self.classes - (self.background >= 0))
        return found if self.keep < 0 else min(found, self.keep)


def detections(g: DetectionGeometry, image: int, boxes: Array, scores: Array, rows: Array, count: int) -> int:
    """The detections of an image as rows from `count` on; returns where they end.

    boxes: loc_classes x boxes x 4. scores: boxes x classes, of any shape with as many values.
    """
    scores = np.ascontiguousarray(scores).reshape(-1)
    boxes = np.ascontiguousarray(boxes)
    kept, counts = _kept(g, boxes, scores)
    most = counts.sum()
    room = np.empty(most, scores.dtype), np.empty(most, np.int64), np.empty(most, np.int64)
    end: int = write_rows(image, scores, boxes.reshape(-1, 4), kept, counts, g.keep, *room, rows, count)
    return end


def _kept(g: DetectionGeometry, boxes: Array, scores: Array) -> tuple[Array, Array]:
    """For each class the boxes that are left, best first, and how many these are."""
    top_k = min(g.top_k, boxes.shape[1])
    kept, counts = np.empty((g.classes, top_k), np.int64), np.zeros(g.classes, np.int64)
    order, held, number = np.empty(top_k, np.int64), np.empty((5, top_k), scores.dtype), scores.dtype.type
    limits = number(g.confidence), number(g.overlap), number(g.eta)
    for label in range(g.classes):
        if label != g.background:
            place = boxes[label if g.loc_classes > 1 else 0]
            counts[label] = detect_class(place, scores, label, g.classes, *limits, kept[label], order, held)
    return kept, counts


@kernel
def detect_class(
    boxes: Array, scores: Array, first: int, step: int, threshold: float, overlap: float, eta: float, kept: Array,
    order: Array, held: Array,
) -> int:  # fmt: skip
    """The boxes of a class that are left, best first, as their numbers in `kept`; returns how many.

    boxes: priors x 4; the score of prior i is scores[first + i * step]. order: room for as many numbers as `kept`;
    held: see `suppress`.
    """
    count = best_first(scores, first, step, boxes.shape[0], threshold, kept.shape[0], order)
    zero = boxes.dtype.type(0)
    left: int = suppress(boxes, order[:count], overlap, eta, count, zero, kept, held)
    return left


@kernel
def write_rows(
    image: int, scores: Array, boxes: Array, kept: Array, counts: Array, keep: int, values: Array, best: Array,
    order: Array, rows: Array, start: int,
) -> int:  # fmt: skip
    """The detections of an image as rows from `start` on: by class, then as they are kept; returns where they end.

    scores: of the image, priors x classes, flat. boxes: loc_classes x priors x 4, in one. kept: classes x top_k, of
    which `counts` of each are there. keep: only so many of the best, all if negative. values, best, order: room for a
    number and two indices of each that is kept.
    """
    classes = counts.shape[0]
    priors = scores.shape[0] // classes
    total = 0
    for label in range(classes):
        for k in range(counts[label]):
            values[total] = scores[kept[label, k] * classes + label]
            best[total] = total
            total += 1
    if 0 <= keep < total:
        _only_best(values, total, order[:keep], best)
    at = 0
    for label in range(classes):
        shift = label * priors if boxes.shape[0] > priors else 0
        for k in range(counts[label]):
            if best[at] >= 0:
                prior = kept[label, k]
                rows[start, 0], rows[start, 1], rows[start, 2] = image, label, values[at]
                rows[start, 3], rows[start, 4], rows[start, 5], rows[start, 6] = boxes[shift + prior]
                start += 1
            at += 1
    return start


@kernel
def _only_best(values: Array, total: int, order: Array, best: Array) -> None:
    """Make those entries of `best` negative whose value is not among the largest, for which `order` has room."""
    count = best_first(values, 0, 1, total, -np.inf, order.shape[0], order)
    for i in range(total):
        best[i] = -1
    for i in range(count):
        best[order[i]] = order[i]


@kernel
def write_none(rows: Array, images: int) -> int:
    """The rows that say that nothing was found: one an image; returns how many."""
    for image in range(images):
        rows[image, 0] = image
        rows[image, 1:] = -1
    return images
