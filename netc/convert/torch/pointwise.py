"""Layers that treat each value by itself, or values of several bottoms together."""

from __future__ import annotations

from math import exp, log

from netc.convert.torch.code import Bottom, Chain, Expression, call, chain, literal, raw
from netc.convert.torch.writer import Argument, LayerWriter, State, Write, Written, X, applied, made, module
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
from netc.layers.softmax import SOFTMAX
from netc.layers.swish import SWISH
from netc.layers.tanh import TANH
from netc.layers.threshold import THRESHOLD


def relu(layer: LayerWriter) -> Written:
    slope = layer.p.negative_slope
    return made(call("nn.functional.leaky_relu", X, literal(slope)) if slope else call("nn.functional.relu", X))


def relu6(layer: LayerWriter) -> Written:
    slope = layer.p.negative_slope
    return made(
        call("torch.clamp", call("nn.functional.leaky_relu", X, literal(slope)), max=6)
        if slope
        else call("nn.functional.relu6", X)
    )


def prelu(layer: LayerWriter) -> Written:
    slopes = layer.params[0].reshape(-1)
    return module("nn.PReLU", Argument("num_parameters", slopes.size, 1), state={"weight": State(slopes, 0)})


def rrelu(layer: LayerWriter) -> Written:
    return module("nn.RReLU", layer.p.lower, layer.p.upper)


def elu(layer: LayerWriter) -> Written:
    alpha = layer.p.alpha
    return made(call("nn.functional.elu", X) if alpha == 1 else call("nn.functional.elu", X, alpha=alpha))


def swish(layer: LayerWriter) -> Written:
    beta = layer.p.beta
    return made(call("nn.functional.silu", X) if beta == 1 else raw(X, " * ", call("torch.sigmoid", _times(X, beta))))


def exponential(layer: LayerWriter) -> Written:
    """exp(scale ln(base) x) base^shift."""
    base = 1.0 if layer.p.base == -1 else log(layer.p.base)
    inner = call("torch.exp", _times(X, base * layer.p.scale))
    return made(_times(inner, exp(base * layer.p.shift)))


def logarithm(layer: LayerWriter) -> Written:
    inner = call("torch.log", _line(layer.p.shift, layer.p.scale))
    return made(_times(inner, 1.0 if layer.p.base == -1 else 1 / log(layer.p.base)))


def power(layer: LayerWriter) -> Written:
    line, exponent = _line(layer.p.shift, layer.p.scale), layer.p.power
    if exponent == 1:
        return made(line)
    return made(raw("(", line, ") ** ", literal(exponent)) if line != X else raw(X, "**", literal(exponent)))


def _line(shift: float, scale: float) -> Expression:
    """shift + scale * x."""
    return raw(literal(float(shift)), " + ", _times(X, scale)) if shift else _times(X, scale)


def _times(value: Expression, factor: float) -> Expression:
    return value if factor == 1 else raw("-" if factor == -1 else f"{literal(float(factor))} * ", value)


def threshold(layer: LayerWriter) -> Written:
    return made(raw("(", X, f" > {literal(layer.p.threshold)}).to(", X, ".dtype)"))


def clip(layer: LayerWriter) -> Written:
    return made(call("torch.clamp", X, literal(layer.p.min), literal(layer.p.max)))


def dropout(layer: LayerWriter) -> Written:
    p = layer.p
    ratio = Argument("p", p.dropout_ratio, 0.5)
    if p.sample_weights_test:
        return made(call("nn.functional.dropout", X, p=p.dropout_ratio, training=True))
    return module("nn.Dropout" if p.scale_train else "UnscaledDropout", ratio)


def softmax(layer: LayerWriter) -> Written:
    return made(call("torch.softmax", X, dim=layer.axis(layer.p.axis)))


def eltwise(layer: LayerWriter) -> Written:
    operation, bottoms = layer.p.operation, layer.bottoms
    if operation == "PROD":
        return made(chain("*", bottoms))
    if operation == "SUM":
        return made(_sum(bottoms, layer.p.coeff or (1.0,) * len(bottoms)))
    largest: Expression = bottoms[0]
    for other in bottoms[1:]:
        largest = call("larger", largest, other) if largest == bottoms[0] else call("larger", other, largest)
    return made(largest)


def _sum(bottoms: tuple[Bottom, ...], factors: tuple[float, ...]) -> Expression:
    operands = [_times(b, abs(f) if i else f) for i, (b, f) in enumerate(zip(bottoms, factors, strict=True))]
    return Chain(tuple(operands), tuple("-" if f < 0 else "+" for f in factors[1:]))


def axpy(layer: LayerWriter) -> Written:
    a, x, z = layer.bottoms
    return made(chain("+", (raw(call("spread", a, x, "0"), " * ", x), z)))


WRITERS: dict[LayerType, Write] = {
    RELU: relu,
    LEAKY_RELU: relu,
    RELU6: relu6,
    PRELU: prelu,
    RRELU: rrelu,
    ELU: elu,
    SWISH: swish,
    SIGMOID: applied("torch.sigmoid"),
    TANH: applied("torch.tanh"),
    ABS_VAL: applied("torch.abs"),
    BNLL: applied("nn.functional.softplus"),
    EXP: exponential,
    LOG: logarithm,
    POWER: power,
    THRESHOLD: threshold,
    CLIP: clip,
    DROPOUT: dropout,
    SOFTMAX: softmax,
    ELTWISE: eltwise,
    AXPY: axpy,
}
