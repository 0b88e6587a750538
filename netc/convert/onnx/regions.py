"""Layers of detectors that work on regions: proposing them, pooling them, and boxes of what is said of them."""

from __future__ import annotations

from math import prod

import numpy as np

from netc.convert.onnx.found import Search, found, nothing_found
from netc.convert.onnx.runtime import Dim, Runtime
from netc.convert.onnx.suppression import best, part, suppressed
from netc.convert.onnx.writer import LayerWriter, Tops, Write, product
from netc.kernels.anchors import MOST_LOG
from netc.kernels.pooling import LOWEST
from netc.layer import LayerType
from netc.layers.proposal import PROPOSAL
from netc.layers.proposal import Geometry as ProposalGeometry
from netc.layers.psroi_pooling import PSROI_POOLING
from netc.layers.region_output import REGION_OUTPUT
from netc.layers.region_output import Geometry as OutputGeometry
from netc.layers.roi_pooling import ROI_POOLING

# ---------------------------------------------------------------- Proposal


def proposal(layer: LayerWriter) -> Tops:
    """Scores of equal regions stand in their own order here; the fork's quicksort leaves them in another."""
    p, g = layer.p, layer.setup.known(ProposalGeometry)
    count = len(g.anchors)
    rows, columns = layer.shape[2:]
    scores = layer.reshape(layer.x, (2, count, rows, columns))
    scores = layer.op("Transpose", layer.op("Gather", scores, layer.integers(1), axis=0), perm=[1, 2, 0])
    info = layer.reshape(layer.bottoms[2], (-1,))
    boxes = _boxes(layer, g, rows, columns, info)
    size = layer.plus(layer.op("Sub", part(layer, boxes, 1, 2, 4), part(layer, boxes, 1, 0, 2)), 1)
    small = layer.op("Less", size, _least(layer, info))
    either = layer.op("ReduceMax", layer.to_float(small), axes=[1], keepdims=0)
    flat = layer.reshape(scores, (-1,))
    flat = layer.op("Where", layer.op("Greater", either, layer.numbers(0)), layer.numbers(0), flat)
    total = product((rows, columns, count))
    values, places, kept = best(layer, flat, total, p.pre_nms_topn, axis=0)
    chosen = layer.op("Gather", boxes, places, axis=0)
    cells = layer.op("Add", chosen, layer.numbers([[0, 0, 1, 1]]))  # both corners belong to a box
    left = suppressed(
        layer,
        layer.reshape(cells, (1, kept, 4)),
        layer.reshape(values, (1, 1, kept)),
        p.nms_thresh,
        LOWEST,
        p.post_nms_topn,
    )
    index = layer.op("Gather", left, layer.integers(2), axis=1)
    corners = layer.op("Gather", chosen, index, axis=0)
    top = layer.op("Pad", corners, layer.integers([0, 1, 0, 0]), layer.numbers(0))  # the image: always 0
    return [top, layer.op("Gather", values, index, axis=0)][: len(layer.top_shapes)]


def _least(layer: LayerWriter, info: str) -> str:
    """The smallest width and height: min_size times the image's scale, or its scales of height and width."""
    scales = [2, 2] if prod(layer.bottom_shapes[2]) < 4 else [3, 2]
    return layer.times(layer.op("Gather", info, layer.integers(scales), axis=0), layer.p.min_size)


