"""What detectors share: suppressing boxes that overlap a better one, and rows of a flat table."""

from __future__ import annotations

from netc.convert.onnx.runtime import Dim, smallest
from netc.convert.onnx.writer import LayerWriter
from netc.kernels.pooling import LOWEST

MANY = 2**31 - 1


def part(layer: LayerWriter, value: str, axis: int, start: int, stop: int) -> str:
    """The elements start..stop-1 along an axis."""
    return layer.op("Slice", value, layer.integers([start]), layer.integers([stop]), layer.integers([axis]))


def best(layer: LayerWriter, scores: str, count: Dim, most: int, axis: int) -> tuple[str, str, Dim]:
    """Scores by falling size (equal ones in their order), their places, and how many: at most `most`, -1 for all."""
    kept = count if most < 0 else smallest(count, most)
    values, places = layer.ops("TopK", [scores, layer.vector([kept])], 2, axis=axis)
    return values, places, kept


def suppressed(layer: LayerWriter, boxes: str, scores: str, threshold: float, least: float, most: int = MANY) -> str:
    """Which boxes are kept, as rows (table, class, box): of each table, in the order of their scores.

    boxes: tables x boxes x 4; scores: tables x 1 x boxes, of which those above `least` count. A box whose end is before
    its start overlaps nothing, as in the forks; ONNX would exchange its corners, so here it has no area.
    """
    starts, ends = part(layer, boxes, 2, 0, 2), part(layer, boxes, 2, 2, 4)
    upright = layer.op("Concat", starts, layer.op("Max", starts, ends), axis=2)
    limits = layer.numbers([min(threshold, 1.0)]), layer.numbers([max(least, LOWEST)])
    return layer.op("NonMaxSuppression", upright, scores, layer.integers([most]), *limits)


def marked(layer: LayerWriter, places: str, count: Dim) -> str:
    """A row of so many zeros, with ones at these places (int64)."""
    ones = layer.op("Expand", layer.numbers([1]), layer.size_of(places))
    return layer.op("ScatterElements", layer.zeros([count]), places, ones, axis=0)


def column(layer: LayerWriter, value: str) -> str:
    """A row of numbers as a column of floats."""
    return layer.op("Unsqueeze", value, layer.integers([1]))


def offsets(layer: LayerWriter, tables: Dim, size: Dim, rank: int) -> str | None:
    """Where each of several tables of `size` rows begins, with ones behind up to this rank; None if there is one."""
    if tables == 1:
        return None
    starts = layer.op("Mul", layer.count(tables), layer.vector([size]))
    return layer.op("Unsqueeze", starts, layer.integers(list(range(1, rank)))) if rank > 1 else starts


def moved(layer: LayerWriter, places: str, start: str | None) -> str:
    """Places within tables as places in the flat table."""
    return places if start is None else layer.op("Add", places, start)
