"""Layers that slide windows over planes, and those that give planes another size."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from netc.convert.onnx.runtime import Dim
from netc.convert.onnx.writer import LayerWriter, Tops, Write, product
from netc.kernels.gemm_convolution import ConvolutionGeometry
from netc.kernels.geometry import UpsampleGeometry
from netc.kernels.windows import Axis
from netc.layer import Array, LayerType
from netc.layers.convolution import CONVOLUTION, DEPTHWISE_CONVOLUTION
from netc.layers.deconvolution import DECONVOLUTION
from netc.layers.im2col import IM2COL
from netc.layers.im2col import Geometry as Im2colGeometry
from netc.layers.interp import INTERP, InterpGeometry
from netc.layers.upsample import UPSAMPLE


def convolution(layer: LayerWriter) -> Tops:
    return _convolutions(layer, "Conv")


def deconvolution(layer: LayerWriter) -> Tops:
    return _convolutions(layer, "ConvTranspose")


def _convolutions(layer: LayerWriter, type: str) -> Tops:
    """Each bottom with the same weights; axes before the channels are one batch, no spatial axes one of a cell."""
    g = layer.setup.known(ConvolutionGeometry)
    axes = g.columns.axes
    weights = layer.params[0].shape
    window = _window(layer, axes) | {"group": g.groups}
    params = [layer.param(0, weights if axes else (*weights, 1))]
    params += [layer.param(1)] if len(layer.params) > 1 else []
    tops = []
    for index, value in enumerate(layer.bottoms):
        dims = layer.dims(index)
        at = len(dims) - len(axes) - 1
        if at == 1 and axes:
            tops.append(layer.op(type, value, *params, **window))
            continue
        view = (product(dims[:at]), *dims[at:], *(() if axes else (1,)))
        tops.append(layer.reshape(layer.op(type, layer.reshape(value, view), *params, **window), layer.top_dims(index)))
    return tops


def _window(layer: LayerWriter, axes: Sequence[Axis]) -> dict[str, Any]:
    window: dict[str, Any] = {
        "kernel_shape": [a.kernel for a in axes] or [1],
        "strides": [a.stride for a in axes] or [1],
        "dilations": [a.dilation for a in axes] or [1],
    }
    spatial = range(len(layer.bottom_shapes[0]) - len(axes), len(layer.bottom_shapes[0]))
    if layer.p.padding == "SAME" and any(layer.is_free(axis) for axis in spatial):
        return window | {"auto_pad": "SAME_UPPER"}
    return window | {"pads": [a.before for a in axes] + [max(a.after, _beyond(a)) for a in axes] or [0, 0]}


def _beyond(axis: Axis) -> int:
    """Cells that the last window of a convolution sees behind the plane: more than are padded under a large kernel."""
    return (axis.out - 1) * axis.stride + axis.extent - axis.size - axis.before


def im2col(layer: LayerWriter) -> Tops:
    """Each channel's window cells as channels, by a convolution with one 1 in each kernel."""
    axes = layer.setup.known(Im2colGeometry).columns.axes
    kernel, at = [a.kernel for a in axes], len(layer.shape) - len(axes) - 1
    channels, area = layer.bottom_shapes[0][at], prod(kernel)
    picks = np.tile(np.eye(area).reshape(area, 1, *kernel), (channels, *(1,) * (len(kernel) + 1)))
    cells = layer.numbers(picks, f"{layer.node.name}/cells")
    images = layer.x if at == 1 else layer.reshape(layer.x, (product(layer.shape[:at]), *layer.shape[at:]))
    made = layer.op("Conv", images, cells, group=channels, **_window(layer, axes))
    return made if at == 1 else layer.reshape(made, layer.top_dims())


# ---------------------------------------------------------------- other sizes


