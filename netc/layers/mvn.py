"""Mean-variance normalization of each image.

Computes:
    y = (x - mean) / (std + eps), with the mean and standard deviation of each channel of each image (of each whole
    image with `across_channels`); y = x - mean without `normalize_variance`.

Shapes:
    The top has the bottom's shape: num x channels x anything.

Gradient:
    dx = (dy - mean(dy) - y mean(dy y)) / (std + eps), or dy - mean(dy) without `normalize_variance`.

Caffe notes:
    eps is added to the standard deviation, not to the variance, and the gradient takes it to be small beside it. NaN in
    a channel makes the channel NaN.
"""

from math import prod

import numpy as np

from netc.kernels.geometry import Matrix
from netc.layer import BAD_BOTTOM_SHAPE, Array, Buffer, Call, Example, Input, LayerType, Refused, Setup, Site
from netc.role import Role


def setup(site: Site) -> Setup:
    p, bottom = site.p, site.bottoms[0]
    if not bottom:
        site.refuse(BAD_BOTTOM_SHAPE, "needs a bottom with at least one axis", "bottom")
    axes = 1 if p.across_channels else 2
    rows = prod(bottom[:axes])
    return Setup(
        tops=(bottom,),
        buffers=(Buffer("divisor", (rows, 1)),) if p.normalize_variance else (),
        reads=("y",) if p.normalize_variance else (),
        in_place=True,
        geometry=Matrix(rows, prod(bottom[axes:])),
    )


def _mean(values: Array) -> Array:
    mean: Array = values.mean(axis=1, keepdims=True, dtype=np.float64).astype(values.dtype)
    return mean


def forward(call: Call) -> None:
    view = call.known(Matrix)
    x, y = call.bottoms[0].reshape(view), call.tops[0].reshape(view)
    np.subtract(x, _mean(x), out=y)
    if call.p.normalize_variance:
        divisor = call.buffers["divisor"]
        divisor[...] = np.sqrt(_mean(y * y)) + call.p.eps
        y /= divisor


def backward(call: Call) -> None:
    view = call.known(Matrix)
    dx = call.bottom_diffs[0]
    if dx is None:
        return
    dy, out = call.top_diffs[0].reshape(view), dx.reshape(view)
    if not call.p.normalize_variance:
        np.subtract(dy, _mean(dy), out=out)
        return
    y = call.tops[0].reshape(view)
    slope, constant = _mean(dy * y), _mean(dy)
    np.subtract(dy, constant, out=out)
    out -= slope * y
    out /= call.buffers["divisor"]


MVN = LayerType(
    "MVN",
    __doc__,
    setup,
    forward,
    backward,
    param="mvn_param",
    role=Role("normalization", space="same", called={"instancenorm": "", "norm": ""}),
    examples=(
        Example(),
        Example("mvn_param { normalize_variance: false }"),
        Example("mvn_param { across_channels: true eps: 1e-5 }"),
        Example("mvn_param { across_channels: true normalize_variance: false }", inputs=(Input((3, 6)),)),
    ),
    refuses=(Refused(BAD_BOTTOM_SHAPE, bottoms=((),)),),
)
