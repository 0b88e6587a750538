"""SSD's layers: default boxes, and boxes from predictions in standard operators, with Caffe's order and ties.

DetectionOutput: offsets are decoded by arithmetic, then the boxes are found (`found`).
"""

from __future__ import annotations

from math import isfinite
from typing import Any

import numpy as np

from netc.convert.onnx.found import Search, found, nothing_found
from netc.convert.onnx.runtime import Dim
from netc.convert.onnx.suppression import part
from netc.convert.onnx.writer import LayerWriter, Tops, Write, product
from netc.kernels.detections import DetectionGeometry
from netc.kernels.pooling import LOWEST
from netc.layer import Call, LayerType
from netc.layers.detection_output import DETECTION_OUTPUT
from netc.layers.prior_box import PRIOR_BOX, PRIOR_BOX_CLUSTERED
from netc.layers.prior_box import Geometry as PriorGeometry

# ---------------------------------------------------------------- DetectionOutput


def detection_output(layer: LayerWriter) -> Tops:
    g, p = layer.setup.known(DetectionGeometry), layer.p
    if layer.writer.domain:
        return _own_node(layer, g)
    if p.nms_param.eta < 1 and p.nms_param.nms_threshold > 0.5:
        layer.refuse("ONNX's suppression has no threshold that falls with each box (eta)", "nms_param")
    layer.known_sizes(0, 1, bottom=2)
    images, priors = layer.shape[0], product(layer.dims(2)[2:]) // 4
    labels = tuple(label for label in range(g.classes) if label != g.background)
    shared = bool(p.share_location)
    it = Search(images, labels, priors, shared, _looked_at(layer), p.nms_param.nms_threshold, g.confidence, g.keep)
    if not labels or g.top_k == 0 or g.keep == 0:
        return nothing_found(layer, it)
    return found(layer, it, _decoded(layer, g, images, labels), _scores(layer, g, images, labels))


def _looked_at(layer: LayerWriter) -> int:
    """So many boxes of a class are looked at; -1 for all."""
    nms = layer.p.nms_param
    return int(nms.top_k) if nms.has("top_k") else -1


def _scores(layer: LayerWriter, g: DetectionGeometry, images: Dim, labels: tuple[int, ...]) -> str:
    """Images x classes x priors."""
    table = layer.reshape(layer.bottoms[1], (images, -1, g.classes))
    scores = layer.op("Transpose", table, perm=[0, 2, 1])
    if len(labels) < g.classes:
        scores = layer.op("Gather", scores, layer.integers(labels), axis=1)
    return scores


def _decoded(layer: LayerWriter, g: DetectionGeometry, images: Dim, labels: tuple[int, ...]) -> str:
    """Boxes: images x priors x 4, or images x classes x priors x 4 if each class has its own."""
    prior = layer.reshape(layer.bottoms[2], (2, -1, 4))
    boxes, variances = (layer.op("Gather", prior, layer.integers(i), axis=0) for i in (0, 1))
    if g.loc_classes == 1:
        moves = layer.reshape(layer.x, (images, -1, 4))
    else:
        table = layer.reshape(layer.x, (images, -1, g.loc_classes, 4))
        moves = layer.op("Gather", layer.op("Transpose", table, perm=[0, 2, 1, 3]), layer.integers(labels), axis=1)
    if not layer.p.variance_encoded_in_target:
        moves = layer.op("Mul", moves, variances)
    axis = 2 if g.loc_classes == 1 else 3
    low, high = part(layer, boxes, 1, 0, 2), part(layer, boxes, 1, 2, 4)
    size = layer.op("Sub", high, low)
    if layer.p.code_type == "CORNER":
        return layer.op("Add", boxes, moves)
    if layer.p.code_type == "CORNER_SIZE":
        return layer.op("Add", boxes, layer.op("Mul", moves, layer.op("Concat", size, size, axis=1)))
    middle = layer.times(layer.op("Add", low, high), 0.5)
    centre = layer.op("Add", middle, layer.op("Mul", part(layer, moves, axis, 0, 2), size))
    half = layer.times(layer.op("Mul", layer.op("Exp", part(layer, moves, axis, 2, 4)), size), 0.5)
    return layer.op("Concat", layer.op("Sub", centre, half), layer.op("Add", centre, half), axis=axis)


