"""Pooling of planes. Padding is always written out: Caffe's sizes are not ONNX's.

Pooling rounds its size up and cuts the last window; here the padding at the end is what the last window reaches over
the plane. AVE divides by cells that ONNX would count otherwise: where that is so, a constant factor for each window
puts it right. Where a plane's size is free, both are worked out when the file runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from netc.convert.onnx.runtime import Dim, largest, rounded_up, smallest
from netc.convert.onnx.writer import LayerWriter, Tops, Write
from netc.kernels.pooling import LOWEST, Planes
from netc.kernels.windows import Axis
from netc.layer import Array, LayerType
from netc.layers.global_average_pooling import GLOBAL_AVERAGE_POOLING
from netc.layers.pooling import POOLING
from netc.layers.spp import SPP, SppGeometry


def pooling(layer: LayerWriter) -> Tops:
    planes = layer.setup.known(Planes)
    if layer.p.pool == "STOCHASTIC":
        return _weighted(layer, planes)
    if layer.is_free(2, 3) and not layer.p.global_pooling:
        return _free(layer, planes)
    if layer.p.pool == "MAX":
        return _max(layer, planes, mask=len(layer.top_shapes) > 1)
    return average(layer, planes)


def spp(layer: LayerWriter) -> Tops:
    layer.known_sizes(2, 3)
    levels = layer.setup.known(SppGeometry).levels
    pool = {"MAX": lambda level: _max(layer, level)[0], "AVE": lambda level: average(layer, level)}
    pooled = [pool.get(layer.p.pool, lambda level: _weighted(layer, level))(level) for level in levels]
    if len(levels) == 1:
        return pooled
    return layer.op("Concat", *(layer.op("Flatten", value, axis=1) for value in pooled), axis=1)


def global_average(layer: LayerWriter) -> Tops:
    return layer.op("GlobalAveragePool", layer.x)


def reach(axis: Axis) -> int:
    """Cells that the last window reaches over the end of the plane (which ONNX wants padded)."""
    return max(0, (axis.out - 1) * axis.stride + axis.extent - axis.size - axis.before)


def _whole(layer: LayerWriter, planes: Planes) -> bool:
    axes = (planes.height, planes.width)
    whole = all(a.kernel == a.size and a.out == 1 and a.before == 0 and a.dilation == 1 for a in axes)
    return whole and (layer.p.has("global_pooling") or not layer.is_free(2, 3))


# ---------------------------------------------------------------- planes of a size that is known


def _max(layer: LayerWriter, planes: Planes, mask: bool = False) -> list[str]:
    if _whole(layer, planes) and not mask:
        return [layer.op("GlobalMaxPool", layer.x)]
    if _whole(layer, planes):
        layer.known_sizes(2, 3)
    axes = (planes.height, planes.width)
    begin, end, value = [a.before for a in axes], [reach(a) for a in axes], layer.x
    if any(e >= a.kernel for e, a in zip(end, axes, strict=True)):  # more than ONNX's pools take
        sizes = layer.integers([0, 0, *begin, 0, 0, *end])
        value = layer.op("Pad", value, sizes, layer.numbers(LOWEST))
        if mask:
            return _padded_mask(layer, value, [_Windows(a, a.size, a.out, e) for a, e in zip(axes, end, strict=True)])
        begin, end = [0, 0], [0, 0]
    window = _window(axes) | {"pads": begin + end}
    if not mask:
        return [layer.op("MaxPool", value, **window)]
    top, index = layer.ops("MaxPool", [value], 2, **window)
    cells = planes.height.size * planes.width.size
    return [top, layer.to_float(layer.op("Mod", index, layer.integers(cells)))]


def _window(axes: tuple[Axis, Axis]) -> dict[str, Any]:
    return {
        "kernel_shape": [a.kernel for a in axes],
        "strides": [a.stride for a in axes],
        "dilations": [a.dilation for a in axes],
    }


def average(layer: LayerWriter, planes: Planes) -> str:
    if _whole(layer, planes):
        return layer.op("GlobalAveragePool", layer.x)
    axes = (planes.height, planes.width)
    counts: Array = planes.rows[:, 3, None] * planes.columns[None, :, 3]
    made = _mean(layer, layer.x, axes, [a.before for a in axes] + [reach(a) for a in axes])
    factor = axes[0].kernel * axes[1].kernel / np.maximum(counts, 1)
    return made if np.all(factor == 1) else layer.op("Mul", made, layer.numbers(factor))


def _mean(layer: LayerWriter, value: str, axes: tuple[Axis, Axis], pads: list[int]) -> str:
    """The sum of each window's cells by the kernel's area; padded cells are 0."""
    window = _window(axes) | {"pads": pads}
    if all(a.dilation == 1 and max(p, q) < a.kernel for a, p, q in zip(axes, pads, pads[2:], strict=False)):
        del window["dilations"]
        return layer.op("AveragePool", value, count_include_pad=1, **window)
    # ONNX's averages have no dilation before version 19, and refuse such pads: each channel convolved by itself
    channels, area = layer.bottom_shapes[0][1], axes[0].kernel * axes[1].kernel
    ones = layer.numbers(np.full((channels, 1, *window["kernel_shape"]), 1 / area))
    return layer.op("Conv", value, ones, group=channels, **window)


def _weighted(layer: LayerWriter, planes: Planes) -> str:
    """STOCHASTIC in testing: the sum of squares over the sum, 0 where that is 0."""
    layer.known_sizes(2, 3)
    axes = (planes.height, planes.width)
    pads = [0, 0, *map(reach, axes)]
    means = [_mean(layer, value, axes, pads) for value in (layer.op("Mul", layer.x, layer.x), layer.x)]
    empty = layer.op("Equal", means[1], layer.numbers(0))
    return layer.op("Where", empty, layer.numbers(0), layer.op("Div", *means))


# ---------------------------------------------------------------- planes of a size that is free


@dataclass(frozen=True)
class _Windows:
    """Windows along an axis: its size, how many there are, and by how many cells the last reaches over the end."""

    axis: Axis
    size: Dim
    out: Dim
    beyond: Dim

    @staticmethod
    def of(layer: LayerWriter, axis: Axis, size: Dim, any_pad: bool) -> _Windows:
        pad = axis.before
        room = size + (2 * pad - axis.extent)
        windows = room // axis.stride if layer.p.round_mode == "FLOOR" else rounded_up(room, axis.stride)
        out = windows + 1
        if any_pad:  # a last window that starts beyond the image and its leading pad is dropped
            out = smallest(out, (size + pad - 1) // axis.stride + 1)
        end = (out - 1) * axis.stride + axis.extent
        return _Windows(axis, size, out, largest(end - (size + pad), 0))


def _free(layer: LayerWriter, planes: Planes) -> Tops:
    p, axes = layer.p, (planes.height, planes.width)
    if p.padding != "EXPLICIT":
        return _tensorflow(layer, axes)
    any_pad = any(a.before for a in axes)
    free = [_Windows.of(layer, a, layer.shape[i + 2], any_pad) for i, a in enumerate(axes)]
    before = [a.before for a in axes]
    pads = layer.vector([0, 0, *before, 0, 0, *(f.beyond for f in free)])
    if p.pool == "AVE":
        padded = layer.op("Pad", layer.x, pads, layer.numbers(0))
        made = _mean(layer, padded, axes, [0, 0, 0, 0])
        rows, columns = (_counted(layer, f) for f in free)
        area = axes[0].kernel * axes[1].kernel
        factor = layer.op(
            "Div", layer.numbers(area), layer.op("Mul", layer.op("Unsqueeze", rows, layer.integers([1])), columns)
        )
        return layer.op("Mul", made, factor)
    padded = layer.op("Pad", layer.x, pads, layer.numbers(LOWEST))
    if len(layer.top_shapes) == 1:
        return layer.op("MaxPool", padded, **_window(axes))
    return _padded_mask(layer, padded, free)


def _counted(layer: LayerWriter, f: _Windows) -> str:
    """By how many cells each window's sum is divided: those before the end of the padded axis, at least one."""
    a = f.axis
    start = layer.op("Mul", layer.count(f.out), layer.integers([a.stride]))
    room = layer.op("Sub", layer.vector([f.size + 2 * a.before]), start)
    cells = layer.op("Div", layer.op("Add", room, layer.integers([a.dilation - 1])), layer.integers([a.dilation]))
    kept = layer.op("Max", layer.op("Min", cells, layer.integers([a.kernel])), layer.integers([1]))
    return layer.to_float(kept)


