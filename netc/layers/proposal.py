"""Proposal: regions from a region proposal network (Faster R-CNN, Ren et al. 2015).

Computes:
    Bottoms are scores, box offsets and image information (height, width, scale; or the scales of height and width). At
    every cell of the map stand anchors: boxes of area (`base_size` * scale)^2 for each `ratio` and `scale`,
    `feat_stride` pixels apart. The offsets move them, they are cut at the image, the best `pre_nms_topn` by score are
    taken, those that overlap a better one by more than `nms_thresh` dropped, and the best `post_nms_topn` of the rest
    are the regions.

Shapes:
    regions x 5: image (always 0), x1, y1, x2, y2 in pixels; a second top gets their scores, one a region. The number of
    regions is known only after forward; planned is `post_nms_topn`.

Gradient:
    None, as in Faster R-CNN.

Caffe notes:
    The C++ form of py-faster-rcnn's Python layer, found in several forks; the rules are PVANET's. One image at a time.
    Scores are 1 x (2 * anchors) x H x W, first those of the background, offsets 1 x (4 * anchors) x H x W. A region
    smaller than `min_size` times the image's scale counts with score 0. Sides of anchors are rounded, halves up. Ratios
    are 0.5, 1, 2 and scales 8, 16, 32 if left out. Regions of one score stand in the order that the fork's quicksort
    leaves them in.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from netc.jit import kernel
from netc.kernels.anchors import anchor_boxes
from netc.kernels.boxes import kept_boxes
from netc.layer import (
    BAD_BOTTOM_SHAPE,
    BAD_FIELD,
    Arity,
    Array,
    Call,
    Example,
    Input,
    LayerType,
    Param,
    Refused,
    Setup,
    Site,
    format_shape,
)
from netc.role import ANYTHING, Holds, Role
from netc.schema.declare import Message, optional, repeated

RATIOS, SCALES = (0.5, 1.0, 2.0), (8.0, 16.0, 32.0)  # where the layer gives none
ORIGIN = "Faster R-CNN (rbgirshick/py-faster-rcnn)"
PARAMETER = Message(
    "ProposalParameter",
    (
        optional("feat_stride", 1, "uint32", 16, "Pixels between cells."),
        optional("base_size", 2, "uint32", 16, "Side of the anchor of ratio 1 and scale 1, in pixels."),
        optional("min_size", 3, "uint32", 16, "Smaller regions count with score 0; in pixels of the unscaled image."),
        repeated("ratio", 4, "float", "Height divided by width of the anchors."),
        repeated("scale", 5, "float", "Sizes of the anchors, in base_size."),
        optional("pre_nms_topn", 6, "uint32", 6000, "So many of the best boxes are looked at."),
        optional("post_nms_topn", 7, "uint32", 300, "So many regions come out at most."),
        optional("nms_thresh", 8, "float", 0.7, "Boxes that overlap a better one by more are dropped."),
    ),
    origin=ORIGIN,
)


@dataclass(frozen=True, eq=False)
class Geometry:
    """The map's size and the anchors around its first cell, as rows (x1, y1, x2, y2)."""

    height: int
    width: int
    anchors: Array


def setup(site: Site) -> Setup:
    p, (scores, offsets, info) = site.p, site.bottoms
    ratios, scales = tuple(p.ratio) or RATIOS, tuple(p.scale) or SCALES
    for name, values in (("ratio", ratios), ("scale", scales), ("base_size", (p.base_size,))):
        if min(values) <= 0:
            site.refuse(BAD_FIELD, f"{name} must be positive", name)
    if not p.post_nms_topn:
        site.refuse(BAD_FIELD, "post_nms_topn must be at least 1", "post_nms_topn")
    anchors = anchor_boxes(p.base_size, ratios, scales)
    count = len(anchors)
    text = f"{format_shape(scores)}, {format_shape(offsets)} and {format_shape(info)}"
    if len(scores) != 4 or scores[:2] != (1, 2 * count) or offsets != (1, 4 * count, *scores[2:]):
        message = f"{count} anchors need 1x{2 * count}xHxW scores and 1x{4 * count}xHxW offsets, but bottoms are {text}"
        site.refuse(BAD_BOTTOM_SHAPE, message, "bottom")
    if np.prod(info) < 3 or 0 in scores:
        site.refuse(
            BAD_BOTTOM_SHAPE, f"needs a map and (height, width, scale) of the image, but bottoms are {text}", "bottom"
        )
    most = min(p.post_nms_topn, count * scores[2] * scores[3])
    tops = ((most, 5), (most,))[: site.top_count]
    image = Holds("image", width=scores[3] * p.feat_stride, height=scores[2] * p.feat_stride)
    geometry = Geometry(*scores[2:], anchors)
    return Setup(
        tops=tops,
        reads=(),
        dynamic=True,
        holds=(ANYTHING, ANYTHING, image),
        own_gradient="Proposal takes its regions as given",
        geometry=geometry,
    )


