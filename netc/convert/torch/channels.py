"""Layers that normalize, scale or mix channels, and products with matrices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from netc.convert.torch.code import Bottom, Expression, call, literal, raw
from netc.convert.torch.writer import OWN, Argument, LayerWriter, State, Write, Written, X, made, module
from netc.kernels.geometry import Along, AttentionGeometry, BatchNormGeometry, BnGeometry, InnerProductGeometry
from netc.layer import Array, LayerType, Shape
from netc.layers.arg_max import ARG_MAX
from netc.layers.attention import ATTENTION
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
from netc.layers.reduction import REDUCTION
from netc.layers.scale import SCALE
from netc.layers.whiten import WHITEN, WhitenGeometry
from netc.schema.record import Record

SETTLED = 1e-3
"""How far the weight of a moving average may be from its limit, relative to it, to be taken as there."""

_COUNTER = {"num_batches_tracked": State(np.array(0, np.int64))}
"""A buffer that PyTorch's modules have beside their statistics."""


def batch_norm(layer: LayerWriter) -> Written:
    """nn.BatchNorm where it moves its statistics as Caffe does, else a small module that does."""
    p, g = layer.p, layer.setup.known(BatchNormGeometry)
    mean, variance, factor = (blob.reshape(-1) for blob in layer.params[:3])
    share = 0.0 if factor[0] == 0 else 1 / float(factor[0])
    keep = float(p.moving_average_fraction)
    settled = keep < 1 and abs(float(factor[0]) * (1 - keep) - 1) <= SETTLED
    state = {"running_mean": State(mean * np.float32(share)), "running_var": State(variance * np.float32(share))}
    options = [Argument("eps", float(p.eps), 1e-5), Argument("affine", g.affine, True)]
    if g.affine:
        state |= {"weight": State(layer.params[3].reshape(-1), 3), "bias": State(layer.params[4].reshape(-1), 4)}
    if not p.has("use_global_stats"):
        name = _batch_norm_name(layer.shape) if settled else "BatchNorm"
        options.insert(1, Argument("momentum", round(1 - keep, 9), 0.1))
        state |= _COUNTER if settled else _COUNTER | {"factor": State(factor[0].reshape(()))}
    elif p.use_global_stats:
        name = "FrozenBatchNorm"
        state |= _COUNTER
    else:
        name = _batch_norm_name(layer.shape)
        options.append(Argument("track_running_stats", False, True))
        state = {name: value for name, value in state.items() if value.blob is not None}
    channels = Argument("num_features", g.view.middle)
    tops = _by_channel(layer.shape, odd=name.startswith("nn."))
    return replace(module(name, channels, state=state, options=options, tops=tops), normalizes=not g.affine)


def batch_norm_modes(train: Record, test: Record) -> tuple[Record, Record]:
    """The records of a layer that is there in both phases: where these say of the statistics what modules do by their
    mode, they say nothing; elsewhere each says what holds for it."""
    stored = [
        bool(p.use_global_stats) if p.has("use_global_stats") else usual
        for p, usual in ((train.batch_norm_param, False), (test.batch_norm_param, True))
    ]
    said = (None, None) if stored == [False, True] else tuple(stored)
    made = [
        record.replace(batch_norm_param=record.batch_norm_param.replace(use_global_stats=value))
        for record, value in zip((train, test), said, strict=True)
    ]
    return made[0], made[1]


def _batch_norm_name(shape: Shape) -> str:
    return {4: "nn.BatchNorm2d", 5: "nn.BatchNorm3d"}.get(len(shape), "nn.BatchNorm1d")


def _by_channel(shape: Shape, odd: bool) -> tuple[Expression, ...]:
    """The module called with a bottom of these axes; `odd`: PyTorch's own takes two to five."""
    if len(shape) == 1:
        return (raw(call(OWN, raw(X, ".unsqueeze(1)")), ".squeeze(1)"),)
    if odd and len(shape) > 5:
        return (raw(call(OWN, call("torch.flatten", X, "2")), ".view_as(", X, ")"),)
    return (call(OWN, X),)