def _padded_mask(layer: LayerWriter, padded: str, free: list[_Windows]) -> list[str]:
    """Maxima of padded planes, and the chosen cell's index in the plane itself; -1 for a window without any."""
    rows, columns = free
    top, index = layer.ops("MaxPool", [padded], 2, **_window((rows.axis, columns.axis)))
    wide = columns.size + columns.axis.before + columns.beyond
    high = rows.size + rows.axis.before + rows.beyond
    cell = layer.op("Mod", index, layer.vector([high * wide]))
    row = layer.op("Sub", layer.op("Div", cell, layer.vector([wide])), layer.integers([rows.axis.before]))
    column = layer.op("Sub", layer.op("Mod", cell, layer.vector([wide])), layer.integers([columns.axis.before]))
    at = layer.op("Add", layer.op("Mul", row, layer.vector([columns.size])), column)
    empty = layer.op("Equal", top, layer.numbers(LOWEST))
    return [top, layer.op("Where", empty, layer.numbers(-1), layer.to_float(at))]


def _tensorflow(layer: LayerWriter, axes: tuple[Axis, Axis]) -> Tops:
    """SAME and VALID; only cells of the image count."""
    if len(layer.top_shapes) > 1:
        layer.refuse_free("ONNX has no mask for TensorFlow's padding of a size that is free")
    window = _window(axes) | {"auto_pad": "SAME_UPPER" if layer.p.padding == "SAME" else "VALID"}
    if layer.p.pool == "MAX":
        return layer.op("MaxPool", layer.x, **window)
    if any(a.dilation != 1 for a in axes):
        layer.refuse_free("ONNX has no dilated averages over a size that is free")
    del window["dilations"]
    return layer.op("AveragePool", layer.x, count_include_pad=0, **window)


WRITERS: dict[LayerType, Write] = {
    POOLING: pooling,
    SPP: spp,
    GLOBAL_AVERAGE_POOLING: global_average,
}
