"""Layers that treat each value by itself, or values of several bottoms together."""

from __future__ import annotations

from math import exp, log

from netc.convert.onnx.writer import LayerWriter, Tops, Write
from netc.kernels.geometry import DropoutGeometry
from netc.layer import LayerType
from netc.layers.abs_val import ABS_VAL
from netc.layers.axpy import AXPY
from netc.layers.bnll import BNLL
from netc.layers.clip import CLIP
from netc.layers.dropout import DROPOUT
from netc.layers.eltwise import ELTWISE
from netc.layers.elu import ELU
from netc.layers.exp import EXP
from netc.layers.leaky_relu import LEAKY_RELU
from netc.layers.log import LOG
from netc.layers.power import POWER
from netc.layers.prelu import PRELU
from netc.layers.relu import RELU
from netc.layers.relu6 import RELU6
from netc.layers.rrelu import RRELU
from netc.layers.sigmoid import SIGMOID
from netc.layers.swish import SWISH
from netc.layers.tanh import TANH
from netc.layers.threshold import THRESHOLD


def relu(layer: LayerWriter) -> Tops:
    slope = layer.p.negative_slope
    return layer.op("LeakyRelu", layer.x, alpha=slope) if slope else layer.op("Relu", layer.x)


def relu6(layer: LayerWriter) -> Tops:
    slope = layer.p.negative_slope
    if slope:
        return layer.op("Min", layer.op("LeakyRelu", layer.x, alpha=slope), layer.numbers(6))
    return layer.op("Clip", layer.x, layer.numbers(0), layer.numbers(6))


def prelu(layer: LayerWriter) -> Tops:
    count = layer.params[0].size
    shape = (count, *(1,) * (len(layer.shape) - 2)) if layer.params[0].shape else (1,)
    return layer.op("PRelu", layer.x, layer.param(0, shape))


def rrelu(layer: LayerWriter) -> Tops:
    return layer.op("LeakyRelu", layer.x, alpha=(layer.p.lower + layer.p.upper) / 2)


def elu(layer: LayerWriter) -> Tops:
    return layer.op("Elu", layer.x, alpha=layer.p.alpha)


def swish(layer: LayerWriter) -> Tops:
    return layer.op("Mul", layer.x, layer.op("Sigmoid", layer.times(layer.x, layer.p.beta)))


def exponential(layer: LayerWriter) -> Tops:
    """exp(scale ln(base) x) base^shift."""
    base = 1.0 if layer.p.base == -1 else log(layer.p.base)
    return layer.times(layer.op("Exp", layer.times(layer.x, base * layer.p.scale)), exp(base * layer.p.shift))


def logarithm(layer: LayerWriter) -> Tops:
    inner = layer.plus(layer.times(layer.x, layer.p.scale), layer.p.shift)
    return layer.times(layer.op("Log", inner), 1.0 if layer.p.base == -1 else 1 / log(layer.p.base))


def power(layer: LayerWriter) -> Tops:
    inner = layer.plus(layer.times(layer.x, layer.p.scale), layer.p.shift)
    return inner if layer.p.power == 1 else layer.op("Pow", inner, layer.numbers(layer.p.power))


def threshold(layer: LayerWriter) -> Tops:
    return layer.to_float(layer.op("Greater", layer.x, layer.numbers(layer.p.threshold)))


def clip(layer: LayerWriter) -> Tops:
    return layer.op("Clip", layer.x, layer.numbers(layer.p.min), layer.numbers(layer.p.max))


def dropout(layer: LayerWriter) -> Tops:
    """At test nothing is dropped, unless the layer asks for it: ONNX's own Dropout never does before version 12."""
    g, x = layer.setup.known(DropoutGeometry), layer.x
    if g.threshold:
        drawn = layer.op("RandomUniformLike", x, low=0.0, high=1.0)
        x = layer.op("Mul", x, layer.to_float(layer.op("Less", drawn, layer.numbers(1 - layer.p.dropout_ratio))))
    return layer.times(x, g.factor)


def eltwise(layer: LayerWriter) -> Tops:
    operation, bottoms = layer.p.operation, list(layer.bottoms)
    if operation == "MAX":
        return layer.op("Max", *bottoms)
    if operation == "SUM":
        coefficients = layer.p.coeff or (1.0,) * len(bottoms)
        bottoms = [layer.times(b, c) for b, c in zip(bottoms, coefficients, strict=True)]
    made = bottoms[0]
    for other in bottoms[1:]:
        made = layer.op("Add" if operation == "SUM" else "Mul", made, other)
    return made


def axpy(layer: LayerWriter) -> Tops:
    a, x, z = layer.bottoms
    num, channels = layer.dims(1)[:2]
    a = layer.reshape(a, (num, channels, *(1,) * (len(layer.bottom_shapes[1]) - 2)))
    return layer.op("Add", layer.op("Mul", a, x), z)


def named(type: str) -> Write:
    """A type that is one operation without attributes."""
    return lambda layer: layer.op(type, layer.x)


WRITERS: dict[LayerType, Write] = {
    RELU: relu,
    LEAKY_RELU: relu,
    RELU6: relu6,
    PRELU: prelu,
    RRELU: rrelu,
    ELU: elu,
    SWISH: swish,
    SIGMOID: named("Sigmoid"),
    TANH: named("Tanh"),
    ABS_VAL: named("Abs"),
    BNLL: named("Softplus"),
    EXP: exponential,
    LOG: logarithm,
    POWER: power,
    THRESHOLD: threshold,
    CLIP: clip,
    DROPOUT: dropout,
    ELTWISE: eltwise,
    AXPY: axpy,
}