def upsample(layer: LayerWriter) -> Tops:
    g, p = layer.setup.known(UpsampleGeometry), layer.p
    if len(layer.bottoms) == 1:
        scales = layer.numbers([1, 1, *g.scale])
        how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        return layer.op("Resize", layer.x, "", scales, **how)
    num, channels, height, width = layer.shape
    if p.has("upsample_h"):
        height, width = g.top_height, g.top_width
    else:
        height, width = height * g.scale[0] - int(p.pad_out_h), width * g.scale[1] - int(p.pad_out_w)
    cells = height * width
    flat = (num, channels, product(layer.shape[2:]))
    values, mask = (layer.reshape(value, flat) for value in layer.bottoms)
    index = layer.to_index(mask)
    passed = layer.op("Less", index, layer.integers(0))  # -1: an empty window; it is put behind the plane
    index = layer.op("Where", passed, layer.vector([cells]), index)
    zeros = layer.op("ConstantOfShape", layer.vector([num, channels, cells + 1]))
    made = layer.op("ScatterElements", zeros, index, values, axis=2)
    plane = layer.op("Slice", made, layer.integers([0]), layer.integers([-1]), layer.integers([2]))
    return layer.reshape(plane, (num, channels, height, width))


def interp(layer: LayerWriter) -> Tops:
    """Rows times the bottom times columns: each line of the top is a weighted mean of two of the bottom's."""
    g = layer.setup.known(InterpGeometry)
    if layer.is_free(2, 3) or (len(layer.bottoms) > 1 and layer.is_free(2, 3, bottom=1)):
        value = layer.x
        for axis in (2, 3):
            value = _free_lines(layer, value, axis)
        return value
    rows, columns = (_blend(a.size, a.first, a.weight) for a in (g.rows, g.columns))
    return layer.op("MatMul", layer.op("MatMul", layer.numbers(rows), layer.x), layer.numbers(columns.T))


def _blend(size: int, first: Array, weight: Array) -> Array:
    matrix = np.zeros((len(weight), size))
    lines = np.arange(len(weight))
    np.add.at(matrix, (lines, first), 1 - weight)
    np.add.at(matrix, (lines, np.minimum(first + 1, size - 1)), weight)
    return matrix


def _free_lines(layer: LayerWriter, value: str, axis: int) -> str:
    """Each line of the top along an axis as a weighted mean of two, for sizes that are known when the file runs."""
    p = layer.p
    inside = layer.shape[axis] + (p.pad_beg + p.pad_end)
    out = _interp_size(layer, axis, inside)
    steps = layer.to_float(layer.vector([inside - 1]))
    spaces = layer.to_float(layer.op("Max", layer.vector([out - 1]), layer.integers([1])))
    at = layer.op("Mul", layer.op("Div", steps, spaces), layer.to_float(layer.count(out)))
    last = layer.vector([inside - 1])
    first = layer.op("Min", layer.to_index(at), last)
    second = layer.op("Min", layer.op("Add", first, layer.integers([1])), last)
    weight = layer.op("Sub", at, layer.to_float(first))
    column = layer.integers([1]) if axis == 2 else None
    weight = layer.op("Unsqueeze", weight, column) if column else weight
    lines = []
    for index in (first, second):
        cell = layer.op("Add", index, layer.integers([-p.pad_beg])) if p.pad_beg else index
        lines.append(layer.op("Gather", value, cell, axis=axis))
    rest = layer.op("Sub", layer.numbers(1), weight)
    return layer.op("Add", layer.op("Mul", lines[0], rest), layer.op("Mul", lines[1], weight))


def _interp_size(layer: LayerWriter, axis: int, inside: Dim) -> Dim:
    p = layer.p
    if len(layer.bottoms) > 1:
        return layer.dims(1)[axis]
    if p.has("height") and p.has("width") and p.has("zoom_factor") == p.has("shrink_factor"):
        return int(p.height if axis == 2 else p.width)
    shrunk = (inside - 1) // int(p.shrink_factor) + 1
    return shrunk + (shrunk - 1) * int(p.zoom_factor - 1)


WRITERS: dict[LayerType, Write] = {
    CONVOLUTION: convolution,
    DEPTHWISE_CONVOLUTION: convolution,
    DECONVOLUTION: deconvolution,
    IM2COL: im2col,
    UPSAMPLE: upsample,
    INTERP: interp,
}
