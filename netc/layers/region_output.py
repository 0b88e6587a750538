"""RegionOutput: boxes from what a Fast R-CNN says of regions (Girshick 2015).

Computes:
    Each region moved by the offsets of each class (times `std`), cut at the image, as a share of it, with the class's
    probability as its confidence. Then what DetectionOutput does: of each class but the background the boxes of a
    confidence above `confidence_threshold`, without those that overlap a better one by more than `nms_threshold`; of
    all classes the best `keep_top_k`.

Shapes:
    Bottoms: regions (R x 5: image, x1, y1, x2, y2 in pixels), offsets (R x (4 * classes)), probabilities (R x classes),
    and image information (height, width, scale). The top is 1 x 1 x detections x 7: image, class, confidence, xmin,
    ymin, xmax, ymax. The number of detections is known only after forward; planned is the most there can be. Without
    any there is one row (0, -1, -1, ...).

Gradient:
    None.

Caffe notes:
    py-faster-rcnn does this in Python after the net. Its suppression counts pixels of corners as belonging to boxes;
    here boxes are shares of the image, as DetectionEvaluate reads them. One image at a time.
"""

from dataclasses import dataclass
from math import prod

import numpy as np

from netc.kernels.anchors import moved
from netc.kernels.detections import COLUMNS, DetectionGeometry, detections, write_none
from netc.layer import (
    BAD_BOTTOM_SHAPE,
    BAD_FIELD,
    Arity,
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

_NAME = "RegionOutputParameter"
STD = (0.1, 0.1, 0.2, 0.2)
SIDE = 100.0  # of an image of made-up regions
PARAMETER = Message(
    _NAME,
    (
        repeated("std", 1, "float", "What offsets are multiplied by; 0.1, 0.1, 0.2, 0.2 if left out."),
        optional("confidence_threshold", 2, "float", 0.05, "Lower confidences are dropped."),
        optional("nms_threshold", 3, "float", 0.3, "Boxes that overlap a better one by more are dropped."),
        optional("keep_top_k", 4, "int32", 100, "At most so many boxes; -1 for all."),
    ),
    doc="Boxes of regions.",
    origin="netc",
)


@dataclass(frozen=True, slots=True)
class Geometry:
    """What is done with the boxes, and what offsets are multiplied by."""

    found: DetectionGeometry
    std: tuple[float, ...]


def setup(site: Site) -> Setup:
    p, (regions, offsets, scores, info) = site.p, site.bottoms
    count, classes = (regions[0] if regions else 0), prod(scores[1:])
    if prod(regions) != 5 * count or prod(offsets) != 4 * count * classes or prod(scores) != count * classes:
        shapes = ", ".join(map(format_shape, site.bottoms[:3]))
        message = f"needs R x 5 regions, R x (4 * classes) offsets and R x classes probabilities, but has {shapes}"
        site.refuse(BAD_BOTTOM_SHAPE, message, "bottom")
    if prod(info) < 3:
        message = f"needs height, width and scale of the image, but has {format_shape(info)}"
        site.refuse(BAD_BOTTOM_SHAPE, message, "bottom", index=3)
    std = tuple(p.std) or STD
    if len(std) != 4 or min(std) <= 0:
        site.refuse(BAD_FIELD, "std must be four numbers above 0", "std")
    if p.nms_threshold < 0:
        site.refuse(BAD_FIELD, "nms_threshold must not be negative", "nms_threshold")
    limits = (p.keep_top_k, p.confidence_threshold, p.nms_threshold)
    found = DetectionGeometry.of_boxes(1, count, classes, *limits, own=True)
    image = Holds("image", width=SIDE, height=SIDE)
    return Setup(
        tops=((1, 1, max(found.most, 1), COLUMNS),),
        reads=(),
        dynamic=True,
        holds=(Holds("regions", high=1, width=SIDE, height=SIDE), ANYTHING, Holds("probabilities"), image),
        geometry=Geometry(found, std),
    )


def forward(call: Call) -> None:
    g = call.known(Geometry)
    count, classes = len(call.bottoms[0]), g.found.classes
    kind = call.tops[0].dtype
    regions = call.bottoms[0].reshape(count, 5)[:, 1:]
    offsets = call.bottoms[1].reshape(count, classes, 4) * np.array(g.std, kind)
    boxes = moved(regions, offsets)
    boxes[..., 2:] += 1  # corners are pixels that belong to the box
    height, width = call.bottoms[3].ravel()[:2]
    boxes = np.clip(boxes / np.array([width, height, width, height], kind), 0, 1)
    rows = call.tops[0].reshape(-1, COLUMNS)
    found = detections(g.found, 0, boxes.transpose(1, 0, 2), call.bottoms[2], rows, 0) or write_none(rows, 1)
    call.resize_top(0, (1, 1, found, COLUMNS))


_REGIONS = Input((3, 5), "values", values=(0, 1, 2, 20, 22, 0, 3, 2, 18, 20, 0, 20, 4, 39, 30))
_BOTTOMS = (
    _REGIONS,
    Input((3, 12), "uniform", -0.5, 0.5),
    Input((3, 3), "probabilities"),
    Input((1, 3), "values", values=(32, 40, 1)),
)
_SHAPES = ((3, 5), (3, 12), (3, 3), (1, 3))

REGION_OUTPUT = LayerType(
    "RegionOutput",
    __doc__,
    setup,
    forward,
    param="region_output_param",
    own=Param(optional("region_output_param", 1127, _NAME, doc="Fields of RegionOutput.", origin="netc"), (PARAMETER,)),
    bottoms=Arity(4, 4),
    differentiable=False,
    origin="netc",
    role=Role("detection", apart=(0, 1, 2), rows=("image", "class", "confidence", "xmin", "ymin", "xmax", "ymax")),
    examples=(
        Example(inputs=_BOTTOMS, phase="TEST"),
        Example("region_output_param { std: [1, 1, 1, 1] keep_top_k: 2 }", inputs=_BOTTOMS, phase="TEST"),
    ),
    refuses=(
        Refused(BAD_BOTTOM_SHAPE, bottoms=((3, 5), (3, 12), (3, 4), (1, 3))),
        Refused(BAD_BOTTOM_SHAPE, bottoms=(*_SHAPES[:3], (1, 2))),
        Refused(BAD_FIELD, "region_output_param { std: 1 }", _SHAPES),
        Refused(BAD_FIELD, "region_output_param { nms_threshold: -1 }", _SHAPES),
    ),
)
