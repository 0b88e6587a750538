"""Layers as other layers with the same numbers, for readers that do not take them as they are.

A rewrite gives the layers that stand for one, or None if it can say nothing; what it gives is looked at again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from netc.convert.caffe.draft import Draft, Layer
from netc.convert.caffe.fold import affine_of
from netc.kernels.gemm_convolution import ConvolutionGeometry
from netc.kernels.geometry import DropoutGeometry
from netc.layer import Array, Setup, Shape

Rewrite = Callable[[Draft, Layer, Setup], list[Layer] | None]


def shaped(draft: Draft, layer: Layer, blob: int, shape: Shape, name: str) -> tuple[Layer, int]:
    """A Reshape of a blob; a batch of any size stays one."""
    top = draft.blob(name, shape)
    rest = draft.schema.message("BlobShape").make(dim=(0, *shape[1:]) if shape[0] == draft.shapes[blob][0] else shape)
    made = Layer(name, "Reshape", (blob,), (top,), layer.node, {"reshape_param": {"shape": rest}})
    return made, top


def relu(draft: Draft, layer: Layer, setup: Setup) -> list[Layer]:
    slope = float(layer.of("leaky_relu_param").get("negative_slope", 0.01))
    return [replace(layer, type="ReLU", messages={"relu_param": {"negative_slope": slope}})]


def rrelu(draft: Draft, layer: Layer, setup: Setup) -> list[Layer]:
    p = layer.node.record.rrelu_param
    return [replace(layer, type="ReLU", messages={"relu_param": {"negative_slope": (p.lower + p.upper) / 2}})]


def relu6(draft: Draft, layer: Layer, setup: Setup) -> list[Layer] | None:
    """A Clip at 6; with a slope, that of a ReLU."""
    slope = layer.of("relu6_param").get("negative_slope", 0.0)
    if not slope:
        return [replace(layer, type="Clip", messages={"clip_param": {"min": 0.0, "max": 6.0}})]
    below = draft.blob(f"{layer.name}/relu", draft.shapes[layer.bottoms[0]])
    lowest = -float(np.finfo(np.float32).max)
    return [
        Layer(
            f"{layer.name}/relu", "ReLU", layer.bottoms, (below,), layer.node, {"relu_param": {"negative_slope": slope}}
        ),
        replace(layer, type="Clip", bottoms=(below,), messages={"clip_param": {"min": lowest, "max": 6.0}}),
    ]


def clip(draft: Draft, layer: Layer, setup: Setup) -> list[Layer] | None:
    limits = (layer.of("clip_param").get("min"), layer.of("clip_param").get("max"))
    return [replace(layer, type="ReLU6", messages={})] if limits == (0.0, 6.0) else None


def swish(draft: Draft, layer: Layer, setup: Setup) -> list[Layer]:
    """x times the Sigmoid of beta x."""
    x, shape = layer.bottoms[0], draft.shapes[layer.bottoms[0]]
    beta = float(layer.node.record.swish_param.beta)
    made, inner = [], x
    if beta != 1:
        inner = draft.blob(f"{layer.name}/beta", shape)
        made.append(Layer(f"{layer.name}/beta", "Power", (x,), (inner,), layer.node, {"power_param": {"scale": beta}}))
    gate = draft.blob(f"{layer.name}/sigmoid", shape)
    made.append(Layer(f"{layer.name}/sigmoid", "Sigmoid", (inner,), (gate,), layer.node))
    product = {"eltwise_param": {"operation": "PROD"}}
    return [*made, replace(layer, type="Eltwise", bottoms=(x, gate), messages=product)]


def dropout(draft: Draft, layer: Layer, setup: Setup) -> list[Layer] | None:
    if layer.node.record.dropout_param.sample_weights_test:
        return None
    factor = setup.known(DropoutGeometry).factor
    return [replace(layer, type="Power", messages={"power_param": {"scale": factor}})]


def depthwise(draft: Draft, layer: Layer, setup: Setup) -> list[Layer]:
    groups = setup.known(ConvolutionGeometry).groups
    return [replace(convolved(layer, setup), type="Convolution").with_fields("convolution_param", group=groups)]


def convolution(draft: Draft, layer: Layer, setup: Setup) -> list[Layer] | None:
    """Windows in the fields that every reader has: kernel_size, or kernel_h and kernel_w."""
    made = convolved(layer, setup)
    return None if made.messages == layer.messages else [made]


def convolved(layer: Layer, setup: Setup) -> Layer:
    """A convolution's message anew: sizes of two axes by name where they differ, TensorFlow's padding as `pad`."""
    g, p = setup.known(ConvolutionGeometry), layer.node.record.convolution_param
    axes = g.columns.axes
    if len(axes) != 2 or any(a.before != a.after for a in axes):
        return layer
    fields: dict[str, Any] = {"num_output": p.num_output}
    fields |= {} if p.bias_term else {"bias_term": False}
    fields |= {} if g.groups == 1 else {"group": g.groups}
    height, width = axes
    for name, values, usual in (
        ("kernel", (height.kernel, width.kernel), None),
        ("stride", (height.stride, width.stride), 1),
        ("pad", (height.before, width.before), 0),
    ):
        if values[0] == values[1]:
            whole = "kernel_size" if name == "kernel" else name
            fields |= {} if values[0] == usual else {whole: (values[0],)}
        else:
            fields |= {f"{name}_h": values[0], f"{name}_w": values[1]}
    dilation = (height.dilation, width.dilation)
    if dilation != (1, 1):
        fields["dilation"] = dilation if dilation[0] != dilation[1] else dilation[:1]
    fields |= {"axis": p.axis} if p.has("axis") and p.axis != 1 else {}
    return replace(layer, messages={"convolution_param": fields})


def global_average(draft: Draft, layer: Layer, setup: Setup) -> list[Layer] | None:
    if len(draft.shapes[layer.bottoms[0]]) != 4:
        return None
    return [replace(layer, type="Pooling", messages={"pooling_param": {"pool": "AVE", "global_pooling": True}})]


def axpy(draft: Draft, layer: Layer, setup: Setup) -> list[Layer]:
    """a x as a Scale from axis 0 on, then a sum."""
    a, x, z = layer.bottoms
    made = []
    if len(draft.shapes[a]) > 2:
        flat = draft.blob(f"{layer.name}/flat", draft.shapes[a][:2])
        made.append(Layer(f"{layer.name}/flat", "Flatten", (a,), (flat,), layer.node))
        a = flat
    scaled = draft.blob(f"{layer.name}/scale", draft.shapes[x])
    made.append(Layer(f"{layer.name}/scale", "Scale", (x, a), (scaled,), layer.node, {"scale_param": {"axis": 0}}))
    return [*made, replace(layer, type="Eltwise", bottoms=(scaled, z), messages={})]


def as_scale(draft: Draft, layer: Layer, setup: Setup) -> list[Layer] | None:
    """BN, Bias, or a BatchNorm by itself, as a Scale of each channel."""
    found = affine_of(layer)
    if found is None:
        return None
    factor, shift = found
    return [replace(layer, type="Scale", messages={"scale_param": {"bias_term": True}}, blobs=(factor, shift))]


def lrn(draft: Draft, layer: Layer, setup: Setup) -> list[Layer] | None:
    """Without k: x / (k + s)^beta is k^-beta x / (1 + s / k)^beta."""
    p = layer.node.record.lrn_param
    if p.norm_region != "ACROSS_CHANNELS" or p.k == 1 or p.k <= 0 or layer.of("lrn_param").get("k") is None:
        return None
    inner = draft.blob(f"{layer.name}/lrn", draft.shapes[layer.bottoms[0]])
    first = replace(layer, name=f"{layer.name}/lrn", tops=(inner,)).with_fields(
        "lrn_param", k=None, alpha=p.alpha / p.k
    )
    power = {"power_param": {"scale": float(p.k**-p.beta)}}
    return [first, Layer(layer.name, "Power", (inner,), layer.tops, layer.node, power)]


def inner_product(draft: Draft, layer: Layer, setup: Setup) -> list[Layer] | None:
    """Weights the usual way round; along a later axis, as rows that are a batch."""
    p = layer.of("inner_product_param")
    if p.get("transpose"):
        turned = (np.ascontiguousarray(layer.blobs[0].T), *layer.blobs[1:])
        return [replace(layer, blobs=turned).with_fields("inner_product_param", transpose=None)]
    bottom, top = draft.shapes[layer.bottoms[0]], draft.shapes[layer.tops[0]]
    axis = p.get("axis", 1) % len(bottom)
    if axis < 2:
        return None
    rows, values = prod(bottom[:axis]), prod(bottom[axis:])
    first, flat = shaped(draft, layer, layer.bottoms[0], (-1, values), f"{layer.name}/rows")
    draft.shapes[flat] = (rows, values)
    inner = draft.blob(f"{layer.name}/product", (rows, top[-1]))
    product = replace(layer, name=f"{layer.name}/product", bottoms=(flat,), tops=(inner,))
    product = product.with_fields("inner_product_param", axis=None)
    dims = draft.schema.message("BlobShape").make(dim=(-1, *top[1:]))
    last = Layer(layer.name, "Reshape", (inner,), layer.tops, layer.node, {"reshape_param": {"shape": dims}})
    return [first, product, last]


def shuffle_channel(draft: Draft, layer: Layer, setup: Setup) -> list[Layer] | None:
    """A table of groups, turned."""
    num, channels, *space = draft.shapes[layer.bottoms[0]]
    group = int(layer.node.record.shuffle_channel_param.group)
    if len(space) != 2:
        return None
    cells = prod(space)
    first, table = shaped(draft, layer, layer.bottoms[0], (num, group, channels // group, cells), f"{layer.name}/table")
    turned = draft.blob(f"{layer.name}/turned", (num, channels // group, group, cells))
    order = {"permute_param": {"order": (0, 2, 1, 3)}}
    second = Layer(f"{layer.name}/turned", "Permute", (table,), (turned,), layer.node, order)
    dims = draft.schema.message("BlobShape").make(dim=(0, channels, *space))
    return [
        first,
        second,
        Layer(layer.name, "Reshape", (turned,), layer.tops, layer.node, {"reshape_param": {"shape": dims}}),
    ]


def reshape(draft: Draft, layer: Layer, setup: Setup) -> list[Layer] | None:
    """All sizes written out, instead of `axis` and `num_axes`; the batch stays free where it is the bottom's."""
    p, bottom, top = layer.of("reshape_param"), draft.shapes[layer.bottoms[0]], draft.shapes[layer.tops[0]]
    if "axis" not in p and "num_axes" not in p:
        return None
    dims = (0, *top[1:]) if top and bottom and top[0] == bottom[0] else top
    shape = draft.schema.message("BlobShape").make(dim=dims)
    return [replace(layer, messages={"reshape_param": {"shape": shape}})]


