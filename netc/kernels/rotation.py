"""Turning images."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from netc.jit import kernel

Array = NDArray[Any]


@kernel
def rotate(image: Array, cos: float, sin: float, out: Array) -> None:
    """Turn an image (channels x height x width) counter-clockwise about its centre by the angle of cos and sin.

    Bilinear; outside of the image its border goes on. Only values of the image's own type are mixed.
    """
    channels, height, width = image.shape
    middle_y, middle_x = (height - 1) / 2, (width - 1) / 2
    for y in range(height):
        for x in range(width):
            from_y = min(max(cos * (y - middle_y) + sin * (x - middle_x) + middle_y, 0.0), height - 1.0)
            from_x = min(max(cos * (x - middle_x) - sin * (y - middle_y) + middle_x, 0.0), width - 1.0)
            y0, x0 = int(from_y), int(from_x)
            y1, x1 = min(y0 + 1, height - 1), min(x0 + 1, width - 1)
            down, right = from_y - y0, from_x - x0
            for c in range(channels):
                top = image[c, y0, x0] * (1 - right) + image[c, y0, x1] * right
                bottom = image[c, y1, x0] * (1 - right) + image[c, y1, x1] * right
                out[c, y, x] = top * (1 - down) + bottom * down
