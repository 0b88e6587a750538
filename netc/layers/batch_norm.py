"""Batch normalization (without the learned scale and bias, which are a Scale layer's).

Computes:
    y = (x - mean) / sqrt(variance + eps), with the mean and variance of each channel over the batch and space while
    training (variance divided by m), and the stored ones at test (Ioffe & Szegedy 2015). Training also updates the
    blobs: factor = f factor + 1, mean = f mean + batch mean, variance = f variance + m/(m-1) batch variance, with
    f = `moving_average_fraction` and m = num * height * width. The stored statistics are mean / factor and
    variance / factor.

Shapes:
    The top has the bottom's shape. Channels are axis 1; a bottom with one axis is one channel. Blobs: mean (C),
    variance (C), factor (1); with `scale_bias` also scale (C) and bias (C).

Gradient:
    dx = (dy - mean(dy) - y mean(dy y)) / sqrt(variance + eps) while training; dx = dy / sqrt(variance + eps) with
    stored statistics.

Caffe notes:
    Three blobs, all 0 at first (factor 0: the stored mean and variance count as 0). They are never learned, whatever
    `lr_mult` says. m/(m-1) stands in the moving average only. `use_global_stats` is false in TRAIN and true in TEST
    unless the file says otherwise. NaN in a channel makes the channel, and its stored statistics, NaN.
    `scale_bias`, `scale_filler` and `bias_filler` are NVCaffe's: y = scale x-hat + bias in one layer, with five blobs.
    Those of NVCaffe 0.15 (scale, bias, mean, variance, and a fifth that is not read; 1 x C x 1 x 1) are loaded as such.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from netc.errors import Code
from netc.jit import kernel
from netc.kernels.channels import channel_dots, channel_sums
from netc.kernels.geometry import BatchNormGeometry, Folded
from netc.kernels.moments import Moments
from netc.layer import (
    BAD_BOTTOM_SHAPE,
    Array,
    Buffer,
    Call,
    Example,
    Input,
    LayerType,
    ParamBlob,
    Refused,
    Setup,
    Shape,
    Site,
)
from netc.role import Fit, Role

STATISTICS_NOT_LEARNED = Code(
    "LAY102",
    "lr_mult on BatchNorm's statistics",
    why="The three blobs of BatchNorm are running sums, not weights: a gradient step on them would destroy them. netc "
    "never learns them, whatever lr_mult says; Caffe refuses the file.",
    example="x = Input() { shape { dim: [2, 3, 8, 8] } }\nbn1 = BatchNorm(x) { param { lr_mult: 1 } }",
    fix="Leave out `param`, or write `param { lr_mult: 0 }` three times. What you want to learn is the Scale layer "
    "after it.",
)
STORED_WHILE_TRAINING = Code(
    "LAY103",
    "BatchNorm uses stored statistics while training",
    why="With `use_global_stats: true` the TRAIN phase normalizes by stored statistics and never updates them. Without "
    "statistics loaded from a snapshot they are zero, and the layer only divides by sqrt(eps).",
    example="x = Input() { shape { dim: [2, 3, 8, 8] } }\n"
    "label = Input() { shape { dim: 2 } }\n"
    "conv = Convolution(x) { num_output: 4 kernel_size: 1 }\n"
    "bn = BatchNorm(conv) { use_global_stats: true }\n"
    "bn = Scale(bn)\n"
    "fc = InnerProduct(bn) { num_output: 10 }\n"
    "loss = SoftmaxWithLoss(fc, label)",
    fix="Leave out use_global_stats (false while training, true at test), unless you fine-tune with frozen statistics.",
)


def setup(site: Site) -> Setup:
    p, bottom = site.p, site.bottoms[0]
    if not bottom:
        site.refuse(BAD_BOTTOM_SHAPE, "needs a bottom with at least one axis", "bottom")
    stored = p.use_global_stats if p.has("use_global_stats") else site.phase == "TEST"
    affine = p.scale_bias or p.has("scale_filler") or p.has("bias_filler")
    g = BatchNormGeometry(_view(bottom), stored, affine)
    _lint(site, stored)
    channels = (g.view.middle,)
    params = [ParamBlob("mean", channels, learned=False), ParamBlob("variance", channels, learned=False)]
    params.append(ParamBlob("factor", (1,), learned=False))
    if affine:
        params.append(ParamBlob("scale", channels, p.scale_filler if p.has("scale_filler") else 1.0))
        params.append(ParamBlob("bias", channels, p.bias_filler))
    reads = ("x",) if affine else () if stored else ("y",)
    return Setup(
        tops=(bottom,),
        params=tuple(params),
        buffers=(Buffer("mean", channels), Buffer("inverse_std", channels)),
        reads=reads,
        in_place=True,
        geometry=g,
    )


def _view(bottom: Shape) -> Folded:
    if len(bottom) == 1:
        return Folded(bottom[0], 1, 1)
    inner = 1
    for size in bottom[2:]:
        inner *= size
    return Folded(bottom[0], bottom[1], inner)


def _lint(site: Site, stored: bool) -> None:
    for spec in site.record.param[:3]:
        if spec.lr_mult != 0:
            message = f"its statistics are not learned, but the file gives lr_mult: {spec.lr_mult:g}"
            site.warn(STATISTICS_NOT_LEARNED, message, "param", help="leave out `param` or write lr_mult: 0")
            break
    if stored and site.phase == "TRAIN":
        message = "use_global_stats: true while training: statistics are read, never updated"
        site.warn(STORED_WHILE_TRAINING, message, "use_global_stats")


@kernel
def _moments(x: Array, mean: Array, variance: Array) -> None:
    count = x.shape[0] * x.shape[2]
    for c in range(x.shape[1]):
        mean[c] /= count
        total = 0.0
        for n in range(x.shape[0]):
            for s in range(x.shape[2]):
                d = x[n, c, s] - mean[c]
                total += d * d
        variance[c] = total / count


@kernel
def _normalize(x: Array, y: Array, mean: Array, factor: Array, shift: Array) -> None:
    for n in range(x.shape[0]):
        for c in range(x.shape[1]):
            for s in range(x.shape[2]):
                y[n, c, s] = (x[n, c, s] - mean[c]) * factor[c] + shift[c]


@kernel
def _gradient(dy: Array, y: Array, dx: Array, factor: Array, constant: Array, slope: Array) -> None:
    for n in range(dy.shape[0]):
        for c in range(dy.shape[1]):
            for s in range(dy.shape[2]):
                dx[n, c, s] = factor[c] * (dy[n, c, s] - constant[c] - slope[c] * y[n, c, s])


def forward(call: Call) -> None:
    g = call.known(BatchNormGeometry)
    x, y = call.bottoms[0].reshape(g.view), call.tops[0].reshape(g.view)
    mean, variance = _stored_statistics(call) if g.stored else _batch_statistics(call, x)
    inverse_std = 1 / np.sqrt(variance + call.p.eps)
    call.buffers["mean"][:] = mean
    call.buffers["inverse_std"][:] = inverse_std
    scale, bias = _affine(call)
    dtype = x.dtype
    _normalize(x, y, mean.astype(dtype), (scale * inverse_std).astype(dtype), bias.astype(dtype))


def _stored_statistics(call: Call) -> tuple[Array, Array]:
    mean, variance, factor = (p.astype(np.float64) for p in call.params[:3])
    scale = 0.0 if factor[0] == 0 else 1 / factor[0]
    return mean * scale, variance * scale


def _batch_statistics(call: Call, x: Array) -> tuple[Array, Array]:
    """The batch's statistics; also updates the stored ones."""
    mean, variance = np.empty(x.shape[1]), np.empty(x.shape[1])
    channel_sums(x, mean)
    _moments(x, mean, variance)
    count = x.shape[0] * x.shape[2]
    unbiased = variance * (count / (count - 1)) if count > 1 else variance
    for blob, value in zip(call.params[:3], (mean, unbiased, 1.0), strict=True):
        blob[:] = call.p.moving_average_fraction * blob + value
    return mean, variance


