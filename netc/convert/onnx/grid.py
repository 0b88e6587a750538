"""Boxes of maps of predictions (YOLO v2 and v3), in arithmetic, then found as SSD's are."""

from __future__ import annotations

from netc.convert.onnx.found import Search, found, nothing_found
from netc.convert.onnx.runtime import Dim
from netc.convert.onnx.suppression import part
from netc.convert.onnx.writer import LayerWriter, Tops, Write
from netc.kernels.grid import MOST_LOG, GridMap
from netc.layer import Array, LayerType
from netc.layers.grid_output import GRID_OUTPUT, Geometry

VALUES = 2  # the axis of a prediction's values: images x anchors x (5 + classes) x rows x columns


def grid_output(layer: LayerWriter) -> Tops:
    p, maps = layer.p, layer.setup.known(Geometry).maps
    images, labels = layer.shape[0], tuple(range(1, p.classes + 1))
    counts = [len(g.own) * layer.dims(i)[2] * layer.dims(i)[3] for i, g in enumerate(maps)]
    total: Dim = sum(counts[1:], start=counts[0])
    it = Search(images, labels, total, True, -1, p.nms_threshold, p.confidence_threshold, p.keep_top_k)
    if p.keep_top_k == 0:
        return nothing_found(layer, it)
    parts = [_predictions(layer, index, grid) for index, grid in enumerate(maps)]
    boxes, scores = ([pair[i] for pair in parts] for i in (0, 1))
    if len(parts) == 1:
        return found(layer, it, boxes[0], scores[0])
    return found(layer, it, layer.op("Concat", *boxes, axis=1), layer.op("Concat", *scores, axis=2))


def _predictions(layer: LayerWriter, bottom: int, grid: GridMap) -> tuple[str, str]:
    """Of one map: images x boxes x 4 corners, and images x classes x boxes confidences; by anchor, then cell."""
    (images, _, rows, columns), anchors = layer.dims(bottom), len(grid.own)
    values = layer.reshape(layer.bottoms[bottom], (images, anchors, 5 + grid.classes, rows, columns))
    across, along = (
        _axis(layer, values, index, count, grid.sizes[:, index]) for index, count in ((0, columns), (1, rows))
    )
    corners = layer.op("Concat", across[0], along[0], across[1], along[1], axis=VALUES)
    cut = layer.op("Clip", corners, layer.numbers(0), layer.numbers(1))
    boxes = layer.reshape(layer.op("Transpose", cut, perm=[0, 1, 3, 4, 2]), (images, -1, 4))
    scores = part(layer, values, VALUES, 5, 5 + grid.classes)
    shares = layer.op("Softmax", scores, axis=VALUES) if layer.p.score == "SOFTMAX" else layer.op("Sigmoid", scores)
    sure = layer.op("Mul", layer.op("Sigmoid", part(layer, values, VALUES, 4, 5)), shares)
    flat = layer.reshape(layer.op("Transpose", sure, perm=[0, 2, 1, 3, 4]), (images, grid.classes, -1))
    return boxes, flat


def _axis(layer: LayerWriter, values: str, index: int, count: Dim, sizes: Array) -> tuple[str, str]:
    """Where boxes begin and end along an axis (0: x, 1: y) of so many cells; sizes: of the anchors, in cells."""
    view: tuple[Dim, ...] = (1, 1, 1, 1, count) if index == 0 else (1, 1, 1, count, 1)
    cells = layer.reshape(layer.to_float(layer.count(count)), view)
    whole = layer.to_float(layer.vector([count]))
    place = layer.op("Sigmoid", part(layer, values, VALUES, index, index + 1))
    centre = layer.op("Div", layer.op("Add", cells, place), whole)
    logs = layer.op("Min", part(layer, values, VALUES, index + 2, index + 3), layer.numbers(MOST_LOG))
    size = layer.op("Mul", layer.op("Exp", logs), layer.numbers(sizes.reshape(1, -1, 1, 1, 1)))
    half = layer.op("Div", size, layer.times(whole, 2))
    return layer.op("Sub", centre, half), layer.op("Add", centre, half)


WRITERS: dict[LayerType, Write] = {
    GRID_OUTPUT: grid_output,
}