def forward(call: Call) -> None:
    p, g = call.p, call.known(Geometry)
    number = call.bottoms[0].dtype.type
    scores, offsets = (bottom.reshape(-1, g.height, g.width) for bottom in call.bottoms[:2])
    height, width, *scale = call.bottoms[2].ravel()[:4]
    boxes = np.empty((g.height * g.width * len(g.anchors), 4), scores.dtype)
    values = np.empty(len(boxes), scores.dtype)
    limits = number(width - 1), number(height - 1), number(p.min_size * scale[-1]), number(p.min_size * scale[0])
    _regions(scores, offsets, g.anchors.astype(scores.dtype), p.feat_stride, Limits(*limits), boxes, values)
    kept = kept_boxes(boxes, _sorted(values, p.pre_nms_topn), p.nms_thresh, most=p.post_nms_topn, cell=1)
    top = call.resize_top(0, (len(kept), 5))
    top[:, 0] = 0
    top[:, 1:] = boxes[kept]
    if len(call.tops) > 1:
        call.resize_top(1, (len(kept),))[:] = values[kept]


class Limits(NamedTuple):
    """The image's last column and row, and the smallest width and height of a region that counts."""

    right: Any
    bottom: Any
    width: Any
    height: Any


@kernel
def _regions(
    scores: Array, offsets: Array, anchors: Array, stride: int, limits: Limits, boxes: Array, values: Array
) -> None:
    """Every anchor at every cell, moved by its offsets and cut at the image, and its score; by cell, then anchor."""
    number, count = boxes.dtype.type, anchors.shape[0]
    one, two, box = number(1), number(2), 0
    for row in range(scores.shape[1]):
        for column in range(scores.shape[2]):
            for k in range(count):
                left, top, right, bottom = anchors[k]
                width, height = right - left + one, bottom - top + one
                x = offsets[4 * k, row, column] * width + (number(column * stride) + left + width / two)
                y = offsets[4 * k + 1, row, column] * height + (number(row * stride) + top + height / two)
                half_w = math.exp(offsets[4 * k + 2, row, column]) * width / two
                half_h = math.exp(offsets[4 * k + 3, row, column]) * height / two
                left, right = _cut(x - half_w, limits.right), _cut(x + half_w, limits.right)
                top, bottom = _cut(y - half_h, limits.bottom), _cut(y + half_h, limits.bottom)
                small = right - left + one < limits.width or bottom - top + one < limits.height
                value = scores[count + k, row, column]
                values[box] = number(0) if small or math.isnan(value) else value
                boxes[box, 0], boxes[box, 1], boxes[box, 2], boxes[box, 3] = left, top, right, bottom
                box += 1


@kernel
def _cut(value: float, most: float) -> float:
    """A coordinate within 0..most; 0 for what is no number."""
    if not value > 0:
        return most * 0
    return value if value <= most else max(most, most * 0)


def _sorted(scores: Array, most: int) -> Array:
    """Indices by falling score, at most `most`; equal scores as the fork's quicksort leaves them."""
    order = np.arange(len(scores))
    _sort(scores.copy(), order, most)
    return order[:most]


@kernel
def _sort(scores: Array, order: Array, most: int) -> None:
    """Quicksort by falling score around the first of each part; parts from `most` on stay as they are."""
    parts = [(0, len(scores) - 1)]
    while parts:
        start, end = parts.pop()
        pivot, left, right = scores[start], start + 1, end
        while left <= right:
            while left <= end and scores[left] >= pivot:
                left += 1
            while right > start and scores[right] <= pivot:
                right -= 1
            if left <= right:
                _swap(scores, order, left, right)
                left += 1
                right -= 1
        if right > start:
            _swap(scores, order, start, right)
        if start < right - 1:
            parts.append((start, right - 1))
        if right + 1 < most and right + 1 < end:
            parts.append((right + 1, end))


@kernel
def _swap(scores: Array, order: Array, a: int, b: int) -> None:
    scores[a], scores[b] = scores[b], scores[a]
    order[a], order[b] = order[b], order[a]


_INPUTS = (
    Input((1, 6, 2, 3), "uniform"),
    Input((1, 12, 2, 3), "uniform", -0.3, 0.3),
    Input((1, 3), "values", values=(40.0, 60.0, 1.0)),
)
_FIELDS = "ratio: 0.5 ratio: 1 ratio: 2 scale: 1 min_size: 8"
_SHAPES = ((1, 6, 2, 3), (1, 12, 2, 3), (1, 3))

PROPOSAL = LayerType(
    "Proposal",
    __doc__,
    setup,
    forward,
    param="proposal_param",
    own=Param(optional("proposal_param", 2150, "ProposalParameter", origin=ORIGIN), (PARAMETER,)),
    origin=ORIGIN,
    bottoms=Arity(3, 3),
    tops=Arity(1, 2),
    differentiable=False,
    role=Role("detection", rows=("image", "x1", "y1", "x2", "y2")),
    examples=(
        Example(f"proposal_param {{ {_FIELDS} }}", inputs=_INPUTS, phase="TEST"),
        Example(
            f"proposal_param {{ {_FIELDS} pre_nms_topn: 9 post_nms_topn: 4 nms_thresh: 0.3 }}",
            inputs=_INPUTS,
            tops=2,
            phase="TEST",
        ),
    ),
    refuses=(
        Refused(BAD_BOTTOM_SHAPE, bottoms=_SHAPES),
        Refused(BAD_FIELD, f"proposal_param {{ {_FIELDS} post_nms_topn: 0 }}", bottoms=_SHAPES),
        Refused(BAD_FIELD, "proposal_param { ratio: 0 }", bottoms=_SHAPES),
    ),
)
