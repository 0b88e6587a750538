"""Boxes (xmin, ymin, xmax, ymax): overlaps, offsets from prior boxes, and non-maximum suppression.

Offsets are written in one of SSD's three ways (`PriorBoxParameter.CodeType`), divided by the prior box's four variances
unless those are None: CORNER, the differences of the corners; CORNER_SIZE, these divided by the prior's size;
CENTER_SIZE, the difference of the centres divided by the prior's size, and the logarithm of the ratio of the sizes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from netc.jit import kernel

Array = NDArray[Any]


def decode(code: str, priors: Array, variances: Array | None, offsets: Array) -> Array:
    """Boxes from offsets; all arrays are N x 4. A size too large for the float type becomes infinite."""
    scaled = offsets if variances is None else offsets * variances
    sizes = np.tile(priors[:, 2:] - priors[:, :2], 2)
    if code != "CENTER_SIZE":
        moved: Array = priors + (scaled if code == "CORNER" else scaled * sizes)
        return moved
    two = priors.dtype.type(2)
    centres = (priors[:, :2] + priors[:, 2:]) / two + scaled[:, :2] * sizes[:, :2]
    with np.errstate(over="ignore"):
        halves = np.exp(scaled[:, 2:]) * sizes[:, :2] / two
    return np.concatenate([centres - halves, centres + halves], axis=1)


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


@kernel
def overlap(a: Array, b: Array, cell: float) -> float:
    """Intersection over union (Jaccard) of two boxes; `cell` is 1 where corners are cells that belong to the box.

    0 for boxes that do not meet; a box whose end is before its start has no area.
    """
    width = min(a[2], b[2]) - max(a[0], b[0]) + cell
    height = min(a[3], b[3]) - max(a[1], b[1]) + cell
    if not (width > 0 and height > 0):
        return 0.0
    inter = width * height
    size_a = (a[2] - a[0] + cell) * (a[3] - a[1] + cell) if a[2] >= a[0] and a[3] >= a[1] else 0.0
    size_b = (b[2] - b[0] + cell) * (b[3] - b[1] + cell) if b[2] >= b[0] and b[3] >= b[1] else 0.0
    value: float = inter / (size_a + size_b - inter)
    return value


@kernel
def overlaps(a: Array, b: Array, out: Array) -> None:
    """out[i, j] = the overlap of a[i] and b[j]."""
    for i in range(a.shape[0]):
        for j in range(b.shape[0]):
            out[i, j] = overlap(a[i], b[j], a.dtype.type(0))


@kernel
def suppress(boxes: Array, order: Array, threshold: float, eta: float, most: int, cell: float, kept: Array) -> int:
    """Greedy non-maximum suppression: `kept` gets the entries of `order` whose box overlaps none kept before it by more
    than the threshold; returns how many, at most `most`.

    With `eta` below 1 the threshold is multiplied by it after each kept box as long as it is above 0.5 (SSD).
    """
    count = 0
    for index in order:
        if count >= most:
            break
        keep = True
        for other in range(count):
            if overlap(boxes[index], boxes[kept[other]], cell) > threshold:
                keep = False
                break
        if keep:
            kept[count] = index
            count += 1
            if eta < 1 and threshold > 0.5:
                threshold *= eta
    return count


def kept_boxes(boxes: Array, order: Array, threshold: float, eta: float = 1.0, most: int = -1, cell: int = 0) -> Array:
    """Indices of the boxes that `suppress` keeps, best first; `order` is their indices by falling score.

    All is computed in the boxes' type, as in the forks: an overlap may be equal to the threshold.
    """
    kept, one = np.empty(len(order), np.int64), boxes.dtype.type
    limit = len(order) if most < 0 else most
    return kept[: suppress(boxes, order.astype(np.int64), one(threshold), one(eta), limit, one(cell), kept)]


def by_score(scores: Array, most: int = -1) -> Array:
    """Indices by falling score, equal scores in their own order; at most `most` of them unless it is negative."""
    order = np.argsort(-scores, kind="stable")
    return order if most < 0 else order[:most]
