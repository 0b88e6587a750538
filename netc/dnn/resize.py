"""OpenCV's `cv2.resize` with INTER_LINEAR: fixed point for bytes, float32 for floats.

The bytes are those of every build. Floats are, to the bit, those of OpenCV's own code. Its wheels for x86 resize floats
by Intel's IPP (`cv2.ipp.useIPP()`), whose steps are rounded otherwise: by 2.4e-6 of the largest value at most.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from netc.layer import Array

SCALE = 2048
"""What a whole weight is in the fixed point of bytes: 11 bits."""


def resized(image: Array, width: int, height: int, factor: float = 0.0) -> Array:
    """An image (height x width, or with channels behind) of another size, in its own dtype: uint8 or float32.

    factor: how much larger the result is in both directions; by the sizes if 0.
    """
    rows, columns = image.shape[:2]
    step_y, step_x = (1 / factor, 1 / factor) if factor else (1 / (height / rows), 1 / (width / columns))
    if step_x == step_y == 2:
        return (_halved if image.dtype == np.uint8 else _halved_floats)(image[: 2 * height, : 2 * width])
    across = _taps(width, columns, step_x)
    down = _taps(height, rows, step_y, ends=False)
    return _bytes(image, across, down) if image.dtype == np.uint8 else _floats(image, across, down)


def _taps(size: int, source: int, step: float, ends: bool = True) -> tuple[Any, Any, Any]:
    """For each place of the result: the two places that it is between, and how far it is from the first.

    ends: beyond the last place there is nothing to be between; else that one is read twice.
    """
    where = ((np.arange(size) + 0.5) * step - 0.5).astype(np.float32)
    first = np.floor(where).astype(np.int64)
    weight = where - first.astype(np.float32)
    if ends:
        weight[(first < 0) | (first >= source - 1)] = 0
    return first.clip(0, source - 1), (first + 1).clip(0, source - 1), weight


def _floats(image: Array, across: tuple[Any, Any, Any], down: tuple[Any, Any, Any]) -> Array:
    wide = image.ndim - 2
    (x0, x1, wx), (y0, y1, wy) = across, down
    rows = _between(image[:, x0], image[:, x1], wx.reshape(-1, *(1,) * wide))
    return _between(rows[y0], rows[y1], wy.reshape(-1, 1, *(1,) * wide))


def _between(first: Array, second: Array, weight: Array) -> Array:
    """The mean by weight; each product and the sum are rounded."""
    mixed: Array = first * (np.float32(1) - weight) + second * weight
    return mixed


def _bytes(image: Array, across: tuple[Any, Any, Any], down: tuple[Any, Any, Any]) -> Array:
    wide = image.ndim - 2
    (x0, x1, wx), (y0, y1, wy) = across, down
    whole = image.astype(np.int32)
    a0, a1 = (_fixed(w).reshape(-1, *(1,) * wide) for w in (np.float32(1) - wx, wx))
    b0, b1 = (_fixed(w).reshape(-1, 1, *(1,) * wide) for w in (np.float32(1) - wy, wy))
    rows = (whole[:, x0] * a0 + whole[:, x1] * a1) >> 4
    mixed = (((rows[y0] * b0) >> 16) + ((rows[y1] * b1) >> 16) + 2) >> 2
    out: Array = mixed.clip(0, 255).astype(np.uint8)
    return out


def _fixed(weights: Array) -> Array:
    return np.rint(weights * np.float32(SCALE)).astype(np.int32)


def _halved(image: Array) -> Array:
    """Half the size: means of two by two, as OpenCV has it for bytes."""
    pairs = image.astype(np.int32)
    total = pairs[0::2, 0::2] + pairs[0::2, 1::2] + pairs[1::2, 0::2] + pairs[1::2, 1::2]
    return ((total + 2) >> 2).astype(np.uint8)


def _halved_floats(image: Array) -> Array:
    """The same for floats, added row by row; where OpenCV takes four values of one channel at once, one by one."""
    first, second, third, fourth = image[0::2, 0::2], image[0::2, 1::2], image[1::2, 0::2], image[1::2, 1::2]
    by_row, in_turn = (first + second) + (third + fourth), ((first + second) + third) + fourth
    channels = image.shape[2] if image.ndim == 3 else 1
    at_once = {1: by_row.shape[1] // 4 * 4, 4: by_row.shape[1]}.get(channels, 0)
    total: Array = np.concatenate([by_row[:, :at_once], in_turn[:, at_once:]], axis=1) * np.float32(0.25)
    return total