def _own_node(layer: LayerWriter, g: DetectionGeometry) -> Tops:
    """OpenCV's or OpenVINO's own DetectionOutput, which both have from Caffe."""
    p = layer.p
    if p.nms_param.eta < 1 and p.nms_param.nms_threshold > 0.5:
        layer.refuse(f"{layer.writer.domain} has no threshold that falls with each box (eta)", "nms_param")
    threshold = g.confidence if isfinite(g.confidence) else LOWEST
    fields: dict[str, Any] = {
        "share_location": int(p.share_location),
        "background_label_id": p.background_label_id,
        "variance_encoded_in_target": int(p.variance_encoded_in_target),
        "code_type": p.code_type,
        "keep_top_k": g.keep,
        "confidence_threshold": float(threshold),
        "nms_threshold": float(p.nms_param.nms_threshold),
        "top_k": _looked_at(layer),
    }
    if layer.writer.domain == "opencv":
        fields["num_classes"] = g.classes
    else:
        fields |= {"normalized": 1, "clip_after_nms": 0, "clip_before_nms": 0, "decrease_label_id": 0}
    return layer.ops("DetectionOutput", layer.bottoms[:3], 1, layer.writer.domain, **fields)


# ---------------------------------------------------------------- default boxes


def prior_box(layer: LayerWriter) -> Tops:
    """Constants, where the sizes of the map and of the image are known."""
    whole = not layer.p.has("img_size") and not layer.p.has("img_h")
    if layer.is_free(2, 3) or (whole and len(layer.bottoms) > 1 and layer.is_free(2, 3, bottom=1)):
        return _free_boxes(layer)
    forward = layer.node.type.forward
    assert forward is not None
    bottoms = tuple(np.zeros(shape, np.float32) for shape in layer.bottom_shapes)
    top = np.zeros(layer.top_shapes[0], np.float32)
    forward(Call(layer.node.record, layer.p, layer.setup, "TEST", bottoms, (top,)))
    return layer.op("Identity", layer.numbers(top, f"{layer.node.name}/boxes"))


def _free_boxes(layer: LayerWriter) -> Tops:
    """As the layer's own kernel, from sizes that are known when the file runs."""
    g, p = layer.setup.known(PriorGeometry), layer.p
    rows, columns = layer.shape[2:]
    image = tuple(layer.dims(1)[2:]) if not (p.has("img_size") or p.has("img_h")) else g.image
    width, height, right, down, cut = np.array(g.boxes, float).T
    across, along = (
        _centres(layer, count, size, step, written)
        for count, size, step, written in (
            (columns, image[1], g.step[1], p.has("step") or p.has("step_w")),
            (rows, image[0], g.step[0], p.has("step") or p.has("step_h")),
        )
    )
    count = len(g.boxes)
    x = layer.op("Add", layer.reshape(across, (1, columns, 1)), layer.numbers(right.reshape(1, 1, -1)))
    y = layer.op("Add", layer.reshape(along, (rows, 1, 1)), layer.numbers(down.reshape(1, 1, -1)))
    view = layer.vector([rows, columns, count])
    corners = []
    for centre, sides, size, sign in (
        (x, width, image[1], -0.5),
        (y, height, image[0], -0.5),
        (x, width, image[1], 0.5),
        (y, height, image[0], 0.5),
    ):
        corner = layer.op("Add", centre, layer.numbers(sign * sides.reshape(1, 1, -1)))
        corner = layer.op("Div", corner, layer.to_float(layer.vector([size])))
        limits = (0, 1) if p.clip else (-np.inf, np.inf)
        low = np.maximum(limits[0], np.where(cut > 0, 0, -np.inf) if sign < 0 else -np.inf)
        high = np.minimum(limits[1], np.where(cut > 0, 1, np.inf) if sign > 0 else np.inf)
        if np.any(np.isfinite(low)):
            corner = layer.op("Max", corner, layer.numbers(np.maximum(np.broadcast_to(low, count), LOWEST)))
        if np.any(np.isfinite(high)):
            corner = layer.op("Min", corner, layer.numbers(np.minimum(np.broadcast_to(high, count), -LOWEST)))
        corners.append(layer.op("Unsqueeze", layer.op("Expand", corner, view), layer.integers([3])))
    boxes = layer.reshape(layer.op("Concat", *corners, axis=3), (1, 1, -1))
    cells = layer.vector([1, rows * columns * count, 4])
    variances = layer.reshape(layer.op("Expand", layer.numbers([[g.variance]]), cells), (1, 1, -1))
    return layer.op("Concat", boxes, variances, axis=1)


def _centres(layer: LayerWriter, count: Dim, size: Dim, step: float, written: bool) -> str:
    """The centres of cells along an axis, in pixels."""
    at = layer.plus(layer.to_float(layer.count(count)), layer.p.offset)
    if written:
        return layer.times(at, step)
    whole, cells = (layer.to_float(layer.vector([dim])) for dim in (size, count))
    return layer.op("Mul", at, layer.op("Div", whole, cells))


WRITERS: dict[LayerType, Write] = {
    DETECTION_OUTPUT: detection_output,
    PRIOR_BOX: prior_box,
    PRIOR_BOX_CLUSTERED: prior_box,
}