def bn(layer: LayerWriter) -> Written:
    """SegNet's and TSN's: batch normalization with a factor and a shift."""
    g, channels = layer.setup.known(BnGeometry), Argument("num_features", layer.shape[1])
    state = {"weight": State(layer.params[0].reshape(-1), 0), "bias": State(layer.params[1].reshape(-1), 1)}
    if len(layer.params) == 2:  # SegNet's
        if g.statistics == "none":
            return module("Scale", (layer.shape[1],), options=_scale_options(1, bias=True), state=state)
        if len(layer.top_shapes) > 1:
            layer.refuse("the batch's mean and variance are tops of it", "top")
        options = [Argument("eps", g.epsilon, 1e-5), Argument("track_running_stats", False, True)]
        name = _batch_norm_name(layer.shape)
        return module(name, channels, state=state, options=options, tops=_by_channel(layer.shape, odd=True))
    state |= {"running_mean": State(layer.params[2].reshape(-1)), "running_var": State(layer.params[3].reshape(-1))}
    state |= _COUNTER
    options = [Argument("eps", float(layer.p.eps), 1e-5)]
    if layer.p.frozen:
        return module("FrozenBatchNorm", channels, state=state, options=options)
    options.append(Argument("momentum", round(1 - float(layer.p.momentum), 9), 0.1))
    return module("BiasedBatchNorm", channels, state=state, options=options)


def scale(layer: LayerWriter) -> Written:
    axis, bias = layer.axis(layer.p.axis), bool(layer.p.bias_term)
    if len(layer.bottoms) > 1:
        product = raw(X, " * ", _spread(layer))
        if not bias:
            return made(product)
        shape = layer.bottom_shapes[1]
        state = {"bias": State(layer.params[0], 0)}
        options = [Argument("axis", axis if shape else 0, 1)]
        return module("Bias", shape, state=state, options=options, tops=(call(OWN, product),))
    shape = layer.params[0].shape
    state = {"weight": State(layer.params[0], 0)}
    state |= {"bias": State(layer.params[1], 1)} if bias else {}
    written = module("Scale", shape, options=_scale_options(axis if shape else 0, bias), state=state)
    return replace(written, affine=bias and axis == 1 and len(shape) == 1)


def _scale_options(axis: int, bias: bool) -> list[Argument]:
    return [Argument("axis", axis, 1), Argument("bias", bias, False)]


def bias(layer: LayerWriter) -> Written:
    axis = layer.axis(layer.p.axis)
    if len(layer.bottoms) > 1:
        return made(raw(X, " + ", _spread(layer)))
    shape = layer.params[0].shape
    options = [Argument("axis", axis if shape else 0, 1)]
    return module("Bias", shape, state={"bias": State(layer.params[0], 0)}, options=options)


def _spread(layer: LayerWriter) -> Expression:
    """The second bottom with ones behind, so that it is spread over the first from `axis` on."""
    shape = layer.bottom_shapes[1]
    axis = layer.axis(layer.p.axis) if shape else 0
    behind = len(layer.shape) - axis - len(shape)
    return call("spread", Bottom(1), X, literal(axis)) if behind and shape else Bottom(1)


def lrn(layer: LayerWriter) -> Written:
    p = layer.p
    options = [Argument("alpha", float(p.alpha), 1e-4), Argument("beta", float(p.beta), 0.75)]
    if p.norm_region == "ACROSS_CHANNELS":
        return module(
            "nn.LocalResponseNorm", Argument("size", p.local_size), options=[*options, Argument("k", float(p.k), 1.0)]
        )
    return module("LocalResponseNormWithin", Argument("size", p.local_size), options=options)


def normalize(layer: LayerWriter) -> Written:
    p, scale_ = layer.p, layer.params[0].reshape(-1)
    options = [
        Argument("across_spatial", bool(p.across_spatial), True),
        Argument("eps", float(p.eps), 1e-10),
    ]
    state = {"weight": State(scale_, 0)}
    return module("Normalize", Argument("channels", scale_.size, 1), options=options, state=state)


def mvn(layer: LayerWriter) -> Written:
    p = layer.p
    options = [
        Argument("across_channels", bool(p.across_channels), False),
        Argument("normalize_variance", bool(p.normalize_variance), True),
        Argument("eps", float(p.eps), 1e-9),
    ]
    return module("MeanVarianceNorm", options=options)


def layer_norm(layer: LayerWriter) -> Written:
    shape = layer.shape[layer.axis(layer.p.axis) :]
    options = [Argument("eps", float(layer.p.eps), 1e-5), Argument("elementwise_affine", bool(layer.params), True)]
    state = {n: State(v, i) for i, (n, v) in enumerate(zip(("weight", "bias"), layer.params, strict=False))}
    return module("nn.LayerNorm", shape, options=options, state=state)


# ---------------------------------------------------------------- products


