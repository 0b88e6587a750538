"""Boxes that follow their image: cut, kept or dropped, mirrored, resized, as SSD's `bbox_util.cpp` has it.

A box is four float32: xmin, ymin, xmax, ymax, as shares of the image. `rows` are those of `Annotated`: N x 7, with the
box in columns 2 to 5.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from netc.data.sizing import Sizing
from netc.layer import Array


def moved(
    rows: Array,
    crop: Array,
    transform: Any,
    *,
    mirror: bool = False,
    sizing: Sizing | None = None,
    size: tuple[int, int] = (1, 1),
) -> Array:
    """Rows whose boxes are as shares of a part of the image, without those that lie outside of it.

    crop: the part, a box. transform: the TransformationParameter, for its emit_constraint. sizing: how the image (of
    `size`, height x width) was resized before the part was taken. mirror: left and right were exchanged afterwards.
    """
    boxes = rows[:, 2:6]
    if sizing is not None:
        boxes = sizing.boxes(boxes, *size)
    keep = _emitted(crop, boxes, transform.emit_constraint) if transform.has("emit_constraint") else _meets(crop, boxes)
    keep &= _meets(crop, boxes)
    sides = np.tile(crop[2:] - crop[:2], 2)
    boxes = np.clip((boxes - np.tile(crop[:2], 2)) / sides, 0, 1)
    keep &= area(boxes) > 0
    if mirror:
        boxes = np.stack([1 - boxes[:, 2], boxes[:, 1], 1 - boxes[:, 0], boxes[:, 3]], axis=1)
    if sizing is not None:
        boxes = sizing.scaled_back(boxes, *size, crop)
    out = rows[keep]
    out[:, 2:6] = boxes[keep]
    return out


def _meets(crop: Array, boxes: Array) -> Array:
    meets: Array = np.all((boxes[:, :2] < crop[2:]) & (boxes[:, 2:] > crop[:2]), axis=1)
    return meets


def _emitted(crop: Array, boxes: Array, constraint: Any) -> Array:
    """Which boxes are kept: those with their centre inside, or with enough of their area inside."""
    if constraint.emit_type == "MIN_OVERLAP":
        covered: Array = coverage(boxes, crop[None]) > np.float32(constraint.emit_overlap)
        return covered
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    inside: Array = np.all((centre >= crop[:2]) & (centre <= crop[2:]), axis=1)
    return inside


def area(boxes: Array) -> Array:
    """Areas; 0 for a box whose end is before its start."""
    sides = boxes[:, 2:] - boxes[:, :2]
    areas: Array = np.where((sides < 0).any(1), np.float32(0), sides.prod(1))
    return areas


def _intersection(a: Array, b: Array) -> Array:
    sides = np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2])
    common: Array = np.where((sides < 0).any(1), np.float32(0), sides.prod(1))
    return common


def coverage(a: Array, b: Array) -> Array:
    """What share of each a its b covers (both N x 4, or one of them 1 x 4)."""
    common = _intersection(a, b)
    own = np.broadcast_to(area(a), common.shape)
    shares: Array = np.divide(common, own, out=np.zeros_like(common), where=(common > 0) & (own > 0))
    return shares


def jaccard(a: Array, b: Array) -> Array:
    """Intersection over union of each a and its b."""
    common = _intersection(a, b)
    union = area(a) + area(b) - common
    shares: Array = np.divide(common, union, out=np.zeros_like(common), where=(common > 0) & (union > 0))
    return shares
