"""Contrastive loss of pairs (Hadsell, Chopra & LeCun 2006).

Computes:
    d = |a - b| for each pair; loss = 1/(2N) sum of y d^2 + (1 - y) max(margin - d, 0)^2, with y = 1 for like pairs.
    With `legacy_version` unlike pairs give max(margin - d^2, 0) instead.

Shapes:
    Bottoms: a and b (N x C), and N labels y. The top is a scalar.

Gradient:
    da = w (a - b) for like pairs; -w (margin - d) (a - b) / (d + 1e-4) for unlike pairs closer than the margin (with
    `legacy_version`: -w (a - b) where d^2 < margin); else 0. w = weight / N, db = -da.

Caffe notes:
    The formula of `legacy_version` is that of Caffe's first versions. 1e-4 keeps the gradient finite where d = 0. A
    pair is like if y, cut to an integer, is not 0. NaN in a or b makes the loss NaN.
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
from netc.role import ANYTHING, Holds, Role


def setup(site: Site) -> Setup:
    a, b, labels = site.bottoms
    if len(a) < 2 or a[:2] != b[:2] or prod(a) != a[0] * a[1] or prod(b) != prod(a) or prod(labels) != a[0]:
        shapes = ", ".join(map(format_shape, site.bottoms))
        site.refuse(BAD_BOTTOM_SHAPE, f"needs two bottoms N x C and N labels, but they are {shapes}", "bottom")
    return Setup(tops=((),), reads=("x",), holds=(ANYTHING, ANYTHING, Holds("binary")))


def _pairs(call: Call) -> tuple[Array, Array, Array]:
    """a - b as N x C, its squared length, and which pairs are like."""
    a = call.bottoms[0]
    difference = a.reshape(a.shape[0], -1) - call.bottoms[1].reshape(a.shape[0], -1)
    return difference, (difference * difference).sum(axis=1), np.trunc(call.bottoms[2].ravel()) != 0


def forward(call: Call) -> None:
    difference, square, like = _pairs(call)
    margin = call.p.margin
    unlike = np.maximum(margin - (square if call.p.legacy_version else np.sqrt(square)), 0)
    if not call.p.legacy_version:
        unlike = unlike * unlike
    call.tops[0][...] = np.where(like, square, unlike).sum(dtype=np.float64) / (2 * len(difference))


def backward(call: Call) -> None:
    difference, square, like = _pairs(call)
    margin = call.p.margin
    if call.p.legacy_version:
        unlike = np.where(margin - square > 0, -1, 0)
    else:
        distance = np.sqrt(square)
        unlike = np.where(margin - distance > 0, (distance - margin) / (distance + 1e-4), 0)
    factor = np.where(like, 1, unlike) * (call.top_diffs[0].item() / len(difference))
    for dx, sign in zip(call.bottom_diffs[:2], (1, -1), strict=True):
        if dx is not None:
            dx[...] = (difference * (sign * factor)[:, None]).reshape(dx.shape)


_PAIRS = (Input((8, 5)), Input((8, 5)), Input((8,), "binary"))

CONTRASTIVE_LOSS = LayerType(
    "ContrastiveLoss",
    __doc__,
    setup,
    forward,
    backward,
    param="contrastive_loss_param",
    bottoms=Arity(3, 3),
    differentiable=(True, True, False),
    loss=True,
    auto_tops=True,
    role=Role("loss"),
    examples=(
        Example("contrastive_loss_param { margin: 4 }", inputs=_PAIRS),
        Example("contrastive_loss_param { margin: 8 legacy_version: true }", inputs=_PAIRS),
        Example(inputs=(Input((4, 3, 1, 1)), Input((4, 3, 1, 1)), Input((4, 1), "binary"))),
    ),
    refuses=(
        Refused(BAD_BOTTOM_SHAPE, bottoms=((4, 3), (4, 2), (4,))),
        Refused(BAD_BOTTOM_SHAPE, bottoms=((4, 3), (4, 3), (3,))),
    ),
)