def _boxes(layer: LayerWriter, g: ProposalGeometry, rows: Dim, columns: Dim, info: str) -> str:
    """Every anchor at every cell, moved by its offsets and cut at the image; rows by cell, then anchor."""
    count = len(g.anchors)
    moves = layer.reshape(layer.bottoms[1], (count, 4, rows, columns))
    moves = layer.op("Transpose", moves, perm=[2, 3, 0, 1])
    size = g.anchors[:, 2:] - g.anchors[:, :2] + 1
    x, y = (layer.times(layer.to_float(layer.count(dim)), layer.p.feat_stride) for dim in (columns, rows))
    across = layer.op("Pad", layer.reshape(x, (1, columns, 1, 1)), layer.integers([0] * 7 + [1]), layer.numbers(0))
    down = layer.op(
        "Pad", layer.reshape(y, (rows, 1, 1, 1)), layer.integers([0, 0, 0, 1, 0, 0, 0, 0]), layer.numbers(0)
    )
    cells = layer.op("Add", across, down)
    anchors = layer.op("Add", cells, layer.numbers((g.anchors[:, :2] + size / 2).reshape(1, 1, count, 2)))
    sides = layer.numbers(size.reshape(1, 1, count, 2))
    centre = layer.op("Add", layer.op("Mul", part(layer, moves, 3, 0, 2), sides), anchors)
    half = layer.times(layer.op("Mul", layer.op("Exp", part(layer, moves, 3, 2, 4)), sides), 0.5)
    corners = layer.op("Concat", layer.op("Sub", centre, half), layer.op("Add", centre, half), axis=3)
    most = layer.plus(layer.op("Gather", info, layer.integers([1, 0, 1, 0]), axis=0), -1)
    cut = layer.op("Min", layer.reshape(corners, (-1, 4)), layer.op("Max", most, layer.numbers(0)))
    return layer.op("Max", cut, layer.numbers(0))


# ---------------------------------------------------------------- RegionOutput


def region_output(layer: LayerWriter) -> Tops:
    """Boxes in arithmetic, then found as SSD's are. How many regions there are is known only when the file runs."""
    p, g = layer.p, layer.setup.known(OutputGeometry)
    classes, rois = g.found.classes, layer.reshape(layer.x, (-1, 5))
    count, labels = Runtime(layer, lambda: layer.size(rois, 0), (rois, 0)), tuple(range(1, classes))
    it = Search(1, labels, count, False, -1, p.nms_threshold, p.confidence_threshold, p.keep_top_k)
    if not labels or p.keep_top_k == 0:
        return nothing_found(layer, it)
    moves = layer.op("Mul", layer.reshape(layer.bottoms[1], (-1, classes, 4)), layer.numbers(g.std))
    corners = _moved(layer, rois, part(layer, moves, 1, 1, classes))
    info = layer.reshape(layer.bottoms[3], (-1,))
    size = layer.op("Gather", info, layer.integers([1, 0, 1, 0]), axis=0)
    boxes = layer.op("Clip", layer.op("Div", corners, size), layer.numbers(0), layer.numbers(1))
    scores = part(layer, layer.reshape(layer.bottoms[2], (-1, classes)), 1, 1, classes)
    tables = layer.op("Transpose", boxes, perm=[1, 0, 2]), layer.op("Transpose", scores, perm=[1, 0])
    return found(layer, it, *(layer.op("Unsqueeze", table, layer.integers([0])) for table in tables))


def _moved(layer: LayerWriter, rois: str, moves: str) -> str:
    """Regions moved by offsets of each class (regions x classes x 4): corners, the last ones behind their boxes."""
    low, high = part(layer, rois, 1, 1, 3), part(layer, rois, 1, 3, 5)
    sides = layer.plus(layer.op("Sub", high, low), 1)
    centre = layer.op("Add", low, layer.times(sides, 0.5))
    sides, centre = (layer.op("Unsqueeze", value, layer.integers([1])) for value in (sides, centre))
    middle = layer.op("Add", centre, layer.op("Mul", part(layer, moves, 2, 0, 2), sides))
    logs = layer.op("Min", part(layer, moves, 2, 2, 4), layer.numbers(MOST_LOG))
    half = layer.times(layer.op("Mul", layer.op("Exp", logs), sides), 0.5)
    return layer.op("Concat", layer.op("Sub", middle, half), layer.op("Add", middle, half), axis=2)


# ---------------------------------------------------------------- pooling of regions


def roi_pooling(layer: LayerWriter) -> Tops:
    rois = layer.reshape(layer.bottoms[1], (-1, 5))
    size = [layer.p.pooled_h, layer.p.pooled_w]
    return layer.op("MaxRoiPool", layer.x, rois, pooled_shape=size, spatial_scale=layer.p.spatial_scale)


