"""Resizing by tables of neighbours and weights, for images of height x width x channels.

`places[i, k]` is the k-th neighbour of output row (or column) i, `weights[i, k]` its weight.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from netc.jit import kernel

Array = NDArray[Any]


@kernel
def across(image: Array, places: Array, weights: Array, wide: Array) -> None:
    """wide (input rows x output columns x channels) = the image with its columns resized."""
    for i in range(wide.shape[0]):
        for j in range(wide.shape[1]):
            for c in range(wide.shape[2]):
                total = weights[j, 0] * image[i, places[j, 0], c]
                for k in range(1, places.shape[1]):
                    total += weights[j, k] * image[i, places[j, k], c]
                wide[i, j, c] = total


@kernel
def down(wide: Array, places: Array, weights: Array, out: Array) -> None:
    """out = an image with its rows resized; the values are those of `wide` times the weights, not rounded."""
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            for c in range(out.shape[2]):
                total = weights[i, 0] * wide[places[i, 0], j, c]
                for k in range(1, places.shape[1]):
                    total += weights[i, k] * wide[places[i, k], j, c]
                out[i, j, c] = total
