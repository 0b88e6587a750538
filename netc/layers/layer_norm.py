"""Layer normalization (Ba, Kiros & Hinton 2016).

Computes:
    y = g (x - mean) / sqrt(variance + eps) + b, with the mean and variance over all axes from `axis` on, at every other
    position on its own, and a learned gain g and bias b for each normalized value.

Shapes:
    The top has the bottom's shape. Blobs with `affine`: gain and bias, of the bottom's shape from `axis` on.

Gradient:
    With n = (x - mean) / sqrt(variance + eps) and e = g dy: dx = (e - mean(e) - n mean(e n)) / sqrt(variance + eps);
    dg = the sum of dy n, db = the sum of dy, over the other positions.

Caffe notes:
    Caffe has no such layer. Unlike BatchNorm it is the same while training and at test, and keeps no statistics.
"""

from math import prod

import numpy as np

from netc.kernels.geometry import Matrix
from netc.layer import (
    AXIS_OUT_OF_RANGE,
    Array,
    Buffer,
    Call,
    Example,
    Input,
    LayerType,
    Param,
    ParamBlob,
    Refused,
    Setup,
    Site,
)
from netc.role import Role
from netc.schema.declare import Field, Message, optional

OWN = Param(
    Field("layer_norm_param", 2100, "LayerNormParameter", "Fields of LayerNorm layers.", origin="netc"),
    (
        Message(
            "LayerNormParameter",
            (
                optional("axis", 1, "int32", -1, "First of the axes that are normalized together."),
                optional("eps", 2, "float", 1e-5, "Added to the variance."),
                optional("affine", 3, "bool", True, "Learn a gain and a bias for each value."),
                optional("gain_filler", 4, "FillerParameter", doc="How the gain starts; ones if unset."),
                optional("bias_filler", 5, "FillerParameter", doc="How the bias starts; zeros if unset."),
            ),
            doc="Normalizes each position by its own mean and variance.",
            origin="netc",
        ),
    ),
)


def setup(site: Site) -> Setup:
    p, bottom = site.p, site.bottoms[0]
    axis = site.axis(p.axis)
    rows, shape = prod(bottom[:axis]), bottom[axis:]
    gain = ParamBlob("gain", shape, p.gain_filler if p.has("gain_filler") else 1.0)
    return Setup(
        tops=(bottom,),
        params=(gain, ParamBlob("bias", shape, p.bias_filler)) if p.affine else (),
        buffers=(Buffer("mean", (rows, 1)), Buffer("inverse_std", (rows, 1))),
        reads=("x",),
        in_place=True,
        geometry=Matrix(rows, prod(shape)),
    )


def _mean(values: Array) -> Array:
    mean: Array = values.mean(axis=1, keepdims=True, dtype=np.float64).astype(values.dtype)
    return mean


def forward(call: Call) -> None:
    view = call.known(Matrix)
    x, y = call.bottoms[0].reshape(view), call.tops[0].reshape(view)
    mean, inverse = call.buffers["mean"], call.buffers["inverse_std"]
    mean[...] = _mean(x)
    np.subtract(x, mean, out=y)
    inverse[...] = 1 / np.sqrt(_mean(y * y) + call.p.eps)
    y *= inverse
    if call.params:
        y *= call.params[0].reshape(-1)
        y += call.params[1].reshape(-1)


def backward(call: Call) -> None:
    view = call.known(Matrix)
    x, dy = call.bottoms[0].reshape(view), call.top_diffs[0].reshape(view)
    inverse = call.buffers["inverse_std"]
    n = (x - call.buffers["mean"]) * inverse
    e = dy
    if call.params:
        e = dy * call.params[0].reshape(-1)
        for diff, value in zip(call.param_diffs, (dy * n, dy), strict=True):
            if diff is not None:
                diff.reshape(-1)[...] += value.sum(axis=0)
    if (dx := call.bottom_diffs[0]) is not None:
        dx.reshape(view)[...] = (e - _mean(e) - n * _mean(e * n)) * inverse


LAYER_NORM = LayerType(
    "LayerNorm",
    __doc__,
    setup,
    forward,
    backward,
    param="layer_norm_param",
    own=OWN,
    origin="netc",
    role=Role("normalization", called={"layernormalization": ""}),
    examples=(
        Example(inputs=(Input((2, 3, 5)),)),
        Example("layer_norm_param { axis: 1 affine: false eps: 0.01 }", inputs=(Input((3, 2, 2, 2)),)),
        Example(
            'layer_norm_param { axis: 1 gain_filler { type: "uniform" min: 0.5 max: 1.5 } bias_filler { value: 0.1 } }',
            inputs=(Input((3, 2, 3)),),
        ),
    ),
    refuses=(Refused(AXIS_OUT_OF_RANGE, "layer_norm_param { axis: 4 }"),),
)
