"""Layers that normalize, scale or mix channels, and products with matrices."""

from __future__ import annotations

import numpy as np

from netc.convert.onnx.writer import LayerWriter, Tops, Write
from netc.kernels.geometry import Along, BatchNormGeometry, BnGeometry, Folded, InnerProductGeometry, Matrix
from netc.layer import LayerType, Shape
from netc.layers.arg_max import ARG_MAX
from netc.layers.batch_norm import BATCH_NORM
from netc.layers.bias import BIAS
from netc.layers.bn import BN
from netc.layers.cosine_similarity import COSINE_SIMILARITY
from netc.layers.embed import EMBED
from netc.layers.gram import GRAM
from netc.layers.inner_product import INNER_PRODUCT
from netc.layers.layer_norm import LAYER_NORM
from netc.layers.lrn import LRN
from netc.layers.mat_mul import MAT_MUL
from netc.layers.maxout import MAXOUT
from netc.layers.mvn import MVN
from netc.layers.normalize import NORMALIZE
from netc.layers.parameter import PARAMETER
from netc.layers.reduction import REDUCTION
from netc.layers.scale import SCALE
from netc.layers.shuffle_channel import SHUFFLE_CHANNEL, ShuffleChannelGeometry
from netc.layers.softmax import SOFTMAX


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
    return layer.reshape(layer.op("BatchNormalization", column, *scale, *statistics, epsilon=p.eps), layer.shape)


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
    shape = layer.params[0].shape if learned else layer.bottom_shapes[1]
    view = _spread(layer, shape)
    made = layer.op("Mul", layer.x, layer.param(0, view) if learned else _given(layer, view))
    return layer.op("Add", made, layer.param(len(layer.params) - 1, view)) if layer.p.bias_term else made


def bias(layer: LayerWriter) -> Tops:
    learned = len(layer.bottoms) == 1
    view = _spread(layer, layer.params[0].shape if learned else layer.bottom_shapes[1])
    return layer.op("Add", layer.x, layer.param(0, view) if learned else _given(layer, view))


def _given(layer: LayerWriter, view: Shape) -> str:
    return layer.bottoms[1] if view == layer.bottom_shapes[1] else layer.reshape(layer.bottoms[1], view)


def _spread(layer: LayerWriter, shape: Shape) -> Shape:
    """A blob's shape with ones behind, so that it is spread over the bottom from `axis` on."""
    axis = layer.axis(layer.p.axis) if shape else 0
    return (*shape, *(1,) * (len(layer.shape) - axis - len(shape))) if shape else ()


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
    rows = layer.reshape(layer.x, layer.setup.known(Matrix))
    made = layer.op("Sub", rows, layer.op("ReduceMean", rows, axes=[1]))
    if layer.p.normalize_variance:
        variance = layer.op("ReduceMean", layer.op("Mul", made, made), axes=[1])
        made = layer.op("Div", made, layer.plus(layer.op("Sqrt", variance), layer.p.eps))
    return layer.reshape(made, layer.shape)


def layer_norm(layer: LayerWriter) -> Tops:
    axis = layer.axis(layer.p.axis)
    gain = [layer.param(0), layer.param(1)] if layer.params else [layer.numbers(np.ones(layer.shape[axis:]))]
    return layer.op("LayerNormalization", layer.x, *gain, axis=axis, epsilon=layer.p.eps)


def shuffle_channel(layer: LayerWriter) -> Tops:
    num, groups, each, _ = layer.setup.known(ShuffleChannelGeometry)
    table = layer.op("Transpose", layer.reshape(layer.x, (num, groups, each, -1)), perm=[0, 2, 1, 3])
    return layer.reshape(table, layer.shape)


# ---------------------------------------------------------------- products


def inner_product(layer: LayerWriter) -> Tops:
    g, top = layer.setup.known(InnerProductGeometry), layer.top_shapes[0]
    axis = layer.axis(layer.p.axis)
    rows = layer.op("Flatten", layer.x, axis=axis) if len(layer.shape) != 2 or axis != 1 else layer.x
    params = [layer.param(i) for i in range(len(layer.params))]
    made = layer.op("Gemm", rows, *params, transB=int(not g.transpose))
    return made if len(top) == 2 else layer.reshape(made, top)


