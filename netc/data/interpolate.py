"""Resizing with any of OpenCV's interpolations, as it does it (`resize.cpp`).

CUBIC (a = -0.75) and LANCZOS4 mix bytes with weights rounded to multiples of 1/2048, in whole numbers. AREA averages
the pixels that an output pixel covers; where a side grows, OpenCV (and this) mixes two pixels instead.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from netc.data.resize import resize
from netc.kernels import resample
from netc.layer import Array

_ONE = 2048
Table = tuple[NDArray[np.int64], NDArray[np.float64]]  # neighbours of each output pixel, and their weights


def interpolate(image: Array, height: int, width: int, mode: str = "LINEAR") -> Array:
    """An image (height x width x channels; uint8 or floats) in another size; `mode` is one of `Interp_mode`."""
    rows, columns = image.shape[:2]
    if (rows, columns) == (height, width):
        return image
    if mode == "NEAREST":
        return image[_nearest(rows, height)[:, None], _nearest(columns, width)]
    if mode == "LINEAR" or (mode == "AREA" and (rows, columns) == (2 * height, 2 * width)):
        return resize(image, height, width)
    if mode == "AREA":
        shrinks = rows >= height and columns >= width
        table = _covered if shrinks else _between
        return _mixed(image, table(rows, height), table(columns, width), whole=not shrinks)
    weights = _cubic if mode == "CUBIC" else _lanczos
    return _mixed(image, weights(rows, height), weights(columns, width), whole=True)


def _nearest(size: int, wanted: int) -> NDArray[np.int64]:
    at: NDArray[np.int64] = np.minimum(np.floor(np.arange(wanted) * (size / wanted)).astype(np.int64), size - 1)
    return at


def _mixed(image: Array, rows: Table, columns: Table, *, whole: bool) -> Array:
    """whole: weights of bytes are rounded, as OpenCV does for interpolations, but not for averages."""
    exact = image.dtype == np.uint8 and whole
    unit, kind = (_ONE, np.int64) if exact else (1, np.float32)
    by_row, by_column = (np.rint(w * unit).astype(kind) if exact else w.astype(kind) for _, w in (rows, columns))
    wide: Array = np.empty((image.shape[0], len(columns[0]), image.shape[2]), by_row.dtype)
    resample.across(np.ascontiguousarray(image), columns[0], by_column, wide)
    out: Array = np.empty((len(rows[0]), *wide.shape[1:]), by_row.dtype)
    resample.down(wide, rows[0], by_row, out)
    if image.dtype != np.uint8:
        return out.astype(image.dtype)
    rounded: Array = (out + (1 << 21)) >> 22 if exact else np.rint(out)
    return np.clip(rounded, 0, 255).astype(np.uint8)


# ---------------------------------------------------------------- tables


def _around(size: int, wanted: int, taps: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The neighbours of each output pixel, with the border repeated, and how far it is past the middle one."""
    place = ((np.arange(wanted) + 0.5) * (size / wanted) - 0.5).astype(np.float32)
    at = np.floor(place)
    near = at.astype(np.int64)[:, None] + np.arange(1 - taps // 2, 1 + taps // 2)
    return np.clip(near, 0, size - 1), place - at


def _cubic(size: int, wanted: int) -> Table:
    places, x = _around(size, wanted, 4)
    a = np.float32(-0.75)
    first = ((a * (x + 1) - 5 * a) * (x + 1) + 8 * a) * (x + 1) - 4 * a
    second = ((a + 2) * x - (a + 3)) * x * x + 1
    third = ((a + 2) * (1 - x) - (a + 3)) * (1 - x) * (1 - x) + 1
    return places, np.stack([first, second, third, 1 - first - second - third], 1).astype(np.float64)


def _lanczos(size: int, wanted: int) -> Table:
    """Weights sinc(d) sinc(d / 4) of the distances d, scaled so that they add up to 1."""
    places, x = _around(size, wanted, 8)
    distance = x.astype(np.float64)[:, None] + 3 - np.arange(8)
    weights = np.sinc(distance) * np.sinc(distance / 4)
    return places, weights / weights.sum(1, keepdims=True)


def _between(size: int, wanted: int) -> Table:
    """AREA where a side grows: an output pixel that lies in one pixel copies it, others mix two."""
    scale = size / wanted
    at = np.floor(np.arange(wanted) * scale).astype(np.int64)
    share = np.maximum((np.arange(wanted) + 1) - (at + 1) / scale, 0)
    share = share - np.floor(share)
    share = np.where(at >= size - 1, 0, share)
    places = np.minimum(np.stack([at, at + 1], 1), size - 1)
    return places, np.stack([1 - share, share], 1)


def _covered(size: int, wanted: int) -> Table:
    """AREA where both sides shrink: each pixel counts as much as the output pixel covers of it."""
    scale = size / wanted
    start = np.arange(wanted)[:, None] * scale
    places = np.floor(start).astype(np.int64) + np.arange(int(np.ceil(scale)) + 1)
    covered = np.minimum(places + 1, np.minimum(start + scale, size)) - np.maximum(places, start)
    covered = np.where(covered > 1e-3, covered, 0)
    return np.clip(places, 0, size - 1), covered / covered.sum(1, keepdims=True)
