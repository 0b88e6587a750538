"""Softmax along the middle axis of (outer, classes, inner), and what the losses on top of it share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

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
