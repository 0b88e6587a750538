"""Boxes in pixels of the original images, and their overlaps, as SSD's `OutputBBox` and `JaccardOverlap` give them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def output_boxes(boxes: Array, size: tuple[int, int], resize: Any = None) -> Array:
    """Boxes (N x 4, shares of the net's input) in pixels of an original image of `size` (height, width).

    resize: the ResizeParameter that the image went through, or None.
    """
    height, width = size
    pixels = np.array([width, height, width, height], boxes.dtype)
    out: Array = np.clip(boxes, 0, 1) * pixels
    if resize is None:
        return out
    if resize.resize_mode == "FIT_SMALL_SIZE" and resize.height_scale and resize.width_scale:
        scale = np.array([resize.width_scale, resize.height_scale] * 2, boxes.dtype)
        out = np.clip(boxes * scale, 0, pixels)
    if resize.resize_mode == "FIT_LARGE_SIZE_AND_PAD":
        padding = _padding(size, resize)
        out = np.clip((boxes - padding) / (1 - 2 * padding), 0, 1) * pixels
    return out


def _padding(size: tuple[int, int], resize: Any) -> Array:
    """What FIT_LARGE_SIZE_AND_PAD adds left and on top, as shares of width and height, twice."""
    aspect, wanted = size[1] / size[0], resize.width / resize.height
    if aspect > wanted:
        share = np.float32((resize.height - resize.width / aspect) / 2 / resize.height)
        return np.array([0, share, 0, share], np.float32)
    share = np.float32((resize.width - resize.height * aspect) / 2 / resize.width)
    return np.array([share, 0, share, 0], np.float32)


def jaccard(a: Array, b: Array, *, pixels: bool) -> Array:
    """The overlap of each a with each b (N x 4, M x 4) as N x M: intersection over union.

    pixels: corners are pixels that belong to the box, so a width is xmax - xmin + 1; boxes that do not meet then have
    an intersection of one pixel, as in SSD. A box whose end is before its start has no area.
    """
    cell = a.dtype.type(1 if pixels else 0)
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    apart = (low > high).any(2)
    inter = np.where(apart, cell, (high - low + cell).prod(2))
    union = _area(a, cell)[:, None] + _area(b, cell)[None] - inter
    meet = inter > 0
    overlaps: Array = np.divide(inter, union, out=np.zeros_like(inter), where=meet & (union != 0))
    return overlaps


def _area(boxes: Array, cell: Any) -> Array:
    sides = boxes[:, 2:] - boxes[:, :2]
    area: Array = np.where((sides < 0).any(1), boxes.dtype.type(0), (sides + cell).prod(1))
    return area