def psroi_pooling(layer: LayerWriter) -> Tops:
    """Sums over bins as products: rows that a bin holds, times the planes, times columns that it holds.

    Each row of bins is one product with the planes of its channels, for every image; a region then takes its own.
    """
    p, bins = layer.p, layer.p.group_size
    rois = layer.reshape(layer.bottoms[1], (-1, 5))
    images, _, height, width = layer.shape
    down, high = _bins(layer, rois, 2, height)
    across, wide = _bins(layer, rois, 1, width)
    planes = layer.reshape(layer.x, (images, p.output_dim, bins, bins, height, width))
    own = _own_image(layer, rois, images)
    rows = []
    for i in range(bins):
        mask = layer.op("Gather", down, layer.integers(i), axis=0)  # regions x height
        row = layer.op("Gather", planes, layer.integers(i), axis=2)  # images x outputs x bins x height x width
        lines = layer.op("MatMul", mask, row)  # images x outputs x bins x regions x width
        sums = layer.op("ReduceSum", layer.op("Mul", lines, across), layer.integers([4]), keepdims=0)
        if own is not None:
            sums = layer.op("Mul", sums, own)
        total = layer.op("ReduceSum", sums, layer.integers([0]), keepdims=0)  # outputs x bins x regions
        cells = layer.op("Mul", layer.op("Gather", high, layer.integers(i), axis=0), wide)  # bins x regions
        mean = layer.op("Div", total, layer.op("Max", cells, layer.numbers(1)))
        rows.append(layer.op("Unsqueeze", mean, layer.integers([1])))
    stacked = layer.op("Concat", *rows, axis=1) if bins > 1 else rows[0]  # outputs x bins x bins x regions
    return layer.op("Transpose", stacked, perm=[3, 0, 1, 2])


def _own_image(layer: LayerWriter, rois: str, images: Dim) -> str | None:
    """1 where a region is of an image: images x 1 x 1 x regions; None where there is one image."""
    if images == 1:
        return None
    numbers = layer.reshape(layer.to_float(layer.count(images)), (images, 1, 1, 1))
    column = layer.reshape(part(layer, rois, 1, 0, 1), (1, 1, 1, -1))
    return layer.to_float(layer.op("Equal", numbers, column))


def _bins(layer: LayerWriter, rois: str, first: int, cells: Dim) -> tuple[str, str]:
    """Along an axis: which cells each bin of each region holds (bins x regions x cells), and how many."""
    p, bins = layer.p, layer.p.group_size
    start = layer.times(_rounded(layer, part(layer, rois, 1, first, first + 1)), p.spatial_scale)
    corner = _rounded(layer, part(layer, rois, 1, first + 2, first + 3))
    stop = layer.times(layer.plus(corner, 1), p.spatial_scale)
    length = layer.op("Max", layer.op("Sub", stop, start), layer.numbers(np.float32(0.1)))
    size = layer.op("Div", length, layer.numbers(bins))
    start, size = (layer.reshape(value, (1, -1, 1)) for value in (start, size))
    most = layer.to_float(layer.vector([cells]))
    edges = []
    for at, rounding in ((np.arange(bins), "Floor"), (np.arange(1, bins + 1), "Ceil")):
        edge = layer.op("Add", layer.op("Mul", layer.numbers(at.reshape(bins, 1, 1)), size), start)
        whole = layer.op("Max", layer.op(rounding, edge), layer.numbers(0))
        edges.append(layer.op("Min", whole, most))
    places = layer.to_float(layer.count(cells))
    before = layer.op("Less", places, edges[0])
    inside = layer.op("And", layer.op("Not", before), layer.op("Less", places, edges[1]))
    count = layer.op("Max", layer.op("Sub", edges[1], edges[0]), layer.numbers(0))
    return layer.to_float(inside), layer.op("Squeeze", count, layer.integers([2]))


def _rounded(layer: LayerWriter, value: str) -> str:
    """The nearest whole number, halves away from zero."""
    size = layer.op("Floor", layer.plus(layer.op("Abs", value), 0.5))
    return layer.op("Mul", layer.op("Sign", value), size)


WRITERS: dict[LayerType, Write] = {
    PROPOSAL: proposal,
    REGION_OUTPUT: region_output,
    ROI_POOLING: roi_pooling,
    PSROI_POOLING: psroi_pooling,
}
