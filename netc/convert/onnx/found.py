"""What a detector has found, as rows: of each class the best boxes, without those that overlap a better one.

The best confidences of each class are taken (TopK), overlapping boxes dropped (NonMaxSuppression), what is left is
marked in a table of images x (classes * boxes), the best of each image marked again, and the marks read off in order:
by image, class, confidence.
"""

from __future__ import annotations

from dataclasses import dataclass

from netc.convert.onnx.runtime import Dim
from netc.convert.onnx.suppression import best, column, marked, moved, offsets, suppressed
from netc.convert.onnx.writer import LayerWriter
from netc.kernels.pooling import LOWEST


@dataclass(frozen=True)
class Search:
    """What is looked for, in how many images and boxes of each.

    labels: the classes. shared: the classes share their boxes. most: so many boxes of a class are looked at, all if
    negative; keep: so many of an image are kept, all if negative. overlap, confidence: thresholds.
    """

    images: Dim
    labels: tuple[int, ...]
    boxes: Dim
    shared: bool
    most: int
    overlap: float
    confidence: float
    keep: int


@dataclass(frozen=True)
class _Kept:
    """Of each image and class, the best boxes: how many, their scores and corners, and which are kept."""

    count: Dim
    scores: str
    corners: str
    selected: str


def found(layer: LayerWriter, it: Search, boxes: str, scores: str) -> str:
    """Rows of image, class, confidence and corners: 1 x 1 x rows x 7.

    boxes: images x boxes x 4, or images x classes x boxes x 4 if each class has its own; scores: images x classes x
    boxes. What is not above the confidence (or no number) counts as the lowest there is.
    """
    high = layer.op("Greater", scores, layer.numbers(max(it.confidence, LOWEST)))
    scores = layer.op("Where", high, scores, layer.numbers(LOWEST))
    values, places, kept = best(layer, scores, it.boxes, it.most, axis=2)
    classes = len(it.labels)
    tables = it.images if it.shared else it.images * classes
    view = (it.images, 1, 1) if it.shared else (it.images, classes, 1)
    start = offsets(layer, tables, it.boxes, 1)
    start = layer.reshape(start, view) if start else None
    chosen = layer.op("Gather", layer.reshape(boxes, (-1, 4)), moved(layer, places, start), axis=0)
    left = suppressed(
        layer,
        layer.reshape(chosen, (it.images * classes, kept, 4)),
        layer.reshape(values, (it.images * classes, 1, kept)),
        it.overlap,
        it.confidence,
    )
    return _rows(layer, it, _Kept(kept, values, chosen, left))


def nothing_found(layer: LayerWriter, it: Search) -> str:
    """The rows that say so: one an image."""
    return layer.reshape(_no_rows(layer, it.images), (1, 1, it.images, 7))


def _rows(layer: LayerWriter, it: Search, of: _Kept) -> str:
    each = of.count * len(it.labels)
    table, place = (layer.op("Gather", of.selected, layer.integers(i), axis=1) for i in (0, 2))
    flat = layer.op("Add", layer.op("Mul", table, layer.vector([of.count])), place)
    marks = layer.reshape(marked(layer, flat, it.images * each), (it.images, each))
    if it.keep >= 0:
        marks = _best_of_all(layer, it, marks, layer.reshape(of.scores, (it.images, each)), each)
    where = layer.op("NonZero", marks)
    image, at = (layer.op("Gather", where, layer.integers(i), axis=0) for i in (0, 1))
    start = layer.op("Mul", image, layer.vector([each]))
    flat = layer.op("Add", start, at)
    label = layer.op("Gather", layer.numbers(it.labels), layer.op("Div", at, layer.vector([of.count])), axis=0)
    score = layer.op("Gather", layer.reshape(of.scores, (-1,)), flat, axis=0)
    corners = layer.op("Gather", layer.reshape(of.corners, (-1, 4)), flat, axis=0)
    columns = [column(layer, value) for value in (layer.to_float(image), label, score)]
    rows = layer.op("Concat", *columns, corners, axis=1)
    none = layer.op("Equal", layer.size(rows, 0), layer.integers([0]))
    stop = layer.op("Where", none, layer.vector([it.images]), layer.integers([0]))
    spare = layer.op("Slice", _no_rows(layer, it.images), layer.integers([0]), stop, layer.integers([0]))
    return layer.reshape(layer.op("Concat", rows, spare, axis=0), (1, 1, -1, 7))


def _best_of_all(layer: LayerWriter, it: Search, marks: str, scores: str, each: Dim) -> str:
    """The marks of the best boxes of all classes together: of equal ones, those of the first class."""
    is_marked = layer.op("Greater", marks, layer.numbers(0))
    left = layer.op("Where", is_marked, scores, layer.numbers(LOWEST))
    values, places, _ = best(layer, left, each, it.keep, axis=1)
    good = layer.to_float(layer.op("Greater", values, layer.numbers(LOWEST)))
    return layer.op("ScatterElements", layer.zeros([it.images, each]), places, good, axis=1)


def _no_rows(layer: LayerWriter, images: Dim) -> str:
    """What stands there if no image has a box: for each, its number and -1 six times."""
    minus = layer.op("Expand", layer.numbers([-1]), layer.vector([images, 6]))
    return layer.op("Concat", column(layer, layer.to_float(layer.count(images))), minus, axis=1)
