"""Local response normalization (Krizhevsky, Sutskever & Hinton 2012, section 3.3).

Computes:
    ACROSS_CHANNELS: y = x / s^beta, s = k + alpha / n * (the sum of x^2 over the n = `local_size` channels around).
    WITHIN_CHANNEL: y = x / s^beta, s = 1 + alpha / n^2 * (the sum of x^2 over the n x n square around).
    Channels and cells outside the bottom count as 0.

Shapes:
    The top has the bottom's shape: num x channels x height x width.

Gradient:
    dx = dy / s^beta - 2 alpha' beta x * (the sum over the same neighbourhood of dy x / s^(beta + 1)), where alpha' is
    alpha / n or alpha / n^2. s is computed again from x.

Caffe notes:
    alpha is divided by the number of summed cells, unlike in the paper. WITHIN_CHANNEL does not use `k`: it is 1.
    `local_size` must be odd.
"""

import numpy as np

from netc.jit import kernel
from netc.kernels.geometry import LrnGeometry
from netc.layer import (
    BAD_BOTTOM_SHAPE,
    BAD_FIELD,
    Array,
    Buffer,
    Call,
    Example,
    Input,
    LayerType,
    Refused,
    Setup,
    Site,
    format_shape,
)
from netc.role import Role


def setup(site: Site) -> Setup:
    p, bottom = site.p, site.bottoms[0]
    if len(bottom) != 4:
        shape = format_shape(bottom)
        site.refuse(BAD_BOTTOM_SHAPE, f"needs num x channels x height x width, but its bottom is {shape}", "bottom")
    if p.local_size % 2 == 0:
        site.refuse(BAD_FIELD, f"local_size must be odd, but is {p.local_size}", "local_size")
    across = p.norm_region == "ACROSS_CHANNELS"
    g = LrnGeometry(
        reach=p.local_size // 2,
        across=across,
        height=bottom[2],
        width=bottom[3],
        k=p.k if across else 1.0,
        alpha=p.alpha / (p.local_size if across else p.local_size**2),
    )
    scratch = tuple(Buffer(name, bottom[1:], kind="scratch") for name in ("scale", "ratio"))
    return Setup(tops=(bottom,), buffers=scratch, reads=("x",), geometry=g)


@kernel
def _sum_channels(values: Array, sums: Array, reach: int) -> None:
    """sums[c] = the sum of values[c - reach .. c + reach]; both are channels x cells."""
    channels, cells = values.shape
    for c in range(channels):
        sums[c] = 0
        for other in range(max(c - reach, 0), min(c + reach + 1, channels)):
            for i in range(cells):
                sums[c, i] += values[other, i]


@kernel
def _sum_squares(values: Array, sums: Array, reach: int, height: int, width: int) -> None:
    """sums = the sum of each cell's square neighbourhood in its plane; both are channels x (height * width)."""
    for c in range(values.shape[0]):
        for h in range(height):
            for w in range(width):
                total = values.dtype.type(0)
                for line in range(max(h - reach, 0), min(h + reach + 1, height)):
                    for cell in range(max(w - reach, 0), min(w + reach + 1, width)):
                        total += values[c, line * width + cell]
                sums[c, h * width + w] = total


def _sum(g: LrnGeometry, values: Array, sums: Array) -> None:
    if g.across:
        _sum_channels(values, sums, g.reach)
    else:
        _sum_squares(values, sums, g.reach, g.height, g.width)


def _scale(g: LrnGeometry, x: Array, scale: Array, squares: Array) -> None:
    """scale = k + alpha * (sum of squares)."""
    np.multiply(x, x, out=squares)
    _sum(g, squares, scale)
    scale *= scale.dtype.type(g.alpha)
    scale += scale.dtype.type(g.k)


def _power(scale: Array, beta: float, out: Array) -> None:
    """out = scale^-beta; the usual beta of 0.75 by two square roots, ten times as fast."""
    if beta == 0.75:
        np.sqrt(scale, out=out)
        out *= np.sqrt(out)
        np.divide(out.dtype.type(1), out, out=out)
    else:
        np.power(scale, out.dtype.type(-beta), out=out)


def forward(call: Call) -> None:
    g = call.known(LrnGeometry)
    for x, y in zip(call.bottoms[0], call.tops[0], strict=True):
        image, result = x.reshape(len(x), -1), y.reshape(len(x), -1)
        scale, ratio = (call.buffers[name].reshape(image.shape) for name in ("scale", "ratio"))
        _scale(g, image, scale, ratio)
        _power(scale, call.p.beta, ratio)
        np.multiply(image, ratio, out=result)


def backward(call: Call) -> None:
    g = call.known(LrnGeometry)
    bottom_diff = call.bottom_diffs[0]
    if bottom_diff is None:
        return
    for x, dx, dy in zip(call.bottoms[0], bottom_diff, call.top_diffs[0], strict=True):
        image, gradient, given = (a.reshape(len(x), -1) for a in (x, dx, dy))
        scale, ratio = (call.buffers[name].reshape(image.shape) for name in ("scale", "ratio"))
        _scale(g, image, scale, ratio)
        _power(scale, call.p.beta, ratio)
        np.multiply(given, ratio, out=gradient)
        np.multiply(gradient, image, out=ratio)
        ratio /= scale
        _sum(g, ratio, scale)
        scale *= image
        scale *= scale.dtype.type(2 * g.alpha * call.p.beta)
        gradient -= scale


LRN = LayerType(
    "LRN",
    __doc__,
    setup,
    forward,
    backward,
    param="lrn_param",
    role=Role(
        "normalization", space="same", called={"localresponsenorm": "", "localresponsenormalization": "", "norm": ""}
    ),
    examples=(
        Example("lrn_param { local_size: 3 alpha: 0.5 beta: 0.75 }", inputs=(Input((2, 5, 3, 4)),)),
        Example("lrn_param { local_size: 5 alpha: 1.5 beta: 0.6 k: 2 }", inputs=(Input((2, 7, 2, 3)),)),
        Example("lrn_param { local_size: 9 }"),
        Example("lrn_param { local_size: 3 alpha: 2 norm_region: WITHIN_CHANNEL k: 5 }"),
        Example("lrn_param { local_size: 5 alpha: 2 beta: 0.5 norm_region: WITHIN_CHANNEL }"),
    ),
    refuses=(
        Refused(BAD_FIELD, "lrn_param { local_size: 4 }"),
        Refused(BAD_BOTTOM_SHAPE, bottoms=((2, 3),)),
    ),
)
