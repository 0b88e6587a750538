"""What multiplies and shifts channels, put into the parameters of the convolution or product before it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from netc.convert.caffe.draft import Draft, Layer
from netc.layer import Array

Affine = tuple[Array, Array]
"""Of each channel: a factor and a shift."""


def affine_of(layer: Layer) -> Affine | None:
    """What a layer makes of its bottom's channels (axis 1), if that is all it does."""
    if len(layer.bottoms) != 1 or not layer.blobs:
        return None
    p = layer.node.record
    if layer.type == "Scale":
        fields = layer.of("scale_param")
        if fields.get("axis", 1) != 1 or fields.get("num_axes", 1) != 1 or layer.blobs[0].ndim != 1:
            return None
        return layer.blobs[0], layer.blobs[1] if len(layer.blobs) > 1 else np.zeros_like(layer.blobs[0])
    if layer.type == "Bias":
        plain = p.bias_param.axis == 1 and layer.blobs[0].ndim == 1
        return (np.ones_like(layer.blobs[0]), layer.blobs[0]) if plain else None
    if layer.type == "BatchNorm" and (
        not p.batch_norm_param.has("use_global_stats") or p.batch_norm_param.use_global_stats
    ):
        mean, variance, factor = (blob.reshape(-1).astype(np.float64) for blob in layer.blobs[:3])
        share = 0.0 if factor[0] == 0 else 1 / factor[0]
        scale = 1 / np.sqrt(variance * share + p.batch_norm_param.eps)
        shift = -mean * share * scale
        if len(layer.blobs) == 5:
            scale, shift = (
                scale * layer.blobs[3].reshape(-1),
                shift * layer.blobs[3].reshape(-1) + layer.blobs[4].reshape(-1),
            )
        return scale.astype(np.float32), shift.astype(np.float32)
    if layer.type == "BN":
        return _bn(layer)
    return None


def _bn(layer: Layer) -> Affine | None:
    p, blobs = layer.node.record.bn_param, [blob.reshape(-1).astype(np.float64) for blob in layer.blobs]
    if len(layer.tops) > 1 or (len(blobs) == 2 and p.bn_mode != "INFERENCE"):
        return None
    if len(blobs) == 2:
        return blobs[0].astype(np.float32), blobs[1].astype(np.float32)
    scale = blobs[0] / np.sqrt(blobs[3] + p.eps)
    return scale.astype(np.float32), (blobs[1] - blobs[2] * scale).astype(np.float32)


def fold(draft: Draft) -> int:
    """Put every BatchNorm, BN, Scale and Bias that alone reads a convolution or product into it; how many that were."""
    done = 0
    while (pair := _next(draft)) is not None:
        first, second, affine = pair
        before = affine_of(first)
        made = _joined(second, before, affine) if before is not None else _folded(first, *affine)
        made = replace(made, bottoms=first.bottoms, tops=second.tops)
        draft.layers = [made if layer is first else layer for layer in draft.layers if layer is not second]
        done += 1
    return done


def _next(draft: Draft) -> tuple[Layer, Layer, Affine] | None:
    """The next layer that goes into the one before it: first all into each other, so that weights are copied once."""
    makers = {top: layer for layer in draft.layers for top in layer.tops}
    last = None
    for second in draft.layers:
        affine = affine_of(second)
        first = makers.get(second.bottoms[0]) if affine is not None else None
        if affine is None or first is None:
            continue
        if len(draft.readers(first.tops[0])) != 1 or first.tops[0] in draft.outputs:
            continue
        if affine_of(first) is not None:
            return first, second, affine
        if last is None and _takes(draft, first):
            last = first, second, affine
    return last


def _joined(layer: Layer, first: Affine, second: Affine) -> Layer:
    """Two of them, one after the other, as one Scale."""
    blobs = (first[0] * second[0], first[1] * second[0] + second[1])
    return replace(layer, type="Scale", messages={"scale_param": {"bias_term": True}}, blobs=blobs)


def _takes(draft: Draft, layer: Layer) -> bool:
    """Whether a layer's outputs are its top's channels (axis 1)."""
    if len(layer.tops) != 1 or layer.type not in _MESSAGES:
        return False
    rank = len(draft.shapes[layer.tops[0]])
    return bool(layer.of(_MESSAGES[layer.type]).get("axis", 1) % rank == 1)


_MESSAGES = {
    "Convolution": "convolution_param",
    "DepthwiseConvolution": "convolution_param",
    "Deconvolution": "convolution_param",
    "InnerProduct": "inner_product_param",
}


def _folded(layer: Layer, factor: Array, shift: Array) -> Layer:
    weights, wide = layer.blobs[0], factor.astype(np.float64)
    if layer.type == "Deconvolution":  # inputs come first there, and outputs go by groups
        groups = layer.of("convolution_param").get("group", 1)
        by_group = weights.reshape(groups, weights.shape[0] // groups, weights.shape[1], -1)
        made = _times(by_group, wide.reshape(groups, 1, -1, 1)).reshape(weights.shape)
    elif layer.of("inner_product_param").get("transpose"):
        made = _times(weights, wide)
    else:
        made = _times(weights, wide.reshape(-1, *(1,) * (weights.ndim - 1)))
    bias = layer.blobs[1].reshape(-1) if len(layer.blobs) > 1 else np.zeros_like(factor)
    blobs = (made, (bias * wide + shift).astype(np.float32))
    return replace(layer, blobs=blobs).with_fields(_MESSAGES[layer.type], bias_term=None)


def _times(weights: Array, factors: Array) -> Array:
    """The product in float64, rounded to float32 a piece at a time: large weights are not in memory in float64."""
    return np.multiply(weights, factors, out=np.empty(weights.shape, np.float32), casting="same_kind")
