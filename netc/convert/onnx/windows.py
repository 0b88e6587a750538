"""Layers that slide windows over planes. Padding is always written out: Caffe's sizes are not ONNX's.

Pooling rounds its size up and cuts the last window; here the padding at the end is what the last window reaches over
the plane. AVE divides by cells that ONNX would count otherwise: where that is so, a constant factor for each window
puts it right.
"""

from __future__ import annotations

from math import prod

import numpy as np

from netc.convert.onnx.writer import LayerWriter, Tops, Write
from netc.kernels.gemm_convolution import ConvolutionGeometry
from netc.kernels.geometry import UpsampleGeometry
from netc.kernels.pooling import LOWEST, Planes
from netc.kernels.windows import Axis
from netc.layer import Array, LayerType
from netc.layers.convolution import CONVOLUTION, DEPTHWISE_CONVOLUTION
from netc.layers.deconvolution import DECONVOLUTION
from netc.layers.global_average_pooling import GLOBAL_AVERAGE_POOLING
from netc.layers.interp import INTERP, InterpGeometry
from netc.layers.pooling import POOLING
from netc.layers.roi_pooling import ROI_POOLING
from netc.layers.spp import SPP, SppGeometry
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
    window = {
        "kernel_shape": [a.kernel for a in axes] or [1],
        "strides": [a.stride for a in axes] or [1],
        "dilations": [a.dilation for a in axes] or [1],
        "pads": [a.before for a in axes] + [a.after for a in axes] or [0, 0],
        "group": g.groups,
    }
    params = [layer.param(0, weights if axes else (*weights, 1))]
    params += [layer.param(1)] if len(layer.params) > 1 else []
    tops = []
    for value, shape, top in zip(layer.bottoms, layer.bottom_shapes, layer.top_shapes, strict=True):
        at = len(shape) - len(axes) - 1
        plain = at == 1 and bool(axes)
        view = (prod(shape[:at]), *shape[at:], *(() if axes else (1,)))
        made = layer.op(type, value if plain else layer.reshape(value, view), *params, **window)
        tops.append(made if plain else layer.reshape(made, top))
    return tops


# ---------------------------------------------------------------- pooling


def pooling(layer: LayerWriter) -> Tops:
    if layer.p.pool == "STOCHASTIC":
        layer.refuse("ONNX has no stochastic pooling", "pool")
    planes = layer.setup.known(Planes)
    if layer.p.pool == "MAX":
        return _max(layer, planes, mask=len(layer.top_shapes) > 1)
    return average(layer, planes)


def spp(layer: LayerWriter) -> Tops:
    if layer.p.pool == "STOCHASTIC":
        layer.refuse("ONNX has no stochastic pooling", "pool")
    levels = layer.setup.known(SppGeometry).levels
    pooled = [_max(layer, level)[0] if layer.p.pool == "MAX" else average(layer, level) for level in levels]
    if len(levels) == 1:
        return pooled
    return layer.op("Concat", *(layer.op("Flatten", value, axis=1) for value in pooled), axis=1)


def reach(axis: Axis) -> int:
    """Cells that the last window reaches over the end of the plane (which ONNX wants padded)."""
    return max(0, (axis.out - 1) * axis.stride + axis.extent - axis.size - axis.before)


def _whole(planes: Planes) -> bool:
    return all(a.kernel == a.size and a.out == 1 and a.before == 0 for a in (planes.height, planes.width))


def _max(layer: LayerWriter, planes: Planes, mask: bool = False) -> list[str]:
    if _whole(planes) and not mask:
        return [layer.op("GlobalMaxPool", layer.x)]
    axes = (planes.height, planes.width)
    begin, end, value = [a.before for a in axes], [reach(a) for a in axes], layer.x
    if any(e >= a.kernel for e, a in zip(end, axes, strict=True)):  # more than ONNX's pools take
        if mask:
            layer.refuse("ONNX has no mask for windows that reach a whole kernel over the plane", "stride", "pad")
        sizes = layer.integers([0, 0, *begin, 0, 0, *end])
        value, begin, end = layer.op("Pad", value, sizes, layer.numbers(LOWEST)), [0, 0], [0, 0]
    window = {
        "kernel_shape": [a.kernel for a in axes],
        "strides": [a.stride for a in axes],
        "dilations": [a.dilation for a in axes],
        "pads": begin + end,
    }
    if not mask:
        return [layer.op("MaxPool", value, **window)]
    top, index = layer.ops("MaxPool", [value], 2, **window)
    cells = planes.height.size * planes.width.size
    return [top, layer.to_float(layer.op("Mod", index, layer.integers(cells)))]