def _affine(call: Call) -> tuple[Array, Array]:
    if call.known(BatchNormGeometry).affine:
        return call.params[3], call.params[4]
    channels = call.known(BatchNormGeometry).view.middle
    return np.ones(channels, call.tops[0].dtype), np.zeros(channels, call.tops[0].dtype)


def backward(call: Call) -> None:
    g = call.known(BatchNormGeometry)
    dy = call.top_diffs[0].reshape(g.view)
    x_hat = _x_hat(call)
    sums = np.zeros(g.view.middle)
    dots = np.zeros(g.view.middle)
    if g.affine or not g.stored:
        channel_sums(dy, sums)
        channel_dots(dy, x_hat, dots)
    if g.affine:
        _add(call.param_diffs[3], dots)
        _add(call.param_diffs[4], sums)
    if (dx := call.bottom_diffs[0]) is None:
        return
    count = 1.0 if not g.stored else np.inf  # stored statistics do not depend on x
    count *= g.view.outer * g.view.inner
    factor = _affine(call)[0] * call.buffers["inverse_std"]
    dtype: Any = dx.dtype
    constant, slope = (sums / count).astype(dtype), (dots / count).astype(dtype)
    _gradient(dy, x_hat, dx.reshape(g.view), factor, constant, slope)


def _add(diff: Array | None, value: Array) -> None:
    if diff is not None:
        diff += value