def inner_product(layer: LayerWriter) -> Written:
    g, axis = layer.setup.known(InnerProductGeometry), layer.axis(layer.p.axis)
    weights: Array = layer.params[0].T if g.transpose else layer.params[0]
    state = {"weight": State(weights, 0, turned=g.transpose)}
    if len(layer.params) > 1:
        state["bias"] = State(layer.params[1].reshape(-1), 1)
    flat = X if len(layer.shape) == axis + 1 else call("torch.flatten", X, literal(axis))
    return module(
        "nn.Linear",
        Argument("in_features", g.inputs),
        Argument("out_features", g.outputs),
        options=[Argument("bias", len(layer.params) > 1, True)],
        state=state,
        tops=(call(OWN, flat),),
    )


def mat_mul(layer: LayerWriter) -> Written:
    turned = (layer.p.transpose_a, layer.p.transpose_b)
    return made(call("torch.matmul", *(raw(b, ".mT") if t else b for b, t in zip(layer.bottoms, turned, strict=True))))


def gram(layer: LayerWriter) -> Written:
    return made(call("gram_matrix", X, *([] if layer.p.normalize else ["normalize=False"])))


def cosine_similarity(layer: LayerWriter) -> Written:
    return made(call("cosine_similarity", *layer.bottoms, literal(layer.axis(layer.p.axis)), literal(layer.p.eps)))


def embed(layer: LayerWriter) -> Written:
    state = {"weight": State(layer.params[0], 0)}
    sizes = (Argument("num_embeddings", layer.params[0].shape[0]), Argument("embedding_dim", layer.params[0].shape[1]))
    if len(layer.params) == 1:
        return module("nn.Embedding", *sizes, state=state, tops=(call(OWN, raw(X, ".long()")),))
    state["bias"] = State(layer.params[1].reshape(-1), 1)
    return module("BiasedEmbedding", *sizes, state=state)


def reduction(layer: LayerWriter) -> Written:
    p, axis = layer.p, layer.axis(layer.p.axis)
    inner = {"SUM": "", "ASUM": ".abs()", "SUMSQ": ".square()", "MEAN": ""}[p.operation]
    method = "mean" if p.operation == "MEAN" else "sum"
    axes = tuple(range(axis, len(layer.shape)))
    if not axes:
        reduced = raw(X, inner)
    else:
        reduced = raw(X, f"{inner}.{method}({literal(axes[0] if len(axes) == 1 else axes) if axis else ''})")
    return made(reduced if p.coeff == 1 else raw(f"{literal(float(p.coeff))} * ", reduced))


def maxout(layer: LayerWriter) -> Written:
    axis = layer.setup.known(Along).axis
    return made(raw(X, f".unflatten({axis}, (-1, {layer.p.pieces})).max(dim={axis + 1}).values"))


def arg_max(layer: LayerWriter) -> Written:
    p = layer.p
    options = {"axis": raw(literal(layer.axis(p.axis)))} if p.has("axis") else {}
    options |= {"values": raw("True")} if p.out_max_val else {}
    return made(call("arg_max", X, literal(p.top_k), **options))


def attention(layer: LayerWriter) -> Written:
    g = layer.setup.known(AttentionGeometry)
    options = {"causal": raw("True")} if layer.p.causal else {}
    if len(layer.bottoms) > 3:
        options["mask"] = raw(Bottom(3))
    return made(call("attention", *layer.bottoms[:3], literal(g.heads), literal(g.scale), **options))


def whiten(layer: LayerWriter) -> Written:
    g = layer.setup.known(WhitenGeometry)
    sizes = [Argument("size", g.inputs), *([Argument("keep", g.outputs)] if g.matrix else [])]
    state = {"mean": State(layer.params[0], 0), "matrix": State(layer.params[1], 1)}
    options = [] if layer.p.method == "PCA" else [Argument("as_it_was", True, False)]
    return module("Whitening", *sizes, options=options, state=state)


WRITERS: dict[LayerType, Write] = {
    WHITEN: whiten,
    BATCH_NORM: batch_norm,
    BN: bn,
    SCALE: scale,
    BIAS: bias,
    LRN: lrn,
    NORMALIZE: normalize,
    MVN: mvn,
    LAYER_NORM: layer_norm,
    INNER_PRODUCT: inner_product,
    MAT_MUL: mat_mul,
    GRAM: gram,
    COSINE_SIMILARITY: cosine_similarity,
    EMBED: embed,
    REDUCTION: reduction,
    MAXOUT: maxout,
    ARG_MAX: arg_max,
    ATTENTION: attention,
}
MODES = {BATCH_NORM: batch_norm_modes}
"""Types whose records may differ between the phases and be one module all the same."""