def average(layer: LayerWriter, planes: Planes) -> str:
    if _whole(planes):
        return layer.op("GlobalAveragePool", layer.x)
    axes = (planes.height, planes.width)
    window = {
        "kernel_shape": [a.kernel for a in axes],
        "strides": [a.stride for a in axes],
        "pads": [a.before for a in axes] + [reach(a) for a in axes],
    }
    area = planes.height.kernel * planes.width.kernel
    counts: Array = planes.rows[:, 3, None] * planes.columns[None, :, 3]
    if all(a.dilation == 1 and reach(a) < a.kernel for a in axes):
        made = layer.op("AveragePool", layer.x, count_include_pad=1, **window)
    else:  # ONNX's averages have no dilation before version 19, and refuse such pads: each channel convolved by itself
        channels = layer.shape[1]
        ones = layer.numbers(np.full((channels, 1, *window["kernel_shape"]), 1 / area))
        dilations = [a.dilation for a in axes]
        made = layer.op("Conv", layer.x, ones, group=channels, dilations=dilations, **window)
    factor = area / np.maximum(counts, 1)
    return made if np.all(factor == 1) else layer.op("Mul", made, layer.numbers(factor))


def global_average(layer: LayerWriter) -> Tops:
    return layer.op("GlobalAveragePool", layer.x)


def roi_pooling(layer: LayerWriter) -> Tops:
    rois = layer.reshape(layer.bottoms[1], (layer.bottom_shapes[1][0], 5))
    size = [layer.p.pooled_h, layer.p.pooled_w]
    return layer.op("MaxRoiPool", layer.x, rois, pooled_shape=size, spatial_scale=layer.p.spatial_scale)


# ---------------------------------------------------------------- other sizes


def upsample(layer: LayerWriter) -> Tops:
    g = layer.setup.known(UpsampleGeometry)
    if len(layer.bottoms) == 1:
        scales = layer.numbers([1, 1, *g.scale])
        how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        return layer.op("Resize", layer.x, "", scales, **how)
    num, channels, height, width = layer.top_shapes[0]
    flat = (num, channels, -1)
    index = layer.to_index(layer.reshape(layer.bottoms[1], flat))
    zeros = layer.op("ConstantOfShape", layer.integers([num, channels, height * width]))
    made = layer.op("ScatterElements", zeros, index, layer.reshape(layer.x, flat), axis=2)
    return layer.reshape(made, layer.top_shapes[0])


def interp(layer: LayerWriter) -> Tops:
    """Rows times the bottom times columns: each line of the top is a weighted mean of two of the bottom's."""
    g = layer.setup.known(InterpGeometry)
    rows, columns = (_blend(a.size, a.first, a.weight) for a in (g.rows, g.columns))
    return layer.op("MatMul", layer.op("MatMul", layer.numbers(rows), layer.x), layer.numbers(columns.T))


def _blend(size: int, first: Array, weight: Array) -> Array:
    matrix = np.zeros((len(weight), size))
    lines = np.arange(len(weight))
    np.add.at(matrix, (lines, first), 1 - weight)
    np.add.at(matrix, (lines, np.minimum(first + 1, size - 1)), weight)
    return matrix


WRITERS: dict[LayerType, Write] = {
    CONVOLUTION: convolution,
    DEPTHWISE_CONVOLUTION: convolution,
    DECONVOLUTION: deconvolution,
    POOLING: pooling,
    SPP: spp,
    GLOBAL_AVERAGE_POOLING: global_average,
    ROI_POOLING: roi_pooling,
    UPSAMPLE: upsample,
    INTERP: interp,
}
