"""Arrays of other shapes."""

from __future__ import annotations

import numpy as np

from netc.layer import Array, Shape


def resized(array: Array, shape: Shape) -> Array:
    """An array of another shape with the same values in the same order, as many as fit; zeros after them."""
    if shape == array.shape:
        return array
    out: Array = np.zeros(shape, array.dtype)
    count = min(out.size, array.size)
    out.reshape(-1)[:count] = array.reshape(-1)[:count]
    return out
