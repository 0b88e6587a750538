"""Boxes (xmin, ymin, xmax, ymax): overlaps, offsets from prior boxes, and non-maximum suppression.

Offsets are written in one of SSD's three ways (`PriorBoxParameter.CodeType`), divided by the prior box's four variances
unless those are None: CORNER, the differences of the corners; CORNER_SIZE, these divided by the prior's size;
CENTER_SIZE, the difference of the centres divided by the prior's size, and the logarithm of the ratio of the sizes.

All is computed in the boxes' type, as in the forks: an overlap may be equal to the threshold.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netc.jit import kernel

Array = NDArray[Any]
CODES = {"CORNER": 1, "CENTER_SIZE": 2, "CORNER_SIZE": 3}  # as in SSD's schema
AT_ONCE = 64  # boxes that are compared before it is asked whether one of them overlaps


# ---------------------------------------------------------------- offsets


def decode(code: str, priors: Array, variances: Array | None, offsets: Array) -> Array:
    """Boxes from offsets; all arrays are N x 4. A size too large for the float type becomes infinite."""
    boxes = np.empty((len(priors), 4), priors.dtype)
    none = np.empty((0, 4), priors.dtype)
    _decode(CODES[code], np.ascontiguousarray(priors), none if variances is None else variances, offsets, boxes)
    return boxes


@kernel
def _decode(code: int, priors: Array, variances: Array, offsets: Array, boxes: Array) -> None:
    for i in range(priors.shape[0]):
        decode_box(code, priors, variances, i, offsets, i, boxes, i)


@kernel
def decode_box(
    code: int, priors: Array, variances: Array, prior: int, offsets: Array, given: int, boxes: Array, box: int
) -> None:
    """Row `box` of boxes from row `given` of offsets and a prior. code: of `CODES`. variances: of no rows for none."""
    two = boxes.dtype.type(2)
    left, top, right, bottom = priors[prior]
    width, height = right - left, bottom - top
    a, b, c, d = offsets[given]
    if variances.shape[0] > 0:
        a, b, c, d = a * variances[prior, 0], b * variances[prior, 1], c * variances[prior, 2], d * variances[prior, 3]
    if code == 2:
        x, y = (left + right) / two + a * width, (top + bottom) / two + b * height
        half_w, half_h = math.exp(c) * width / two, math.exp(d) * height / two
        boxes[box, 0], boxes[box, 1], boxes[box, 2], boxes[box, 3] = x - half_w, y - half_h, x + half_w, y + half_h
        return
    if code == 3:
        a, b, c, d = a * width, b * height, c * width, d * height
    boxes[box, 0], boxes[box, 1], boxes[box, 2], boxes[box, 3] = left + a, top + b, right + c, bottom + d


def encode(code: str, priors: Array, variances: Array | None, boxes: Array) -> Array:
    """Offsets that `decode` turns into these boxes, which must have positive sizes for CENTER_SIZE."""
    sizes = np.tile(priors[:, 2:] - priors[:, :2], 2)
    if code == "CORNER":
        offsets = boxes - priors
    elif code == "CORNER_SIZE":
        offsets = (boxes - priors) / sizes
    else:
        centres = (boxes[:, :2] + boxes[:, 2:]) - (priors[:, :2] + priors[:, 2:])
        logs = np.log((boxes[:, 2:] - boxes[:, :2]) / sizes[:, :2])
        offsets = np.concatenate([centres / (2 * sizes[:, :2]), logs], axis=1)
    result: Array = offsets if variances is None else offsets / variances
    return result


# ---------------------------------------------------------------- overlaps


@kernel
def area(box: Array, cell: float) -> float:
    """Of a box; 0 if its end is before its start. `cell` is 1 where corners are cells that belong to the box."""
    there = box[2] >= box[0] and box[3] >= box[1]
    size: float = (box[2] - box[0] + cell) * (box[3] - box[1] + cell) if there else box.dtype.type(0)
    return size


@kernel
def overlap(a: Array, b: Array, cell: float) -> float:
    """Intersection over union (Jaccard) of two boxes; 0 for boxes that do not meet. `cell` as in `area`."""
    width = min(a[2], b[2]) - max(a[0], b[0]) + cell
    height = min(a[3], b[3]) - max(a[1], b[1]) + cell
    inter = width * height
    meet = width > 0 and height > 0
    value: float = inter / (area(a, cell) + area(b, cell) - inter) if meet else a.dtype.type(0)
    return value


@kernel
def overlaps(a: Array, b: Array, out: Array) -> None:
    """out[i, j] = the overlap of a[i] and b[j]."""
    for i in range(a.shape[0]):
        for j in range(b.shape[0]):
            out[i, j] = overlap(a[i], b[j], a.dtype.type(0))


# ---------------------------------------------------------------- suppression


@kernel
def suppress(
    boxes: Array, order: Array, threshold: float, eta: float, most: int, cell: float, kept: Array, held: Array
) -> int:
    """Greedy non-maximum suppression: `kept` gets the entries of `order` whose box overlaps none kept before it by more
    than the threshold; returns how many, at most `most`.

    With `eta` below 1 the threshold is multiplied by it after each kept box as long as it is above 0.5 (SSD).
    held: room for five numbers of each box that is kept, 5 x as many.
    """
    count = 0
    half, one = boxes.dtype.type(0.5), boxes.dtype.type(1)
    for index in order:
        if count >= most:
            break
        box = boxes[index]
        size = area(box, cell)
        if _overlaps_one(box, size, held, count, threshold, cell):
            continue
        kept[count] = index
        held[0, count], held[1, count], held[2, count], held[3, count] = box
        held[4, count] = size
        count += 1
        if eta < one and threshold > half:
            threshold *= eta
    return count


@kernel
def _overlaps_one(box: Array, size: float, held: Array, count: int, threshold: float, cell: float) -> bool:
    """Whether the box overlaps one of the first `count` that are held by more than the threshold.

    The inner loop has no branch, and indices that cannot be negative, so that it is made of vector instructions.
    """
    left, top, right, bottom = box
    lefts, tops, rights, bottoms, sizes = held[0], held[1], held[2], held[3], held[4]
    for start in range(0, count, AT_ONCE):
        found = np.int32(0)
        for offset in range(min(AT_ONCE, count - start)):
            i = np.uint64(start + offset)
            width = min(right, rights[i]) - max(left, lefts[i]) + cell
            height = min(bottom, bottoms[i]) - max(top, tops[i]) + cell
            inter = width * height
            share = inter / (size + sizes[i] - inter)
            found += np.int32((width > 0) & (height > 0) & (share > threshold))
        if found > 0:
            return True
    return False


def kept_boxes(boxes: Array, order: Array, threshold: float, eta: float = 1.0, most: int = -1, cell: int = 0) -> Array:
    """Indices of the boxes that `suppress` keeps, best first; `order` is their indices by falling score."""
    one, limit = boxes.dtype.type, len(order) if most < 0 else min(most, len(order))
    kept, held = np.empty(limit, np.int64), np.empty((5, limit), boxes.dtype)
    return kept[: suppress(boxes, order.astype(np.int64), one(threshold), one(eta), limit, one(cell), kept, held)]


# ---------------------------------------------------------------- the best


def by_score(scores: Array, most: int = -1) -> Array:
    """Indices by falling score, equal scores in their own order; at most `most` of them unless it is negative."""
    order = np.argsort(-scores, kind="stable")
    return order if most < 0 else order[:most]


@kernel
def best_first(scores: Array, first: int, step: int, count: int, threshold: float, most: int, order: Array) -> int:
    """The numbers, below `count`, of the scores above a threshold, by falling score, equal ones in their own order.

    Score number i is scores[first + i * step]. At most `most` of them are put into `order`; returns how many. They
    stand in a heap, the worst at its root, until all have been seen.
    """
    size = 0
    for i in range(count):
        score = scores[first + i * step]
        if not score > threshold:
            continue
        if size < most:
            at = size
            size += 1
            while at > 0 and _is_worse(scores, first, step, i, order[(at - 1) // 2]):
                order[at] = order[(at - 1) // 2]
                at = (at - 1) // 2
            order[at] = i
        elif size > 0 and score > scores[first + order[0] * step]:
            _sink(scores, first, step, order, size, i)
    for end in range(size - 1, 0, -1):
        last = order[end]
        order[end] = order[0]
        _sink(scores, first, step, order, end, last)
    return size


@kernel
def _is_worse(scores: Array, first: int, step: int, a: int, b: int) -> bool:
    one, other = scores[first + a * step], scores[first + b * step]
    return one < other or (one == other and a > b)


@kernel
def _sink(scores: Array, first: int, step: int, heap: Array, size: int, new: int) -> None:
    """Put a new entry in place of the root."""
    at, child = 0, 1
    while child < size:
        if child + 1 < size and _is_worse(scores, first, step, heap[child + 1], heap[child]):
            child += 1
        if not _is_worse(scores, first, step, heap[child], new):
            break
        heap[at] = heap[child]
        at = child
        child = 2 * at + 1
    heap[at] = new
