"""Layers that normalize, scale or mix channels."""

from __future__ import annotations

import numpy as np

from netc.convert.onnx.runtime import Dim
from netc.convert.onnx.writer import LayerWriter, Tops, Write, product
from netc.kernels.geometry import BatchNormGeometry, BnGeometry
from netc.layer import LayerType
from netc.layers.batch_norm import BATCH_NORM
from netc.layers.bias import BIAS
from netc.layers.bn import BN
from netc.layers.layer_norm import LAYER_NORM
from netc.layers.lrn import LRN
from netc.layers.mvn import MVN
from netc.layers.normalize import NORMALIZE
from netc.layers.scale import SCALE
from netc.layers.shuffle_channel import SHUFFLE_CHANNEL


def batch_norm(layer: LayerWriter) -> Tops:
    g, p = layer.setup.known(BatchNormGeometry), layer.p
    if not g.stored:
        made = _by_batch(layer, p.eps)[0]
        if not g.affine:
            return made
        return layer.op("Add", layer.op("Mul", made, _channels(layer, 3)), _channels(layer, 4))
    mean, variance, factor = layer.params[:3]
    share = 0.0 if factor[0] == 0 else 1 / factor[0]
    statistics = (layer.numbers(mean * share, "mean"), layer.numbers(variance * share, "variance"))
    count = g.view.middle
    scale = (
        (layer.param(3), layer.param(4))
        if g.affine
        else (layer.numbers(np.ones(count)), layer.numbers(np.zeros(count)))
    )
    if len(layer.shape) > 1:
        return layer.op("BatchNormalization", layer.x, *scale, *statistics, epsilon=p.eps)
    column = layer.reshape(layer.x, (-1, 1))
    return layer.reshape(layer.op("BatchNormalization", column, *scale, *statistics, epsilon=p.eps), (-1,))


def bn(layer: LayerWriter) -> Tops:
    g = layer.setup.known(BnGeometry)
    if g.statistics == "stored":
        centered = layer.op("Sub", layer.x, _channels(layer, 2))
        deviation = layer.op("Sqrt", layer.plus(_channels(layer, 3), g.epsilon))
        normalized, mean, variance = layer.op("Div", centered, deviation), "", ""
    else:
        normalized, mean, variance = _by_batch(layer, g.epsilon)
    made = layer.x if g.statistics == "none" else normalized
    made = layer.op("Add", layer.op("Mul", made, _channels(layer, 0)), _channels(layer, 1))
    rest = zip((mean, variance), layer.top_shapes[1:], strict=False)
    return [made, *(layer.reshape(value, shape) for value, shape in rest)]


def _by_batch(layer: LayerWriter, eps: float) -> tuple[str, str, str]:
    """Normalized by the batch's own mean and variance of each channel (axis 1; a bottom with one axis is one)."""
    axes = [axis for axis in range(len(layer.shape)) if axis != 1]
    mean = layer.op("ReduceMean", layer.x, axes=axes)
    centered = layer.op("Sub", layer.x, mean)
    variance = layer.op("ReduceMean", layer.op("Mul", centered, centered), axes=axes)
    return layer.op("Div", centered, layer.op("Sqrt", layer.plus(variance, eps))), mean, variance


def _channels(layer: LayerWriter, index: int) -> str:
    return layer.param(index, (layer.params[index].size, *(1,) * max(len(layer.shape) - 2, 0)))


def scale(layer: LayerWriter) -> Tops:
    learned = len(layer.bottoms) == 1
    made = layer.op("Mul", layer.x, _learned(layer, 0) if learned else _given(layer))
    return layer.op("Add", made, _learned(layer, len(layer.params) - 1)) if layer.p.bias_term else made


def bias(layer: LayerWriter) -> Tops:
    return layer.op("Add", layer.x, _learned(layer, 0) if len(layer.bottoms) == 1 else _given(layer))


def _learned(layer: LayerWriter, index: int) -> str:
    shape = layer.params[index].shape
    return layer.param(index, (*shape, *(1,) * _behind(layer, len(shape))))


def _given(layer: LayerWriter) -> str:
    """The second bottom with ones behind, so that it is spread over the first from `axis` on."""
    dims = layer.dims(1)
    ones = (1,) * _behind(layer, len(dims))
    return layer.reshape(layer.bottoms[1], (*dims, *ones)) if ones else layer.bottoms[1]


def _behind(layer: LayerWriter, count: int) -> int:
    """How many axes of the bottom stand behind those of a blob with `count` axes, which begin at `axis`."""
    return len(layer.shape) - layer.axis(layer.p.axis) - count if count else 0


def lrn(layer: LayerWriter) -> Tops:
    p = layer.p
    if p.norm_region == "ACROSS_CHANNELS":
        return layer.op("LRN", layer.x, size=p.local_size, alpha=p.alpha, beta=p.beta, bias=p.k)
    n, around = p.local_size, p.local_size // 2
    squares = layer.op("Mul", layer.x, layer.x)
    mean = layer.op("AveragePool", squares, kernel_shape=[n, n], pads=[around] * 4, count_include_pad=1)
    ratio = layer.op("Pow", layer.plus(layer.times(mean, p.alpha), 1.0), layer.numbers(-p.beta))
    return layer.op("Mul", layer.x, ratio)


def normalize(layer: LayerWriter) -> Tops:
    axes = list(range(1, len(layer.shape))) if layer.p.across_spatial else [1]
    squares = layer.op("ReduceSumSquare", layer.x, axes=axes)
    made = layer.op("Div", layer.x, layer.op("Sqrt", layer.plus(squares, layer.p.eps)))
    return layer.op("Mul", made, layer.param(0) if layer.p.channel_shared else _channels(layer, 0))


def mvn(layer: LayerWriter) -> Tops:
    """Over what stands behind the images (and channels); where that is nothing, each value is a row by itself."""
    axes = list(range(1 if layer.p.across_channels else 2, len(layer.shape)))
    made = layer.op("Sub", layer.x, layer.op("ReduceMean", layer.x, axes=axes) if axes else layer.x)
    if layer.p.normalize_variance:
        squares = layer.op("Mul", made, made)
        variance = layer.op("ReduceMean", squares, axes=axes) if axes else squares
        made = layer.op("Div", made, layer.plus(layer.op("Sqrt", variance), layer.p.eps))
    return made


def layer_norm(layer: LayerWriter) -> Tops:
    axis = layer.axis(layer.p.axis)
    layer.known_sizes(*range(axis, len(layer.shape)))
    gain = [layer.param(0), layer.param(1)] if layer.params else [layer.numbers(np.ones(layer.bottom_shapes[0][axis:]))]
    return layer.op("LayerNormalization", layer.x, *gain, axis=axis, epsilon=layer.p.eps)


def shuffle_channel(layer: LayerWriter) -> Tops:
    num, channels, *rest = layer.shape
    groups, each = layer.p.group, layer.bottom_shapes[0][1] // layer.p.group
    first: tuple[Dim, ...] = (num, groups, each, product(rest))
    table = layer.op("Transpose", layer.reshape(layer.x, first), perm=[0, 2, 1, 3])
    return layer.reshape(table, (num, channels, *rest))


WRITERS: dict[LayerType, Write] = {
    BATCH_NORM: batch_norm,
    BN: bn,
    SCALE: scale,
    BIAS: bias,
    LRN: lrn,
    NORMALIZE: normalize,
    MVN: mvn,
    LAYER_NORM: layer_norm,
    SHUFFLE_CHANNEL: shuffle_channel,
}
