"""Boxes on a grid (YOLO; Redmon & Farhadi 2016, 2018): a map of predictions, and the boxes that they stand for.

A map is num x (anchors * (5 + classes)) x H x W. Of each cell and anchor there are x, y, w, h, o and a score for each
class. With (i, j) the cell's column and row and (p_w, p_h) the anchor's size in cells, the box's centre is
((i + s(x)) / W, (j + s(y)) / H) and its size (p_w exp(w) / W, p_h exp(h) / H), as shares of the image; s(o), with s the
logistic function, is how much of an object it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
COORDINATES, OBJECT, CLASSES = slice(0, 4), 4, slice(5, None)
MOST_LOG = 20.0
"""Of a size: boxes that an untrained net makes larger are cut, so that nothing overflows."""


@dataclass(frozen=True, slots=True)
class GridMap:
    """One map: its size, its classes, and the anchors that its predictions belong to.

    anchors: width and height of all anchors in cells of this map. own: which of them the map has.
    """

    height: int
    width: int
    classes: int
    anchors: tuple[tuple[float, float], ...]
    own: tuple[int, ...]

    @property
    def sizes(self) -> Array:
        """Of the map's own anchors, in cells: K x 2."""
        return np.array([self.anchors[index] for index in self.own])

    @property
    def count(self) -> int:
        """Predictions of an image."""
        return len(self.own) * self.height * self.width

    def split(self, blob: Array) -> Array:
        """A map as num x anchors x (5 + classes) x H x W, a view."""
        return blob.reshape(blob.shape[0], len(self.own), 5 + self.classes, self.height, self.width)


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), without overflow."""
    small = np.exp(-np.abs(x))
    found: Array = np.where(x >= 0, 1, small) / (1 + small)
    return found


def boxes_of(grid: GridMap, values: Array) -> Array:
    """The boxes of one image's predictions (anchors x (5 + classes) x H x W): (anchors * H * W) x 4 corners."""
    x, y, w, h = (values[:, index] for index in range(4))
    size = grid.sizes.astype(values.dtype)[:, :, None, None]
    centre_x = (np.arange(grid.width, dtype=values.dtype) + sigmoid(x)) / grid.width
    centre_y = (np.arange(grid.height, dtype=values.dtype)[:, None] + sigmoid(y)) / grid.height
    half_w = size[:, 0] * np.exp(np.minimum(w, MOST_LOG)) / (2 * grid.width)
    half_h = size[:, 1] * np.exp(np.minimum(h, MOST_LOG)) / (2 * grid.height)
    corners = (centre_x - half_w, centre_y - half_h, centre_x + half_w, centre_y + half_h)
    return np.stack(corners, axis=-1).reshape(-1, 4)


def best_anchor(grid: GridMap, width: float, height: float) -> int:
    """The anchor whose size overlaps most with a box's (in cells), both around one centre; the first of equal ones."""
    sizes = np.array(grid.anchors)
    inter = np.minimum(sizes[:, 0], width) * np.minimum(sizes[:, 1], height)
    return int(np.argmax(inter / (sizes.prod(axis=1) + width * height - inter)))
