"""Dropout: sets random values to zero while training (Srivastava et al. 2014).

Computes:
    While training y = m x / (1 - r), where m is 0 with probability r = `dropout_ratio` and 1 otherwise, drawn anew for
    each value and iteration. At test y = x. With `scale_train: false` y = m x while training and y = (1 - r) x at test.

Shapes:
    The top has the bottom's shape.

Gradient:
    dx = m dy / (1 - r), with the same m: it is computed again from (seed, stream, iteration, index), not stored.

Caffe notes:
    The share of zeros is Caffe's, the places are not: Caffe's random numbers depend on the order of all draws before.
    `scale_train` is a field of Fast R-CNN's fork and others; `sample_weights_test`, a field of SegNet's, drops values
    at test as while training (Bayesian SegNet, Kendall et al. 2015).
"""

from netc.jit import kernel
from netc.kernels.geometry import DropoutGeometry
from netc.kernels.philox import block
from netc.layer import BAD_FIELD, Array, Call, Example, Input, LayerType, Refused, Setup, Site
from netc.role import Role


def setup(site: Site) -> Setup:
    ratio = site.p.dropout_ratio
    if not 0 <= ratio < 1:
        _out_of_range(site)
    training, scale_train = site.phase == "TRAIN" or site.p.sample_weights_test, site.p.scale_train
    factor = 1.0
    if training and scale_train:
        factor = 1 / (1 - ratio)
    elif not training and not scale_train:
        factor = 1 - ratio
    g = DropoutGeometry(factor, round(ratio * 2**32) if training else 0)
    return Setup(tops=(site.bottoms[0],), reads=(), in_place=True, random=g.threshold > 0, geometry=g)


def _out_of_range(site: Site) -> None:
    """Caffe looks at the ratio in its debug build only; at test nothing is dropped, whatever it is."""
    message = f"dropout_ratio: {site.p.dropout_ratio:g} must be at least 0 and less than 1"
    if site.phase == "TRAIN" or site.p.sample_weights_test:
        site.refuse(BAD_FIELD, message, "dropout_ratio")
    what = "drop every value and scale by infinity, which gives NaN" if site.p.dropout_ratio == 1 else "have no meaning"
    site.warn(BAD_FIELD, f"{message}; this net drops nothing, but training would {what}", "dropout_ratio")


@kernel
def _mask(x: Array, y: Array, factor: float, threshold: int, seed: int, stream: int, iteration: int) -> None:
    for number in range((x.size + 3) // 4):
        words = block(seed, stream, iteration, number)
        first = 4 * number
        for lane in range(min(4, x.size - first)):
            y[first + lane] = x[first + lane] * factor if int(words[lane]) >= threshold else 0


def _apply(call: Call, x: Array, y: Array) -> None:
    g = call.known(DropoutGeometry)
    factor = x.dtype.type(g.factor)
    if g.threshold:
        _mask(x.ravel(), y.ravel(), factor, g.threshold, call.seed, call.stream, call.iteration)
    elif x is not y or factor != 1:
        y[...] = x * factor


def forward(call: Call) -> None:
    _apply(call, call.bottoms[0], call.tops[0])


def backward(call: Call) -> None:
    dx = call.bottom_diffs[0]
    if dx is not None:
        _apply(call, call.top_diffs[0], dx)


DROPOUT = LayerType(
    "Dropout",
    __doc__,
    setup,
    forward,
    backward,
    param="dropout_param",
    role=Role("activation", drops=True, space="same"),
    examples=(
        Example("dropout_param { dropout_ratio: 0.4 }"),
        Example("dropout_param { dropout_ratio: 0.4 }", phase="TEST"),
        Example("dropout_param { dropout_ratio: 0.4 scale_train: false }", inputs=(Input((3, 7)),)),
        Example("dropout_param { dropout_ratio: 0.4 scale_train: false }", inputs=(Input((3, 7)),), phase="TEST"),
        Example("dropout_param { sample_weights_test: true }", inputs=(Input((3, 7)),), phase="TEST"),
        Example("dropout_param { dropout_ratio: 0 }", inputs=(Input((5,)),)),
    ),
    refuses=(
        Refused(BAD_FIELD, "dropout_param { dropout_ratio: 1 }"),
        Refused(BAD_FIELD, "dropout_param { dropout_ratio: -0.1 }"),
    ),
)
