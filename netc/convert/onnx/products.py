"""Products with matrices, reductions and choices along axes."""

from __future__ import annotations

from netc.convert.onnx.writer import LayerWriter, Tops, Write, product
from netc.kernels.geometry import Along, InnerProductGeometry
from netc.layer import LayerType
from netc.layers.arg_max import ARG_MAX
from netc.layers.cosine_similarity import COSINE_SIMILARITY
from netc.layers.embed import EMBED
from netc.layers.gram import GRAM
from netc.layers.inner_product import INNER_PRODUCT
from netc.layers.mat_mul import MAT_MUL
from netc.layers.maxout import MAXOUT
from netc.layers.parameter import PARAMETER
from netc.layers.reduction import REDUCTION
from netc.layers.softmax import SOFTMAX
from netc.layers.whiten import WHITEN, WhitenGeometry


def inner_product(layer: LayerWriter) -> Tops:
    g, axis = layer.setup.known(InnerProductGeometry), layer.axis(layer.p.axis)
    rows = layer.op("Flatten", layer.x, axis=axis) if len(layer.shape) != 2 or axis != 1 else layer.x
    params = [layer.param(i) for i in range(len(layer.params))]
    made = layer.op("Gemm", rows, *params, transB=int(not g.transpose))
    return made if axis == 1 else layer.reshape(made, (*layer.shape[:axis], g.outputs))


def mat_mul(layer: LayerWriter) -> Tops:
    turned = [
        layer.op("Transpose", value, perm=[*range(len(shape) - 2), len(shape) - 1, len(shape) - 2]) if turn else value
        for value, shape, turn in zip(
            layer.bottoms, layer.bottom_shapes, (layer.p.transpose_a, layer.p.transpose_b), strict=True
        )
    ]
    return layer.op("MatMul", *turned)


def gram(layer: LayerWriter) -> Tops:
    num, channels, *rest = layer.shape
    rows = layer.reshape(layer.x, (num, channels, product(rest)))
    made = layer.op("MatMul", rows, layer.op("Transpose", rows, perm=[0, 2, 1]))
    return layer.op("Div", made, layer.to_float(layer.vector([product(rest)]))) if layer.p.normalize else made


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
    """Over all axes from `axis` on; a blob without axes is a row of one value."""
    rank = len(layer.shape)
    x, axes = (layer.x, list(range(layer.axis(layer.p.axis), rank))) if rank else (layer.reshape(layer.x, (1,)), [0])
    if layer.p.operation == "SUM":
        made = layer.op("ReduceSum", x, layer.integers(axes), keepdims=0)
    else:
        type = {"ASUM": "ReduceL1", "SUMSQ": "ReduceSumSquare", "MEAN": "ReduceMean"}[layer.p.operation]
        made = layer.op(type, x, axes=axes, keepdims=0)
    return layer.times(made, layer.p.coeff)


def maxout(layer: LayerWriter) -> Tops:
    axis, pieces = layer.setup.known(Along).axis, layer.p.pieces
    layer.known_sizes(axis)
    shape = (*layer.shape[:axis], layer.bottom_shapes[0][axis] // pieces, pieces, *layer.shape[axis + 1 :])
    return layer.op("ReduceMax", layer.reshape(layer.x, shape), axes=[axis + 1], keepdims=0)


def parameter(layer: LayerWriter) -> Tops:
    return layer.param(0)


def arg_max(layer: LayerWriter) -> Tops:
    """TopK of the values in reverse: of equal ones ONNX takes the first, Caffe the last."""
    dims, rank = layer.shape, len(layer.shape)
    if layer.p.has("axis"):
        axis = layer.axis(layer.p.axis)
        outer, along, inner = dims[:axis], dims[axis : axis + 1], dims[axis + 1 :]
    else:
        outer, along, inner = dims[:1], dims[1:], ()
    count = product(along)
    x = layer.reshape(layer.x, (product(outer), count, product(inner)))
    start, stop, axis_1, step = (layer.integers([n]) for n in (-1, -(2**31), 1, -1))
    back = layer.op("Slice", x, start, stop, axis_1, step)
    values, places = layer.ops("TopK", [back, layer.integers([layer.p.top_k])], 2, axis=1)
    index = layer.to_float(layer.op("Sub", layer.vector([count - 1]), places))
    if layer.p.has("axis"):
        return layer.reshape(values if layer.p.out_max_val else index, (*outer, layer.p.top_k, *inner))
    made = layer.op("Concat", index, values, axis=1) if layer.p.out_max_val else index
    top = layer.top_shapes[0]
    return layer.reshape(made, (*outer, *top[1:])) if rank > 0 else layer.reshape(made, top)


def whiten(layer: LayerWriter) -> Tops:
    g = layer.setup.known(WhitenGeometry)
    rows = layer.op("Flatten", layer.x, axis=1) if len(layer.shape) != 2 else layer.x
    apart = layer.op("Sub", rows, layer.param(0))
    made = layer.op("Gemm", apart, layer.param(1), transB=1) if g.matrix else layer.op("Mul", apart, layer.param(1))
    return made if layer.p.method == "PCA" or len(layer.shape) == 2 else layer.reshape(made, layer.shape)


WRITERS: dict[LayerType, Write] = {
    WHITEN: whiten,
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
