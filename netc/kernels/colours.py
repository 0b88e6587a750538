"""Colours of bytes as OpenCV converts them (`color_hsv.cpp`): hue 0..179, saturation and value 0..255; blue first."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from netc.jit import kernel

Array = NDArray[Any]


@kernel
def to_hsv(image: Array, out: Array) -> None:
    """Pixels (N x 3) as hue, saturation and value."""
    for i in range(image.shape[0]):
        b, g, r = np.int64(image[i, 0]), np.int64(image[i, 1]), np.int64(image[i, 2])
        value = max(b, g, r)
        spread = value - min(b, g, r)
        by_value = int(np.rint((255 << 12) / value)) if value > 0 else 0
        by_spread = int(np.rint((180 << 12) / (6.0 * spread))) if spread > 0 else 0
        if value == r:
            hue = g - b
        elif value == g:
            hue = b - r + 2 * spread
        else:
            hue = r - g + 4 * spread
        hue = (hue * by_spread + (1 << 11)) >> 12
        out[i, 0] = hue + 180 if hue < 0 else hue
        out[i, 1] = (spread * by_value + (1 << 11)) >> 12
        out[i, 2] = value


@kernel
def from_hsv(image: Array, out: Array) -> None:
    """Pixels (N x 3) from hue, saturation and value; hues beyond 180 go round."""
    one, scale = np.float32(1), np.float32(6.0 / 180.0)
    byte = np.float32(1.0 / 255.0)
    for i in range(image.shape[0]):
        h, s, v = image[i, 0] * scale, image[i, 1] * byte, image[i, 2] * byte
        sector = int(np.floor(h))
        h = h - np.float32(sector)
        sector %= 6
        low, falling, rising = v * (one - s), v * (one - s * h), v * (one - s * (one - h))
        if sector == 0:
            b, g, r = low, rising, v
        elif sector == 1:
            b, g, r = low, v, falling
        elif sector == 2:
            b, g, r = rising, v, low
        elif sector == 3:
            b, g, r = v, falling, low
        elif sector == 4:
            b, g, r = v, low, rising
        else:
            b, g, r = falling, low, v
        out[i, 0] = min(max(np.rint(b * np.float32(255)), 0), 255)
        out[i, 1] = min(max(np.rint(g * np.float32(255)), 0), 255)
        out[i, 2] = min(max(np.rint(r * np.float32(255)), 0), 255)