def mat_mul(layer: LayerWriter) -> Tops:
    turned = [
        layer.op("Transpose", value, perm=[*range(len(shape) - 2), len(shape) - 1, len(shape) - 2]) if turn else value
        for value, shape, turn in zip(
            layer.bottoms, layer.bottom_shapes, (layer.p.transpose_a, layer.p.transpose_b), strict=True
        )
    ]
    return layer.op("MatMul", *turned)


def gram(layer: LayerWriter) -> Tops:
    num, channels, positions = layer.setup.known(Folded)
    rows = layer.reshape(layer.x, (num, channels, positions))
    made = layer.op("MatMul", rows, layer.op("Transpose", rows, perm=[0, 2, 1]))
    return layer.times(made, 1 / positions if layer.p.normalize else 1.0)


def cosine_similarity(layer: LayerWriter) -> Tops:
    a, b = layer.bottoms
    axis = layer.axis(layer.p.axis)
    dot = layer.op("ReduceSum", layer.op("Mul", a, b), layer.integers([axis]), keepdims=0)
    lengths = layer.op("Mul", *(layer.op("ReduceL2", v, axes=[axis], keepdims=0) for v in (a, b)))
    return layer.op("Div", dot, layer.op("Max", lengths, layer.numbers(layer.p.eps)))


def embed(layer: LayerWriter) -> Tops:
    made = layer.op("Gather", layer.param(0), layer.to_index(layer.x))
    return layer.op("Add", made, layer.param(1)) if len(layer.params) > 1 else made


def softmax(layer: LayerWriter) -> Tops:
    return layer.op("Softmax", layer.x, axis=layer.axis(layer.p.axis))


def reduction(layer: LayerWriter) -> Tops:
    rows, count = layer.setup.known(Matrix)
    x = layer.reshape(layer.x, (rows, count))
    if layer.p.operation == "SUM":
        made = layer.op("ReduceSum", x, layer.integers([1]), keepdims=0)
    else:
        type = {"ASUM": "ReduceL1", "SUMSQ": "ReduceSumSquare", "MEAN": "ReduceMean"}[layer.p.operation]
        made = layer.op(type, x, axes=[1], keepdims=0)
    made = layer.times(made, layer.p.coeff)
    return made if len(layer.top_shapes[0]) == 1 else layer.reshape(made, layer.top_shapes[0])


def maxout(layer: LayerWriter) -> Tops:
    axis, pieces = layer.setup.known(Along).axis, layer.p.pieces
    shape = (*layer.shape[:axis], layer.shape[axis] // pieces, pieces, *layer.shape[axis + 1 :])
    return layer.op("ReduceMax", layer.reshape(layer.x, shape), axes=[axis + 1], keepdims=0)


def parameter(layer: LayerWriter) -> Tops:
    return layer.param(0)


def arg_max(layer: LayerWriter) -> Tops:
    """TopK of the values in reverse: of equal ones ONNX takes the first, Caffe the last."""
    outer, count, inner = layer.setup.known(Folded)
    x = layer.reshape(layer.x, (outer, count, inner))
    start, stop, axis, step = (layer.integers([n]) for n in (count - 1, -count - 1, 1, -1))
    back = layer.op("Slice", x, start, stop, axis, step)
    values, places = layer.ops("TopK", [back, layer.integers([layer.p.top_k])], 2, axis=1)
    index = layer.to_float(layer.op("Sub", layer.integers(count - 1), places))
    if layer.p.has("axis"):
        return layer.reshape(values if layer.p.out_max_val else index, layer.top_shapes[0])
    made = layer.op("Concat", index, values, axis=1) if layer.p.out_max_val else index
    return layer.reshape(made, layer.top_shapes[0])


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
    INNER_PRODUCT: inner_product,
    MAT_MUL: mat_mul,
    GRAM: gram,
    COSINE_SIMILARITY: cosine_similarity,
    EMBED: embed,
    SOFTMAX: softmax,
    REDUCTION: reduction,
    MAXOUT: maxout,
    PARAMETER: parameter,
    ARG_MAX: arg_max,
}
