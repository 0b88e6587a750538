"""Layers of detectors."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from netc.convert.torch.code import Items, call, literal, raw
from netc.convert.torch.writer import OWN, Argument, LayerWriter, Write, Written, made, module
from netc.kernels.detections import DetectionGeometry
from netc.layer import LayerType
from netc.layers.detection_output import DETECTION_OUTPUT
from netc.layers.grid_output import GRID_OUTPUT
from netc.layers.grid_output import Geometry as Grid
from netc.layers.proposal import PROPOSAL, RATIOS, SCALES
from netc.layers.region_output import REGION_OUTPUT, STD
from netc.layers.region_output import Geometry as Regions


def detection_output(layer: LayerWriter) -> Written:
    """Boxes that overlap a better one are left out one after the other, as netc does it."""
    g, p = layer.setup.known(DetectionGeometry), layer.p
    values: dict[str, tuple[Any, Any]] = {
        "shared": (bool(p.share_location), True),
        "background": (g.background, 0),
        "code": (str(p.code_type), "CORNER"),
        "scaled": (not g.encoded, True),
        "confidence": (float(g.confidence), -np.inf),
        "threshold": (float(g.overlap), 0.3),
        "eta": (float(g.eta), 1.0),
        "top_k": (g.top_k if g.top_k < g.priors else -1, -1),
        "keep_top_k": (g.keep, -1),
    }
    options = {name: raw(literal(value)) for name, (value, usual) in values.items() if value != usual}
    return made(call("detection_output", *layer.bottoms[:3], literal(g.classes), **options))


def grid_output(layer: LayerWriter) -> Written:
    """The boxes of all maps, found as SSD's are."""
    p, maps = layer.p, layer.setup.known(Grid).maps
    anchors = [[grid.anchors[index] for index in grid.own] for grid in maps]
    values: dict[str, tuple[Any, Any]] = {
        "sigmoid": (p.score == "SIGMOID", False),
        "confidence": (float(p.confidence_threshold), 0.01),
        "threshold": (float(p.nms_threshold), 0.45),
        "keep_top_k": (p.keep_top_k, 100),
    }
    options = {name: raw(literal(value)) for name, (value, usual) in values.items() if value != usual}
    return made(call("grid_output", Items(layer.bottoms), literal(anchors), **options))


def proposal(layer: LayerWriter) -> Written:
    """Regions of equal scores stand in their own order here; the fork's quicksort leaves them in another."""
    p = layer.p
    options = [
        Argument("stride", p.feat_stride, 16),
        Argument("base_size", p.base_size, 16),
        Argument("min_size", p.min_size, 16),
        Argument("ratios", tuple(p.ratio) or RATIOS, RATIOS),
        Argument("scales", tuple(p.scale) or SCALES, SCALES),
        Argument("looked_at", p.pre_nms_topn, 6000),
        Argument("most", p.post_nms_topn, 300),
        Argument("threshold", p.nms_thresh, 0.7),
    ]
    found = call(OWN, *layer.bottoms)
    if len(layer.top_shapes) == 1:
        return module("Proposal", tops=(raw(found, "[0]"),), options=options)
    return replace(module("Proposal", tops=(found,), options=options), together=True)


def region_output(layer: LayerWriter) -> Written:
    """Boxes of each class, found as SSD's are."""
    p = layer.p
    values: dict[str, tuple[Any, Any]] = {
        "std": (layer.setup.known(Regions).std, STD),
        "confidence": (float(p.confidence_threshold), 0.05),
        "threshold": (float(p.nms_threshold), 0.3),
        "keep_top_k": (p.keep_top_k, 100),
    }
    options = {name: raw(literal(value)) for name, (value, usual) in values.items() if value != usual}
    return made(call("region_output", *layer.bottoms, **options))


WRITERS: dict[LayerType, Write] = {
    DETECTION_OUTPUT: detection_output,
    GRID_OUTPUT: grid_output,
    PROPOSAL: proposal,
    REGION_OUTPUT: region_output,
}