def positive_axis(message: str) -> Rewrite:
    """An axis counted from the front, and by its present name."""

    def rewrite(draft: Draft, layer: Layer, setup: Setup) -> list[Layer] | None:
        p, rank = layer.of(message), len(draft.shapes[layer.bottoms[0]])
        old = next((name for name in ("concat_dim", "slice_dim") if name in p), None)
        axis = p.get(old or "axis", 1)
        if old is None and axis >= 0:
            return None
        changes: dict[str, Any] = {"axis": axis % rank} | ({old: None} if old else {})
        return [layer.with_fields(message, **changes)]

    return rewrite


def upsample(draft: Draft, layer: Layer, setup: Setup) -> list[Layer] | None:
    """Repeated cells as a Deconvolution of each channel, all weights 1."""
    shape, top = draft.shapes[layer.bottoms[0]], draft.shapes[layer.tops[0]]
    scale = (top[2] // shape[2], top[3] // shape[3])
    if len(layer.bottoms) > 1:
        return None
    weights: Array = np.ones((shape[1], 1, *scale), np.float32)
    fields: dict[str, Any] = {"num_output": shape[1], "group": shape[1], "bias_term": False}
    if scale[0] == scale[1]:
        fields |= {"kernel_size": scale[:1], "stride": scale[:1]}
    else:
        fields |= {"kernel_h": scale[0], "kernel_w": scale[1], "stride_h": scale[0], "stride_w": scale[1]}
    return [replace(layer, type="Deconvolution", messages={"convolution_param": fields}, blobs=(weights,))]


def split_input(draft: Draft, layer: Layer) -> list[Layer]:
    """A layer for each input; of several, each is called like its blob."""
    alone = len(layer.tops) == 1
    made = []
    for top in layer.tops:
        shape = draft.schema.message("BlobShape").make(dim=draft.shapes[top])
        name = layer.name if alone else draft.names[top]
        made.append(replace(layer, name=name, tops=(top,), messages={"input_param": {"shape": (shape,)}}))
    return made


def split_batch_norm(draft: Draft, layer: Layer) -> list[Layer]:
    """NVCaffe's five parameters as a BatchNorm and a Scale. Stored statistics are what predicting uses anyway."""
    fields = {"eps": None, "use_global_stats": True}
    kept = {k: v for k, v in layer.of("batch_norm_param").items() if k in fields and v != fields[k]}
    first = replace(layer, messages={"batch_norm_param": kept})
    if len(layer.blobs) == 3:
        return [first]
    inner = draft.blob(f"{layer.name}/normalized", draft.shapes[layer.bottoms[0]])
    blobs = tuple(blob.reshape(-1) for blob in layer.blobs[3:])
    scale = Layer(
        f"{layer.name}/scale", "Scale", (inner,), layer.tops, layer.node, {"scale_param": {"bias_term": True}}, blobs
    )
    return [replace(first, tops=(inner,), blobs=layer.blobs[:3]), scale]


PLAIN = {"Input": split_input, "BatchNorm": split_batch_norm}
"""What every layer of a type is written as, whoever reads it."""


def plain(draft: Draft) -> None:
    """Write layers as BVLC's Caffe has them, before anything else is asked."""
    draft.layers = [
        made for layer in draft.layers for made in (PLAIN[layer.type](draft, layer) if layer.type in PLAIN else [layer])
    ]


def whiten(draft: Draft, layer: Layer, setup: Setup) -> list[Layer] | None:
    """W (x - m) as W x + b, with b = -W m: an InnerProduct, or value by value a Scale."""
    if len(layer.blobs) != 3:
        return None
    mean, matrix = (blob.astype(np.float64) for blob in layer.blobs[:2])
    bottom, top = draft.shapes[layer.bottoms[0]], draft.shapes[layer.tops[0]]
    if matrix.ndim == 1:
        blobs = tuple(blob.astype(np.float32).reshape(bottom[1:]) for blob in (matrix, -matrix * mean))
        fields = {"scale_param": {"axis": 1, "num_axes": -1, "bias_term": True}}
        return [replace(layer, type="Scale", messages=fields, blobs=blobs)]
    blobs = matrix.astype(np.float32), (-matrix @ mean).astype(np.float32)
    product = replace(
        layer, type="InnerProduct", messages={"inner_product_param": {"num_output": len(matrix)}}, blobs=blobs
    )
    if len(top) == 2:
        return [product]
    flat = draft.blob(f"{layer.name}/product", (top[0], len(matrix)))
    dims = draft.schema.message("BlobShape").make(dim=(0, *top[1:]))
    last = Layer(layer.name, "Reshape", (flat,), layer.tops, layer.node, {"reshape_param": {"shape": dims}})
    return [replace(product, name=f"{layer.name}/product", tops=(flat,)), last]


REWRITES: Mapping[str, Rewrite] = {
    "Axpy": axpy,
    "BN": as_scale,
    "Bias": as_scale,
    "Clip": clip,
    "Concat": positive_axis("concat_param"),
    "Convolution": convolution,
    "Deconvolution": convolution,
    "DepthwiseConvolution": depthwise,
    "Dropout": dropout,
    "GlobalAveragePooling": global_average,
    "InnerProduct": inner_product,
    "LRN": lrn,
    "LeakyReLU": relu,
    "RReLU": rrelu,
    "ReLU6": relu6,
    "Reshape": reshape,
    "ShuffleChannel": shuffle_channel,
    "Slice": positive_axis("slice_param"),
    "Softmax": positive_axis("softmax_param"),
    "Swish": swish,
    "Upsample": upsample,
    "Whiten": whiten,
}
"""By the type of netc's layer."""
