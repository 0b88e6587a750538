"""Softmax along the middle axis of (outer, classes, inner), and what the losses on top of it share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netc.role import Guess

Array = NDArray[Any]


def softmax(x: Array, y: Array) -> None:
    """y = exp(x - max) / sum of it; y may be x. NaN in a column makes the whole column NaN."""
    np.subtract(x, x.max(axis=1, keepdims=True), out=y)
    np.exp(y, out=y)
    y /= y.sum(axis=1, keepdims=True)


def softmax_gradient(y: Array, dy: Array, dx: Array) -> None:
    """dx = y * (dy - sum(dy * y)); dx may be dy."""
    np.subtract(dy, (dy * y).sum(axis=1, keepdims=True), out=dx)
    dx *= y


def picked(values: Array, classes: Array) -> Array:
    """values[o, classes[o, i], i] as (outer, inner); the value of class 0 where a class is -1."""
    index = np.maximum(classes, 0)[:, None, :]
    return np.take_along_axis(values, index, axis=1)[:, 0, :]


def guess_of_classes(record: Any, bottoms: Sequence[tuple[int, ...]], axis: int = 1) -> Guess | None:
    """-log(1/K) for the K classes along an axis of the scores, if the loss is a mean over the positions.

    record: the layer's, with its `loss_param`; bottoms: shapes of the scores and the labels.
    """
    scores, p = bottoms[0], record.loss_param
    if len(scores) < 2 or not -len(scores) <= axis < len(scores):
        return None
    classes = scores[axis]
    legacy = p.has("normalize") and not p.has("normalization")
    mean = bool(p.normalize) if legacy else p.normalization in ("VALID", "FULL")
    return Guess(math.log(classes), classes) if mean or math.prod(scores) == scores[0] * classes else None


def normalizer(mode: str, outer: int, inner: int, valid: float) -> float:
    """What a loss is divided by, at least 1: LossParameter.NormalizationMode."""
    amounts = {"FULL": float(outer * inner), "VALID": float(valid), "BATCH_SIZE": float(outer), "NONE": 1.0}
    return max(1.0, amounts[mode])


def normalization(loss_param: Any, default: str = "VALID") -> str:
    """The normalization that a LossParameter asks for: `normalization` first, then the legacy `normalize`."""
    if loss_param.has("normalization"):
        return str(loss_param.normalization)
    if loss_param.has("normalize"):
        return "VALID" if loss_param.normalize else "BATCH_SIZE"
    return default


TINY = float(np.finfo(np.float32).tiny)  # Caffe's FLT_MIN: what a probability is at least, in a logarithm


def cross_entropy(prob: Array, classes: Array, weights: Array, smoothing: float = 0.0) -> float:
    """The sum over positions of -weight * sum over classes of target * log(prob).

    prob (outer, classes, inner); classes (outer, inner), -1 where nothing counts; weights (outer, inner). The target is
    1 - smoothing at the label, plus smoothing / number of classes at every class.
    """
    counts = classes >= 0
    terms = np.log(np.maximum(picked(prob, classes), TINY), dtype=np.float64)
    if smoothing:
        everywhere = np.log(np.maximum(prob, TINY), dtype=np.float64).mean(axis=1)
        terms = (1 - smoothing) * terms + smoothing * everywhere
    return -float((terms[counts] * weights[counts]).sum())


def cross_entropy_gradient(prob: Array, classes: Array, weights: Array, smoothing: float, dx: Array) -> None:
    """dx = weight * (prob - target), 0 where nothing counts; the shapes are those of `cross_entropy`."""
    coefficients = weights.astype(prob.dtype)[:, None, :]
    np.subtract(prob, smoothing / prob.shape[1], out=dx)
    dx *= coefficients
    index = np.maximum(classes, 0)[:, None, :]
    at_label = np.take_along_axis(dx, index, axis=1) - (1 - smoothing) * coefficients
    np.put_along_axis(dx, index, at_label.astype(dx.dtype), axis=1)
    np.copyto(dx, 0, where=(classes < 0)[:, None, :])
