"""Which detections are right: rows of detections and of true boxes, compared by image and class (SSD's way)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netc.errors import Code, Diagnostic, NetError
from netc.kernels.boxes import by_score
from netc.kernels.sized_boxes import jaccard, output_boxes

Array = NDArray[Any]
Boxes = dict[int, dict[int, Array]]  # rows by image and class
Size = tuple[int, int]

BAD_DETECTION = Code(
    "RUN324",
    "a row of detections or true boxes cannot be used",
    why="Detections and true boxes are of a class other than the background; each row names its class.",
    example="detection: (0, 0, 0.9, 0.1, 0.1, 0.4, 0.4), where class 0 is the background",
    fix="Give DetectionOutput and what judges it the same num_classes and background_label_id, and number the "
    "classes of the true boxes from 1.",
)


@dataclass(frozen=True)
class Judge:
    """How detections are compared with true boxes.

    overlap: that makes a detection right. difficult: difficult boxes count, too. size: gives the size of the next image
    (height, width), or None to compare shares of images. resize: how images were resized, or None.
    """

    record: Any
    classes: int
    background: int
    overlap: float
    difficult: bool
    size: Callable[[], Size | None] = lambda: None
    resize: Any = None

    def rows(self, found: Array, truth: Array) -> list[tuple[float, ...]]:
        """A row for each class but the background (-1, class, true boxes, -1, -1), then one for each detection.

        found: rows of 7 (image, class, confidence, corners); truth: rows of 8 (image, class, number, corners,
        difficult). Of each detection: image, class, confidence, whether it is a true and whether a false positive.
        Raises NetError(RUN324).
        """
        detections, boxes = self._grouped(found.reshape(-1, 7)), self._grouped(truth.reshape(-1, 8))
        rows: list[tuple[float, ...]] = []
        for label in range(self.classes):
            if label != self.background:
                counted = [of_image[label] for of_image in boxes.values() if label in of_image]
                count = sum(int(np.count_nonzero(self.difficult | (b[:, 7] == 0))) for b in counted)
                rows.append((-1, label, count, -1, -1))
        for image, by_label in detections.items():
            size = self.size()
            for label, of_class in by_label.items():
                if label != -1:
                    rows += self._judged((image, label), of_class, boxes.get(image, {}).get(label), size)
        return rows

    def _grouped(self, rows: Array) -> Boxes:
        """Rows by image and class, both ascending. Raises NetError(RUN324)."""
        width, used = rows.shape[1], np.flatnonzero(rows[:, 0] != -1)
        rows = rows[used]
        known = (rows[:, 1] >= 0) & (rows[:, 1] < self.classes) & (np.trunc(rows[:, 1]) != self.background)
        known |= (rows[:, 1] == -1) & (width == 7)  # nothing was found in an image
        bad = np.flatnonzero(~(known & np.isfinite(rows[:, 0])))
        if len(bad):
            what = "detection" if width == 7 else "true box"
            values = ", ".join(f"{value:g}" for value in rows[bad[0]])
            raise NetError(Diagnostic.of_layer(self.record, BAD_DETECTION, f"{what} {used[bad[0]]} is ({values})"))
        image, label = rows[:, 0].astype(np.int64), rows[:, 1].astype(np.int64)
        groups: Boxes = {}
        for i in np.unique(image).tolist():
            own = image == i
            groups[i] = {c: rows[own & (label == c)] for c in np.unique(label[own]).tolist()}
        return groups

    def _judged(
        self, name: tuple[int, int], found: Array, truth: Array | None, size: Size | None
    ) -> list[tuple[float, ...]]:
        """A row for each detection of a class in an image."""
        if truth is None:
            return [(*name, score, 0, 1) for score in found[:, 2]]
        found = found[by_score(found[:, 2])]
        boxes, true = found[:, 3:7], truth[:, 3:7]
        if size is not None:
            boxes, true = output_boxes(boxes, size, self.resize), output_boxes(true, size, self.resize)
        taken = np.zeros(len(truth), np.bool_)
        rows: list[tuple[float, ...]] = []
        for score, overlaps in zip(found[:, 2], jaccard(boxes, true, pixels=size is not None), strict=True):
            best = int(overlaps.argmax())
            if not overlaps[best] >= overlaps.dtype.type(self.overlap):
                rows.append((*name, score, 0, 1))
            elif truth[best, 7] and not self.difficult:
                rows.append((*name, score, 0, 0))
            else:
                rows.append((*name, score, 0, 1) if taken[best] else (*name, score, 1, 0))
                taken[best] = True
        return rows
