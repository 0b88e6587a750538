"""Style loss (Gatys, Ecker & Bethge 2016): how much the correlations of channels differ.

Computes:
    G(x)[i, j] = 1/M times the sum over the M positions of x[i] x[j]; loss = 1/(4 N C^2) sum of (G(a) - G(b))^2.

Shapes:
    Bottoms: the features of two images, N x C x ... (their numbers of positions may differ). A second bottom
    N x C x C is taken as a Gram matrix already made (by a Gram layer). The top is a scalar.

Gradient:
    da = weight (G(a) - G(b)) a / (N C^2 M); db likewise with the opposite sign. If b is a
    Gram matrix, db = -weight (G(a) - b) / (2 N C^2).

Caffe notes:
    Caffe has no such layer. NaN in a bottom makes the loss NaN.
"""

from math import prod

import numpy as np

from netc.layer import (
    BAD_BOTTOM_SHAPE,
    Arity,
    Array,
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
    a, b = site.bottoms
    if len(a) < 2 or a[:2] != b[:2]:
        message = f"its bottoms need the same num and channels, but are {format_shape(a)} and {format_shape(b)}"
        site.refuse(BAD_BOTTOM_SHAPE, message, "bottom")
    products = a[0] * a[1] * a[1]
    return Setup(tops=((),), reads=("x",), macs=products * (prod(a[2:]) + prod(b[2:])))


def _is_gram(b: Array) -> bool:
    return b.ndim == 3 and b.shape[1] == b.shape[2]


def _features(x: Array) -> Array:
    return x.reshape(x.shape[0], x.shape[1], -1)


def _gram(x: Array) -> Array:
    features = _features(x)
    gram: Array = (features @ features.swapaxes(1, 2)) / features.shape[2]
    return gram


def _difference(call: Call) -> Array:
    a, b = call.bottoms
    return _gram(a) - (b if _is_gram(b) else _gram(b))


def forward(call: Call) -> None:
    difference = _difference(call)
    call.tops[0][...] = (difference * difference).sum(dtype=np.float64) / (4 * difference.size)


def backward(call: Call) -> None:
    a, b = call.bottoms
    difference = _difference(call)
    difference *= call.top_diffs[0].item() / difference.size
    da, db = call.bottom_diffs
    if da is not None:
        features = _features(a)
        da[...] = (_symmetric(difference) @ features / features.shape[2]).reshape(a.shape)
    if db is None:
        return
    if _is_gram(b):
        db[...] = difference / -2
    else:
        features = _features(b)
        db[...] = (_symmetric(difference) @ features / -features.shape[2]).reshape(b.shape)


def _symmetric(difference: Array) -> Array:
    return (difference + difference.swapaxes(1, 2)) / 2


STYLE_LOSS = LayerType(
    "StyleLoss",
    __doc__,
    setup,
    forward,
    backward,
    bottoms=Arity(2, 2),
    loss=True,
    auto_tops=True,
    origin="netc",
    role=Role("loss"),
    examples=(
        Example(inputs=(Input((2, 3, 2, 3)), Input((2, 3, 4, 2)))),
        Example("loss_weight: 10", inputs=(Input((2, 3, 5)), Input((2, 3, 3)))),
    ),
    refuses=(
        Refused(BAD_BOTTOM_SHAPE, bottoms=((2, 3, 4), (2, 4, 4))),
        Refused(BAD_BOTTOM_SHAPE, bottoms=((2,), (2,))),
    ),
)
