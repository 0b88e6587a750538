"""Convolution as matrix products: columns of one image times weights, image by image, group by group.

Convolution goes forward with `correlate`; Deconvolution goes forward with `correlate_back`, the adjoint, and back with
`correlate`. Weights are (groups, outputs / groups, inputs / groups * kernel cells).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from netc.kernels.im2col import Columns

Array = NDArray[Any]


def correlate(images: Array, weights: Array, results: Array, columns: Columns, scratch: Array | None) -> None:
    """results[n] = weights @ columns(images[n]); images (N, C, ...), results (N, outputs, windows), both contiguous."""
    groups = weights.shape[0]
    rows, windows = columns.shape
    if columns.same:
        np.matmul(
            weights,
            images.reshape(len(images), groups, rows // groups, windows),
            out=results.reshape(len(images), *weights.shape[:2], windows),
        )
        return
    for image, result in zip(images, results, strict=True):
        matrix = columns.gather(image, _needed(scratch)).reshape(groups, rows // groups, windows)
        np.matmul(weights, matrix, out=result.reshape(*weights.shape[:2], windows))


def correlate_back(results: Array, weights: Array, images: Array, columns: Columns, scratch: Array | None) -> None:
    """The adjoint of `correlate` in its images: images[n] = spread(weights^T @ results[n])."""
    groups = weights.shape[0]
    rows, windows = columns.shape
    transposed = weights.transpose(0, 2, 1)
    if columns.same:
        np.matmul(
            transposed,
            results.reshape(len(results), *weights.shape[:2], windows),
            out=images.reshape(len(images), groups, rows // groups, windows),
        )
        return
    matrix = _needed(scratch).reshape(groups, rows // groups, windows)
    for result, image in zip(results, images, strict=True):
        np.matmul(transposed, result.reshape(*weights.shape[:2], windows), out=matrix)
        columns.spread(matrix, image)


def correlate_weights(images: Array, results: Array, diff: Array, columns: Columns, scratch: Array | None) -> None:
    """The adjoint of `correlate` in its weights: *adds* the sum over n of results[n] @ columns(images[n])^T to diff."""
    groups, outputs, inner = diff.shape
    windows = columns.shape[1]
    for image, result in zip(images, results, strict=True):
        matrix = image if columns.same else columns.gather(image, _needed(scratch))
        matrix = matrix.reshape(groups, inner, windows)
        diff += np.matmul(result.reshape(groups, outputs, windows), matrix.transpose(0, 2, 1))


def _needed(scratch: Array | None) -> Array:
    assert scratch is not None, "columns need a scratch buffer unless they are the image itself"
    return scratch
