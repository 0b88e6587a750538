"""Non-maximum suppression over lists of boxes (x, y, width, height), as cv2.dnn has it."""

from __future__ import annotations

from typing import Any

import numpy as np

from netc.dnn.constants import SOFT_NMSMETHOD_SOFTNMS_GAUSSIAN, SOFT_NMSMETHOD_SOFTNMS_LINEAR
from netc.dnn.errors import BAD_BOXES, refuse
from netc.layer import Array


def NMSBoxes(
    bboxes: Any, scores: Any, score_threshold: float, nms_threshold: float, eta: float = 1.0, top_k: int = 0
) -> Any:
    """The numbers of the boxes to keep, the best first, as int32; () if there is none.

    Of the boxes that score above score_threshold (the best top_k of them; all if 0), those that overlap no better one
    by more than nms_threshold, which is multiplied by eta after each kept box while above 0.5. Raises error(RUN084).
    """
    boxes, marks = _checked(bboxes, scores)
    chosen = np.flatnonzero(marks > np.float32(score_threshold))
    order = chosen[np.argsort(-marks[chosen], kind="stable")]
    order = order[:top_k] if top_k > 0 else order
    kept: list[int] = []
    threshold = np.float32(nms_threshold)
    for index in order:
        if (_overlaps(boxes[index], boxes[kept]) <= threshold).all():
            kept.append(int(index))
            if eta < 1 and threshold > 0.5:
                threshold *= np.float32(eta)
    return np.array(kept, np.int32) if kept else ()


def NMSBoxesBatched(
    bboxes: Any,
    scores: Any,
    class_ids: Any,
    score_threshold: float,
    nms_threshold: float,
    eta: float = 1.0,
    top_k: int = 0,
) -> Any:
    """As `NMSBoxes`, where boxes of different classes do not suppress each other."""
    boxes, marks = _checked(bboxes, scores)
    classes = np.asarray(class_ids, np.float64).reshape(-1)
    if len(classes) != len(boxes):
        raise refuse(BAD_BOXES, f"{len(boxes)} boxes have {len(classes)} classes")
    farthest = max(0.0, float(np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]]).max(initial=0)))
    apart = boxes.copy()
    apart[:, :2] += (classes * (farthest + 1))[:, None]
    return NMSBoxes(apart, marks, score_threshold, nms_threshold, eta, top_k)


def softNMSBoxes(
    bboxes: Any,
    scores: Any,
    score_threshold: float,
    nms_threshold: float,
    top_k: int = 0,
    sigma: float = 0.5,
    method: int = SOFT_NMSMETHOD_SOFTNMS_GAUSSIAN,
) -> tuple[Any, Any]:
    """Scores, lowered by how much better boxes overlap (Bodla et al. 2017), and the numbers of the boxes kept.

    method: 1 lowers by 1 - overlap where that is above nms_threshold, 2 by exp(-overlap^2 / sigma).
    """
    boxes, marks = _checked(bboxes, scores)
    if method not in {SOFT_NMSMETHOD_SOFTNMS_LINEAR, SOFT_NMSMETHOD_SOFTNMS_GAUSSIAN}:
        raise refuse(BAD_BOXES, f"{method} is no method of softNMSBoxes", help="1 is linear, 2 is Gaussian")
    marks, left = marks.copy(), np.ones(len(marks), bool)
    kept: list[int] = []
    for _ in range(min(top_k or len(marks), len(marks))):
        best = int(np.argmax(np.where(left, marks, -np.inf)))
        if marks[best] < np.float32(score_threshold):
            break
        kept.append(best)
        left[best] = False
        others = np.flatnonzero(left & (marks >= np.float32(score_threshold)))
        overlap = _overlaps(boxes[best], boxes[others])
        if method == SOFT_NMSMETHOD_SOFTNMS_LINEAR:
            marks[others] *= np.where(overlap > np.float32(nms_threshold), 1 - overlap, np.float32(1))
        else:
            marks[others] *= np.exp(-(overlap * overlap) / np.float32(sigma))
    return (marks[kept], np.array(kept, np.int32)) if kept else ((), ())


def _checked(bboxes: Any, scores: Any) -> tuple[Array, Array]:
    boxes, marks = np.asarray(bboxes, np.float64), np.asarray(scores, np.float32).reshape(-1)
    boxes = boxes.reshape(0, 4) if not boxes.size else boxes
    if boxes.ndim != 2 or boxes.shape[1] != 4 or len(boxes) != len(marks):
        raise refuse(
            BAD_BOXES, f"an array of {boxes.shape} is not one box (x, y, width, height) for {len(marks)} scores"
        )
    return boxes, marks


def _overlaps(box: Array, others: Array) -> Array:
    """Intersection over union with each of the others, in float32; two boxes without area overlap wholly."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[:2] + box[2:], others[:, :2] + others[:, 2:])
    common = (high - low).clip(0).prod(axis=1)
    total = box[2] * box[3] + others[:, 2] * others[:, 3]
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = np.where(total <= np.finfo(np.float64).eps, 0.0, 1 - common / (total - common))
    found: Array = np.float32(1) - distance.astype(np.float32)
    return found