def _x_hat(call: Call) -> Array:
    """The normalized values: the top itself, or made again from the bottom; unused with stored statistics."""
    g = call.known(BatchNormGeometry)
    if not g.affine:
        return (call.top_diffs if g.stored else call.tops)[0].reshape(g.view)
    x = call.bottoms[0].reshape(g.view)
    x_hat = np.empty_like(x)
    zero = np.zeros(g.view.middle, x.dtype)
    _normalize(x, x_hat, call.buffers["mean"], call.buffers["inverse_std"], zero)
    return x_hat


class _Estimate:
    """The statistics of all that the layer sees in some passes.

    While training a pass leaves those of its batch in the blobs, if these were 0 before.
    """

    def __init__(self, p: Any, setup: Setup) -> None:
        g = setup.known(BatchNormGeometry)
        self.view, self.stored = g.view, g.stored
        self.moments = Moments(self.view.middle)

    def begin(self, blobs: Sequence[Any]) -> None:
        for blob in () if self.stored else blobs[:3]:
            blob[...] = 0

    def add(self, blobs: Sequence[Any], bottom: Any) -> None:
        if self.stored:
            x = bottom.reshape(-1, *self.view[1:])
            self.moments.add(np.moveaxis(x, 1, 2).reshape(-1, self.view.middle))
            return
        rows = self.view.outer * self.view.inner
        mean, variance = (blob.astype(np.float64) for blob in blobs[:2])
        self.moments.join(rows, mean, variance * (rows - 1 if rows > 1 else 1))

    def blobs(self) -> tuple[Array, ...]:
        return self.moments.mean, self.moments.variance, np.ones(1)


def _empty(blobs: Sequence[Array]) -> str:
    """Statistics whose factor is zero were never gathered."""
    return "" if blobs[2].any() else "BatchNorm statistics with factor 0"


def _current(blobs: tuple[Array, ...]) -> tuple[Array, ...]:
    """NVCaffe 0.15 (DIGITS) wrote scale, bias, mean, variance and a number that it did not read.

    Later versions move them as is done here. Where each blob is one number, those with four axes are the old ones.
    """
    old = len(blobs) == 5 and blobs[4].size == 1 and (blobs[0].size > 1 or blobs[0].ndim == 4)
    if not old:
        return blobs
    scale, bias, mean, variance, _ = blobs
    return mean, variance, np.ones(1, np.float32), scale, bias


def _misfit(own: int, others: int) -> str:
    return {
        (3, 5): "the file's layer scales and shifts, too (NVCaffe): write `batch_norm_param { scale_bias: true }`, and "
        "take the Scale layer after it out, if there is one",
        (5, 3): "the file's layer only normalizes: take `scale_bias`, `scale_filler` and `bias_filler` out; the Scale "
        "layer after it has the rest",
        (3, 4): _OTHER_TYPE,
        (5, 4): _OTHER_TYPE,
    }.get((own, others), "")


_OTHER_TYPE = 'four blobs (slope, bias, mean, variance) are those of a layer of `type: "BN"`'


def _kept(p: Any) -> dict[int, float]:
    return dict.fromkeys(range(3), float(p.moving_average_fraction))


BATCH_NORM = LayerType(
    "BatchNorm",
    __doc__,
    setup,
    forward,
    backward,
    param="batch_norm_param",
    codes=(STATISTICS_NOT_LEARNED, STORED_WHILE_TRAINING),
    role=Role(
        "normalization",
        space="same",
        advice="a variance is zero or overflows: look at `eps`, at the batch size, and at dead layers before it",
        fit=Fit(_Estimate, chained=lambda setup: setup.known(BatchNormGeometry).stored),
        doubt=_empty,
        current=_current,
        misfit=_misfit,
        running=lambda p, setup: {} if setup.known(BatchNormGeometry).stored else _kept(p),
        called={
            "batchnormalization": '(with a "Scale" after it)',
            "batchnorm2d": '(with a "Scale" after it)',
            "norm": "",
        },
    ),
    examples=(
        Example(inputs=(Input((4, 3, 5, 4)),)),
        Example("batch_norm_param { moving_average_fraction: 0.9 eps: 0.01 }", inputs=(Input((6, 4)),)),
        Example("batch_norm_param { use_global_stats: true eps: 0.5 }", inputs=(Input((2, 3, 4)),)),
        Example("batch_norm_param { use_global_stats: false }", inputs=(Input((4, 3, 2, 2)),), phase="TEST"),
        Example("batch_norm_param { eps: 0.5 }", inputs=(Input((2, 3, 4)),), phase="TEST"),
        Example(inputs=(Input((8,)),)),
        Example("batch_norm_param { scale_bias: true }", inputs=(Input((4, 3, 2, 2)),)),
        Example(
            'batch_norm_param { scale_filler { type: "uniform" min: 0.5 max: 1.5 } bias_filler { value: 1 } }',
            inputs=(Input((4, 3, 2)),),
            phase="TEST",
        ),
    ),
    refuses=(Refused(BAD_BOTTOM_SHAPE, bottoms=((),)),),
)
