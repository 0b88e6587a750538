"""Layers that only move values: join, cut, reorder, repeat; and those whose tops depend on shapes alone."""

from __future__ import annotations

import numpy as np

from netc.convert.onnx.writer import LayerWriter, Tops, Write
from netc.kernels.geometry import Along, CropGeometry, PermuteGeometry
from netc.layer import Call, LayerType
from netc.layers.batch_reindex import BATCH_REINDEX
from netc.layers.concat import CONCAT
from netc.layers.crop import CROP
from netc.layers.dummy_data import DUMMY_DATA, DummyDataGeometry
from netc.layers.flatten import FLATTEN
from netc.layers.permute import PERMUTE
from netc.layers.prior_box import PRIOR_BOX
from netc.layers.reshape import RESHAPE
from netc.layers.silence import SILENCE
from netc.layers.slice import SLICE
from netc.layers.split import SPLIT
from netc.layers.tile import TILE


def concat(layer: LayerWriter) -> Tops:
    return layer.op("Concat", *layer.bottoms, axis=layer.setup.known(Along).axis) if len(layer.bottoms) > 1 else layer.x


def slice_(layer: LayerWriter) -> Tops:
    axis = layer.setup.known(Along).axis
    if len(layer.top_shapes) == 1:
        return layer.x
    sizes = layer.integers([shape[axis] for shape in layer.top_shapes])
    return layer.ops("Split", [layer.x, sizes], len(layer.top_shapes), axis=axis)


def reshape(layer: LayerWriter) -> Tops:
    return layer.reshape(layer.x, layer.top_shapes[0])


def crop(layer: LayerWriter) -> Tops:
    cut = [(axis, part) for axis, part in enumerate(layer.setup.known(CropGeometry).parts) if part.start is not None]
    axes, parts = [axis for axis, _ in cut], [part for _, part in cut]
    starts, stops = layer.integers([p.start for p in parts]), layer.integers([p.stop for p in parts])
    return layer.op("Slice", layer.x, starts, stops, layer.integers(axes))


def permute(layer: LayerWriter) -> Tops:
    return layer.op("Transpose", layer.x, perm=list(layer.setup.known(PermuteGeometry).order))


def tile(layer: LayerWriter) -> Tops:
    repeats = [1] * len(layer.shape)
    repeats[layer.axis(layer.p.axis)] = layer.p.tiles
    return layer.op("Tile", layer.x, layer.integers(repeats))


def split(layer: LayerWriter) -> Tops:
    return [layer.x] * len(layer.top_shapes)


def silence(layer: LayerWriter) -> Tops:
    return []


def batch_reindex(layer: LayerWriter) -> Tops:
    return layer.op("Gather", layer.x, layer.to_index(layer.bottoms[1]), axis=0)


def constant(layer: LayerWriter) -> Tops:
    """What the layer's own kernel gives, whatever its bottoms hold."""
    forward = layer.node.type.forward
    assert forward is not None
    bottoms = tuple(np.zeros(shape, np.float32) for shape in layer.bottom_shapes)
    tops = tuple(np.zeros(shape, np.float32) for shape in layer.top_shapes)
    forward(Call(layer.node.record, layer.p, layer.setup, "TEST", bottoms, tops))
    return [layer.op("Identity", layer.numbers(top, f"{layer.node.name}/value")) for top in tops]


def dummy_data(layer: LayerWriter) -> Tops:
    if not all(layer.setup.known(DummyDataGeometry).constant):
        layer.refuse("its tops are drawn anew in every iteration", "data_filler")
    return constant(layer)


WRITERS: dict[LayerType, Write] = {
    CONCAT: concat,
    SLICE: slice_,
    FLATTEN: reshape,
    RESHAPE: reshape,
    CROP: crop,
    PERMUTE: permute,
    TILE: tile,
    SPLIT: split,
    SILENCE: silence,
    BATCH_REINDEX: batch_reindex,
    PRIOR_BOX: constant,
    DUMMY_DATA: dummy_data,
}
