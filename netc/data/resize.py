"""Resizing images: bilinear as OpenCV does it for bytes, to the bit, and bilinear for floats.

OpenCV (`resize.cpp`, INTER_LINEAR): the centre of output pixel d is at (d + 0.5) * scale - 0.5 of the input; weights
are rounded to multiples of 1/2048. Halving both sides is the average of four pixels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from netc.layer import Array

_ONE = 2048


def resize(image: Array, height: int, width: int) -> Array:
    """An image (height x width x channels; uint8 or floats) in another size."""
    rows, columns = image.shape[:2]
    if (rows, columns) == (height, width):
        return image
    if image.dtype != np.uint8:
        return _floats(image, height, width)
    if (rows, columns) == (2 * height, 2 * width):
        wide = image.astype(np.uint16)
        four = wide[0::2, 0::2] + wide[0::2, 1::2] + wide[1::2, 0::2] + wide[1::2, 1::2]
        return ((four + 2) >> 2).astype(np.uint8)
    return _bytes(image, height, width)


def _bytes(image: Array, height: int, width: int) -> Array:
    rows, columns = image.shape[:2]
    at, share = _positions(columns, width)
    share = np.where((at < 0) | (at >= columns - 1), np.float32(0), share)
    at = np.clip(at, 0, columns - 1)
    left, right = (w[:, None] for w in _weights(share))
    y, share = _positions(rows, height)
    upper, lower = (w[:, None, None] for w in _weights(share))
    first, second = np.clip(y, 0, rows - 1), np.clip(y + 1, 0, rows - 1)
    used, where = np.unique(np.concatenate([first, second]), return_inverse=True)
    lines = image[used].astype(np.int32)
    wide = (lines[:, at] * left + lines[:, np.minimum(at + 1, columns - 1)] * right) >> 4
    top, bottom = wide[where[:height]], wide[where[height:]]
    mixed = ((upper * top) >> 16) + ((lower * bottom) >> 16)
    out: Array = np.clip((mixed + 2) >> 2, 0, 255).astype(np.uint8)
    return out


def _floats(image: Array, height: int, width: int) -> Array:
    rows, columns = image.shape[:2]
    x, right = _positions(columns, width)
    y, lower = _positions(rows, height)
    x0, x1 = np.clip(x, 0, columns - 1), np.clip(x + 1, 0, columns - 1)
    y0, y1 = np.clip(y, 0, rows - 1), np.clip(y + 1, 0, rows - 1)
    weight = lower.astype(image.dtype)[:, None, None]
    lines = image[y0] * (1 - weight) + image[y1] * weight
    across = right.astype(image.dtype)[:, None]
    out: Array = lines[:, x0] * (1 - across) + lines[:, x1] * across
    return out


def _positions(size: int, wanted: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """For each output pixel: the input pixel left of it (from -1 on), and how far it is towards the next."""
    place = ((np.arange(wanted) + 0.5) * (size / wanted) - 0.5).astype(np.float32)
    at = np.floor(place)
    return at.astype(np.int64), place - at


def _weights(share: NDArray[np.float32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    first = np.rint((np.float32(1) - share) * _ONE).astype(np.int32)
    return first, np.rint(share * _ONE).astype(np.int32)
