"""GridOutput: boxes from a detector's maps of predictions (YOLO v2 and v3; Redmon & Farhadi 2016, 2018).

Computes:
    Each prediction's box (see GridTarget, whose targets it undoes), cut at the image, with s(o) times the probability
    of each class as its confidence: the softmax of its scores, or with `score: SIGMOID` (v3) the logistic function of
    each. Then, of all maps together, what DetectionOutput does: of each class the boxes of a confidence above
    `confidence_threshold`, without those that overlap a better one by more than `nms_threshold`; of all classes the
    best `keep_top_k` of an image.

Shapes:
    Bottoms: maps, each num x (anchors * (5 + classes)) x H x W. The top is 1 x 1 x detections x 7: image, class (from 1
    on), confidence, xmin, ymin, xmax, ymax as shares of the image. The number of detections is known only after
    forward; planned is the most there can be. Without any there is one row (image, -1, -1, ...) for each image.

Gradient:
    None.

Caffe notes:
    Caffe has no such layer. The rows are DetectionOutput's, so DetectionEvaluate reads them; its `num_classes` is one
    more than `classes`: class 0 is the background.
"""

from dataclasses import dataclass

import numpy as np

from netc.kernels.detections import COLUMNS, DetectionGeometry, detections, write_none
from netc.kernels.grid import CLASSES, OBJECT, GridMap, boxes_of, sigmoid
from netc.layer import (
    BAD_BOTTOM_SHAPE,
    BAD_FIELD,
    MISSING_FIELD,
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
)
from netc.role import Role
from netc.schema.declare import Enum, Message, optional
from netc.setups.grid import FIELDS, grid_maps

_NAME = "GridOutputParameter"
PARAMETER = Message(
    _NAME,
    (
        *FIELDS,
        optional("score", 5, f"{_NAME}.Score", "SOFTMAX", "How scores become probabilities of classes."),
        optional("confidence_threshold", 6, "float", 0.01, "Lower confidences are dropped."),
        optional("nms_threshold", 7, "float", 0.45, "Boxes that overlap a better one by more are dropped."),
        optional("keep_top_k", 8, "int32", 100, "At most so many boxes of an image; -1 for all."),
    ),
    (Enum("Score", {"SOFTMAX": 0, "SIGMOID": 1}, "How scores become probabilities of classes."),),
    doc="Boxes of maps of predictions.",
    origin="netc",
)


@dataclass(frozen=True, slots=True)
class Geometry:
    """The maps, and what is done with their boxes."""

    maps: tuple[GridMap, ...]
    found: DetectionGeometry


def setup(site: Site) -> Setup:
    p, images = site.p, site.bottoms[0][:1]
    maps = grid_maps(site, site.bottoms)
    if p.nms_threshold < 0:
        site.refuse(BAD_FIELD, "nms_threshold must not be negative", "nms_threshold")
    count = sum(grid.count for grid in maps)
    found = DetectionGeometry.of_boxes(
        images[0], count, p.classes + 1, p.keep_top_k, p.confidence_threshold, p.nms_threshold
    )
    top = (1, 1, images[0] * max(found.most, 1), COLUMNS)
    return Setup(tops=(top,), reads=(), dynamic=True, geometry=Geometry(maps, found))


def forward(call: Call) -> None:
    g = call.known(Geometry)
    rows, count = call.tops[0].reshape(-1, COLUMNS), 0
    for image in range(g.found.images):
        parts = [grid.split(blob)[image] for grid, blob in zip(g.maps, call.bottoms, strict=True)]
        boxes = np.concatenate([boxes_of(grid, part) for grid, part in zip(g.maps, parts, strict=True)])
        scores = np.concatenate([_scores(part, call.p.score) for part in parts])
        count = detections(g.found, image, np.clip(boxes, 0, 1)[None], scores, rows, count)
    count = count or write_none(rows, g.found.images)
    call.resize_top(0, (1, 1, count, COLUMNS))


def _scores(values: Array, how: str) -> Array:
    """Confidences of an image's predictions, one a class: (anchors * H * W) x (1 + classes), the background's 0."""
    scores = values[:, CLASSES]
    if how == "SOFTMAX":
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        classes = powers / powers.sum(axis=1, keepdims=True)
    else:
        classes = sigmoid(scores)
    found = np.zeros((len(values), values.shape[1] - OBJECT, *values.shape[2:]), values.dtype)
    np.multiply(sigmoid(values[:, OBJECT])[:, None], classes, out=found[:, 1:])
    return np.moveaxis(found, 1, -1).reshape(-1, found.shape[1])


_FIELDS = "classes: 3 anchor: 1 anchor: 1.5 anchor: 2 anchor: 1"

GRID_OUTPUT = LayerType(
    "GridOutput",
    __doc__,
    setup,
    forward,
    param="grid_output_param",
    own=Param(
        optional("grid_output_param", 1124, _NAME, doc="Fields of GridOutput layers.", origin="netc"), (PARAMETER,)
    ),
    bottoms=Arity(1, None),
    differentiable=False,
    origin="netc",
    role=Role("detection", rows=("image", "class", "confidence", "xmin", "ymin", "xmax", "ymax")),
    examples=(
        Example(f"grid_output_param {{ {_FIELDS} }}", inputs=(Input((2, 16, 3, 4)),), phase="TEST"),
        Example(
            "grid_output_param { classes: 3 anchor: [8, 12, 16, 8, 30, 30] mask: [2, 0, 1] stride: 16 stride: 8 "
            "score: SIGMOID keep_top_k: 5 confidence_threshold: 0.2 }",
            inputs=(Input((2, 8, 2, 2)), Input((2, 16, 4, 4))),
            phase="TEST",
        ),
    ),
    refuses=(
        Refused(MISSING_FIELD, "grid_output_param { anchor: 1 anchor: 1 }", ((2, 16, 3, 4),)),
        Refused(BAD_FIELD, f"grid_output_param {{ {_FIELDS} nms_threshold: -1 }}", ((2, 16, 3, 4),)),
        Refused(BAD_FIELD, f"grid_output_param {{ {_FIELDS} }}", ((2, 16, 3, 4), (2, 16, 6, 8))),
        Refused(BAD_BOTTOM_SHAPE, f"grid_output_param {{ {_FIELDS} }}", ((2, 17, 3, 4),)),
    ),
)
