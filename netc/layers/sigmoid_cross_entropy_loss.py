"""Sigmoid with binary cross-entropy loss.

Computes:
    loss = -1/M sum of t log s(x) + (1 - t) log(1 - s(x)), s(x) = 1 / (1 + exp(-x)), as
    x (t - [x >= 0]) - log(1 + exp(-|x|)), which does not overflow. Targets t are any numbers, usually in [0, 1].
    M is the batch size (BATCH_SIZE, the default), the number of values (FULL), of values whose target is not
    `ignore_label` (VALID), or 1 (NONE), and at least 1. A third bottom weighs each value's term; M does not change.

Shapes:
    Bottoms with as many values: scores, targets, and perhaps weights. The top is a scalar.

Gradient:
    dx = weight (s(x) - t) / M, 0 where the target is ignored. Targets and weights take none.

Caffe notes:
    Without `normalization` and the legacy `normalize` the loss is divided by the batch size, unlike SoftmaxWithLoss.
    Caffe takes no weights. A target is ignored if it is `ignore_label` after cutting it to an integer. NaN in a score
    makes the loss NaN.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from netc.kernels.softmax import normalization, normalizer
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
    Shape,
    Site,
    format_shape,
)
from netc.role import ANYTHING, Guess, Holds, Role
from netc.setups.weights import check_weights


@dataclass(frozen=True, slots=True)
class Geometry:
    """What the loss is divided by, and the target that does not count."""

    mode: str
    ignore: int | None


def setup(site: Site) -> Setup:
    p, (scores, targets) = site.p, site.bottoms[:2]
    if not scores or not targets or scores[0] != targets[0] or prod(scores) != prod(targets):
        shapes = f"{format_shape(scores)} and {format_shape(targets)}"
        site.refuse(BAD_BOTTOM_SHAPE, f"its bottoms need the same num and as many values, but are {shapes}", "bottom")
    ignore = p.ignore_label if p.has("ignore_label") else None
    check_weights(site)
    holds = (ANYTHING, Holds("binary"), Holds("uniform"))
    return Setup(tops=((),), reads=("x",), holds=holds, geometry=Geometry(normalization(p, "BATCH_SIZE"), ignore))


def _counts(call: Call) -> Array:
    targets, ignore = call.bottoms[1].ravel(), call.known(Geometry).ignore
    if ignore is None:
        return np.ones(targets.shape, np.bool_)
    counts: Array = np.trunc(targets) != ignore
    return counts


def _divisor(call: Call, counts: Array) -> float:
    num = call.bottoms[0].shape[0]
    return normalizer(call.known(Geometry).mode, num, counts.size // num, int(counts.sum()))


def forward(call: Call) -> None:
    x, t = call.bottoms[0].ravel(), call.bottoms[1].ravel()
    counts = _counts(call)
    terms = x * (t - (x >= 0)) - np.log1p(np.exp(-np.abs(x)))
    if len(call.bottoms) > 2:
        terms *= call.bottoms[2].ravel()
    call.tops[0][...] = -terms[counts].sum(dtype=np.float64) / _divisor(call, counts)


def backward(call: Call) -> None:
    dx = call.bottom_diffs[0]
    if dx is None:
        return
    x, t = call.bottoms[0].ravel(), call.bottoms[1].ravel()
    counts = _counts(call)
    small = np.exp(-np.abs(x))
    sigmoid = np.where(x >= 0, 1, small) / (1 + small)
    weight = call.top_diffs[0].item() / _divisor(call, counts)
    slope = (sigmoid - t) * weight
    if len(call.bottoms) > 2:
        slope *= call.bottoms[2].ravel()
    dx[...] = np.where(counts, slope, 0).reshape(dx.shape)


_OTHER_NAMES = ("bce", "bceloss", "bcewithlogitsloss", "binarycrossentropy")
_TARGETS = (Input((6, 7)), Input((6, 7), "binary"))


def _guess(record: Any, bottoms: Sequence[Shape]) -> Guess | None:
    """log 2 a value, summed over all values of a sample, if each counts as one."""
    return (
        None
        if len(bottoms) > 2 or record.loss_param.has("normalization")
        else Guess(math.log(2) * prod(bottoms[0][1:]), 2)
    )


SIGMOID_CROSS_ENTROPY_LOSS = LayerType(
    "SigmoidCrossEntropyLoss",
    __doc__,
    setup,
    forward,
    backward,
    param="loss_param",
    bottoms=Arity(2, 3),
    differentiable=(True, False),
    loss=True,
    auto_tops=True,
    role=Role(
        "loss",
        judges="Sigmoid",
        guess=_guess,
        called=dict.fromkeys(_OTHER_NAMES, ""),
    ),
    examples=(
        Example(inputs=_TARGETS),
        Example("loss_param { normalization: FULL }", inputs=(Input((2, 3, 2)), Input((2, 6), "uniform"))),
        Example("loss_param { ignore_label: 1 normalization: VALID }", inputs=_TARGETS),
        Example("loss_param { ignore_label: 0 normalize: true } loss_weight: 2", inputs=_TARGETS),
        Example("loss_param { normalize: false }", inputs=_TARGETS),
        Example("loss_param { normalization: NONE }", inputs=_TARGETS),
        Example("loss_param { ignore_label: 1 }", inputs=(*_TARGETS, Input((6, 7), "uniform"))),
    ),
    refuses=(
        Refused(BAD_BOTTOM_SHAPE, bottoms=((4, 3), (4, 2))),
        Refused(BAD_BOTTOM_SHAPE, bottoms=((4, 3), (3, 4))),
        Refused(BAD_BOTTOM_SHAPE, bottoms=((4, 3), (4, 3), (4,))),
    ),
)
