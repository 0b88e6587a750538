"""Layers that only move values: join, cut, reorder, repeat, choose; and those whose tops are constant."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from netc.convert.onnx.runtime import Dim
from netc.convert.onnx.writer import LayerWriter, Tops, Write, product
from netc.kernels.geometry import Along, CropGeometry, PermuteGeometry
from netc.layer import Call, LayerType
from netc.layers.batch_reindex import BATCH_REINDEX
from netc.layers.concat import CONCAT
from netc.layers.crop import CROP
from netc.layers.crop_center import CROP_CENTER
from netc.layers.dummy_data import DUMMY_DATA, DummyDataGeometry
from netc.layers.filter import FILTER
from netc.layers.flatten import FLATTEN
from netc.layers.one_hot import ONE_HOT
from netc.layers.permute import PERMUTE
from netc.layers.reshape import RESHAPE
from netc.layers.reverse_gradient import REVERSE_GRADIENT
from netc.layers.silence import SILENCE
from netc.layers.slice import SLICE
from netc.layers.split import SPLIT
from netc.layers.stop_gradient import STOP_GRADIENT
from netc.layers.tile import TILE


def concat(layer: LayerWriter) -> Tops:
    return layer.op("Concat", *layer.bottoms, axis=layer.setup.known(Along).axis) if len(layer.bottoms) > 1 else layer.x


def slice_(layer: LayerWriter) -> Tops:
    axis, count = layer.setup.known(Along).axis, len(layer.top_shapes)
    if count == 1:
        return layer.x
    sizes: list[Dim] = [shape[axis] for shape in layer.top_shapes]
    if layer.is_free(axis):
        points = [0, *layer.p.slice_point]
        whole = layer.shape[axis]
        ends = [b - a for a, b in pairwise(points)]
        sizes = [*ends, whole - points[-1]] if layer.p.slice_point else [whole // count] * count
    return layer.ops("Split", [layer.x, layer.vector(sizes)], count, axis=axis)


def reshape(layer: LayerWriter) -> Tops:
    return layer.reshape(layer.x, layer.top_dims())


def flatten(layer: LayerWriter) -> Tops:
    dims, axis = layer.shape, layer.axis(layer.p.axis)
    end = layer.axis(layer.p.end_axis) + 1 if dims else 0
    return layer.reshape(layer.x, (*dims[:axis], product(dims[axis:end]), *dims[end:]))


def crop(layer: LayerWriter) -> Tops:
    """The top is as large as the second bottom."""
    cut = [(axis, part) for axis, part in enumerate(layer.setup.known(CropGeometry).parts) if part.start is not None]
    axes, starts = [axis for axis, _ in cut], [int(part.start) for _, part in cut]
    stops = [start + layer.dims(1)[axis] for axis, start in zip(axes, starts, strict=True)]
    return layer.op("Slice", layer.x, layer.integers(starts), layer.vector(stops), layer.integers(axes))


def crop_center(layer: LayerWriter) -> Tops:
    axes = [axis for axis, size in enumerate(layer.p.crop_size) if size]
    if not axes:
        return layer.x
    sizes = [int(layer.p.crop_size[axis]) for axis in axes]
    stops = layer.integers([-size for size in sizes])
    return layer.op("Slice", layer.x, layer.integers(sizes), stops, layer.integers(axes))


def permute(layer: LayerWriter) -> Tops:
    return layer.op("Transpose", layer.x, perm=list(layer.setup.known(PermuteGeometry).order))


def tile(layer: LayerWriter) -> Tops:
    repeats = [1] * len(layer.shape)
    repeats[layer.axis(layer.p.axis)] = layer.p.tiles
    return layer.op("Tile", layer.x, layer.integers(repeats))


def split(layer: LayerWriter) -> Tops:
    return [layer.x] * len(layer.top_shapes)


def unchanged(layer: LayerWriter) -> Tops:
    """What is something of its own in training only."""
    return layer.x


def one_hot(layer: LayerWriter) -> Tops:
    axis, count = layer.setup.known(Along).axis, layer.p.num_classes
    classes = np.arange(count).reshape(-1, *(1,) * (len(layer.top_shapes[0]) - 1 - axis))
    values = layer.op("Unsqueeze", layer.to_index(layer.x), layer.integers([axis]))
    return layer.to_float(layer.op("Equal", values, layer.writer.array(classes, "classes")))


def silence(layer: LayerWriter) -> Tops:
    return []


def batch_reindex(layer: LayerWriter) -> Tops:
    return layer.op("Gather", layer.x, layer.to_index(layer.reshape(layer.bottoms[1], (-1,))), axis=0)


def filter_(layer: LayerWriter) -> Tops:
    """The items whose selector, the last bottom, is not 0."""
    selector = layer.reshape(layer.bottoms[-1], (-1,))
    chosen = layer.op("Not", layer.op("Equal", selector, layer.numbers(0)))
    return [layer.op("Compress", items, chosen, axis=0) for items in layer.bottoms[:-1]]


def dummy_data(layer: LayerWriter) -> Tops:
    """What the layer's own kernel gives."""
    if not all(layer.setup.known(DummyDataGeometry).constant):
        layer.refuse("its tops are drawn anew in every iteration", "data_filler")
    forward = layer.node.type.forward
    assert forward is not None
    tops = tuple(np.zeros(shape, np.float32) for shape in layer.top_shapes)
    forward(Call(layer.node.record, layer.p, layer.setup, "TEST", (), tops))
    return [layer.op("Identity", layer.numbers(top, f"{layer.node.name}/value")) for top in tops]


WRITERS: dict[LayerType, Write] = {
    CONCAT: concat,
    SLICE: slice_,
    FLATTEN: flatten,
    RESHAPE: reshape,
    CROP: crop,
    CROP_CENTER: crop_center,
    PERMUTE: permute,
    TILE: tile,
    SPLIT: split,
    STOP_GRADIENT: unchanged,
    REVERSE_GRADIENT: unchanged,
    ONE_HOT: one_hot,
    SILENCE: silence,
    BATCH_REINDEX: batch_reindex,
    FILTER: filter_,
    DUMMY_DATA: dummy_data,
}
