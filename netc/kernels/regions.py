"""Regions of interest: rows (image, x1, y1, x2, y2), and how their corners become cells."""

from __future__ import annotations

import math
from typing import Any

from numpy.typing import NDArray

from netc.jit import kernel

Array = NDArray[Any]


@kernel
def rounded(value: float) -> float:
    """The nearest whole number, halves away from zero (C's round); far values are cut so that an integer holds them."""
    value = min(max(value, -1e9), 1e9)
    return math.floor(value + 0.5) if value >= 0 else -math.floor(0.5 - value)


@kernel
def wrong_region(rois: Array, images: int) -> int:
    """The first region that names no image or holds a value that is not finite, or -1."""
    for r in range(rois.shape[0]):
        if not (0 <= rois[r, 0] < images):
            return r
        for i in range(1, 5):
            if not (-3.0e38 < rois[r, i] < 3.0e38):
                return r
    return -1


@kernel
def clamp(value: int, most: int) -> int:
    """A position cut at 0 and `most`."""
    return min(max(value, 0), most)
