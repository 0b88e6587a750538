"""Convolution as matrix products: columns of one image times weights, image by image, group by group.

Convolution goes forward with `correlate`; Deconvolution goes forward with `correlate_back`, the adjoint, and back with
`correlate`. Weights are (groups, outputs / groups, inputs / groups * kernel cells). Images of two axes whose every
channel is a group go the direct way instead (netc/kernels/depthwise.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netc.kernels import depthwise
from netc.kernels.im2col import Columns

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class ConvolutionGeometry:
    """What the kernels here are told: images of a batch, groups, filters over all groups (Convolution's outputs,
    Deconvolution's bottom channels), and the columns of one image (Convolution's bottom, Deconvolution's top)."""

    batch: int
    groups: int
    filters: int
    columns: Columns

    @property
    def weights(self) -> tuple[int, int, int]:
        """The weights as the matrix products see them: groups x filters of a group x cells that a filter meets."""
        return self.groups, self.filters // self.groups, self.columns.shape[0] // self.groups


def correlate(images: Array, weights: Array, results: Array, columns: Columns, scratch: Array | None) -> None:
    """results[n] = weights @ columns(images[n]); images (N, C, ...), results (N, outputs, windows), both contiguous."""
    groups, outputs, inner = weights.shape
    rows, windows = columns.shape
    if is_depthwise(columns, groups):
        for image, result in zip(images, results, strict=True):
            shape = groups * outputs, windows
            depthwise.correlate(
                image.reshape(groups, -1), weights.reshape(-1, inner), result.reshape(shape), columns.plane
            )
    elif columns.same:
        np.matmul(
            weights,
            images.reshape(len(images), groups, rows // groups, windows),
            out=results.reshape(len(images), groups, outputs, windows),
        )
    else:
        for image, result in zip(images, results, strict=True):
            matrix = columns.gather(image, _needed(scratch)).reshape(groups, inner, windows)
            np.matmul(weights, matrix, out=result.reshape(groups, outputs, windows))


def correlate_back(results: Array, weights: Array, images: Array, columns: Columns, scratch: Array | None) -> None:
    """The adjoint of `correlate` in its images: images[n] = spread(weights^T @ results[n])."""
    groups, outputs, inner = weights.shape
    rows, windows = columns.shape
    transposed = weights.transpose(0, 2, 1)
    if is_depthwise(columns, groups):
        for result, image in zip(results, images, strict=True):
            shape = groups * outputs, windows
            depthwise.correlate_back(
                result.reshape(shape), weights.reshape(-1, inner), image.reshape(groups, -1), columns.plane
            )
    elif columns.same:
        np.matmul(
            transposed,
            results.reshape(len(results), groups, outputs, windows),
            out=images.reshape(len(images), groups, rows // groups, windows),
        )
    else:
        matrix = _needed(scratch).reshape(groups, inner, windows)
        for result, image in zip(results, images, strict=True):
            np.matmul(transposed, result.reshape(groups, outputs, windows), out=matrix)
            columns.spread(matrix, image)


def correlate_weights(images: Array, results: Array, diff: Array, columns: Columns, scratch: Array | None) -> None:
    """The adjoint of `correlate` in its weights: *adds* the sum over n of results[n] @ columns(images[n])^T to diff."""
    groups, outputs, inner = diff.shape
    windows = columns.shape[1]
    for image, result in zip(images, results, strict=True):
        if is_depthwise(columns, groups):
            depthwise.correlate_weights(
                image.reshape(groups, -1),
                result.reshape(groups * outputs, windows),
                diff.reshape(-1, inner),
                columns.plane,
            )
        else:
            matrix = image if columns.same else columns.gather(image, _needed(scratch))
            matrix = matrix.reshape(groups, inner, windows)
            diff += np.matmul(result.reshape(groups, outputs, windows), matrix.transpose(0, 2, 1))


def is_depthwise(columns: Columns, groups: int) -> bool:
    """Whether each channel is a group, so that no columns are made."""
    return groups == columns.channels > 1 and len(columns.axes) == 2


def _needed(scratch: Array | None) -> Array:
    assert scratch is not None, "columns need a scratch buffer unless they are the image itself"
    return scratch
