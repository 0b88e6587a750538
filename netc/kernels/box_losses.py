"""What SSD's loss adds up: for each row (a prior box) its loss, and the gradient of its scores or offsets."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

Array = NDArray[Any]


def softmax_loss(scores: Array, labels: Array) -> tuple[Array, Array]:
    """Each row's loss, and its gradient; scores are rows x classes."""
    rows = np.arange(len(scores))
    shifted = np.exp(scores - scores.max(1, keepdims=True))
    gradient = shifted / shifted.sum(1, keepdims=True)
    loss = -np.log(np.maximum(gradient[rows, labels], np.finfo(np.float32).tiny))
    gradient[rows, labels] -= 1
    return loss, gradient


def logistic_loss(scores: Array, targets: Array) -> tuple[Array, Array]:
    """Each row's sigmoid cross-entropy, and its gradient; both arrays are rows x classes."""
    size = np.log1p(np.exp(-np.abs(scores)))
    loss = (np.maximum(scores, 0) - scores * targets + size).sum(1)
    half = scores.dtype.type(0.5)
    return loss, half * np.tanh(half * scores) + half - targets


def one_hot(labels: Array, classes: int, ground: float, dtype: DTypeLike) -> Array:
    """Rows x classes: 1 at the label, `ground` elsewhere."""
    targets = np.full((len(labels), classes), ground, dtype)
    targets[np.arange(len(labels)), labels] = 1
    return targets


def offsets_loss(kind: str, difference: Array) -> tuple[Array, Array]:
    """Each row's loss (L2 or SMOOTH_L1), and its gradient; differences are rows x 4."""
    square = difference * difference / 2
    if kind == "L2":
        return square.sum(1), difference
    size = np.abs(difference)
    near = size < 1
    half = difference.dtype.type(0.5)
    return np.where(near, square, size - half).sum(1), np.where(near, difference, np.sign(difference))
