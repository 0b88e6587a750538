"""Anchors of a region proposal network, and offsets between boxes, as py-faster-rcnn counts pixels (Ren et al. 2015).

Boxes are rows (x1, y1, x2, y2) whose corners are pixels that belong to the box: a width is x2 - x1 + 1. The offsets of
a box from another are the difference of the centres divided by the other's size, and the logarithms of the ratio of
sizes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
MOST_LOG = 20.0
"""Of a size: boxes that an untrained net makes larger are cut, so that nothing overflows."""


def anchor_boxes(base: int, ratios: tuple[float, ...], scales: tuple[float, ...]) -> Array:
    """Anchors around the cell 0..base-1, ratio by ratio: widths and heights are whole pixels before scaling."""
    centre = (base - 1) / 2
    rows = []
    for ratio in ratios:
        width = np.floor(np.sqrt(base * base / ratio) + 0.5)
        height = np.floor(width * ratio + 0.5)
        for scale in scales:
            half_w, half_h = (width * scale - 1) / 2, (height * scale - 1) / 2
            rows.append((centre - half_w, centre - half_h, centre + half_w, centre + half_h))
    return np.array(rows)


def everywhere(anchors: Array, stride: int, height: int, width: int) -> Array:
    """The anchors at each cell of a map, `stride` pixels apart: (anchors * height * width) x 4, anchor by anchor."""
    y, x = np.mgrid[:height, :width] * stride
    shifts = np.stack([x, y, x, y], axis=-1)
    found: Array = (anchors[:, None, None] + shifts).reshape(-1, 4)
    return found


def _centres(boxes: Array) -> tuple[Array, Array]:
    """Sizes and centres, N x 2."""
    sizes = boxes[:, 2:] - boxes[:, :2] + 1
    return sizes, boxes[:, :2] + sizes / 2


def offsets_of(boxes: Array, wanted: Array) -> Array:
    """Offsets (N x 4) that make of boxes the wanted ones."""
    (sizes, centres), (other_sizes, other_centres) = _centres(boxes), _centres(wanted)
    return np.concatenate([(other_centres - centres) / sizes, np.log(other_sizes / sizes)], axis=1)


def moved(boxes: Array, offsets: Array) -> Array:
    """Boxes (N x 4) moved by offsets (N x ... x 4), in the shape of the offsets."""
    sizes, centres = _centres(boxes)
    shape = (len(boxes), *(1,) * (offsets.ndim - 2), 2)
    sizes, centres = sizes.reshape(shape), centres.reshape(shape)
    middle = centres + offsets[..., :2] * sizes
    half = np.exp(np.minimum(offsets[..., 2:], MOST_LOG)) * sizes / 2
    return np.concatenate([middle - half, middle + half - 1], axis=-1)


def pixel_overlaps(a: Array, b: Array) -> Array:
    """Intersection over union of each of a (N x 4) and each of b (M x 4), in pixels."""
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    inter = np.maximum(high - low + 1, 0).prod(axis=2)
    areas = [(boxes[:, 2:] - boxes[:, :2] + 1).prod(axis=1) for boxes in (a, b)]
    found: Array = inter / (areas[0][:, None] + areas[1][None] - inter)
    return found


def drawn(places: NDArray[np.intp], count: int, draws: Array) -> NDArray[np.intp]:
    """`count` of some places, at random, in their own order. draws: random numbers, one for each place there is."""
    if len(places) <= count:
        return places
    return np.sort(places[np.argsort(draws[places], kind="stable")[:count]])
