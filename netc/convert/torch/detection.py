"""Layers of detectors."""

from __future__ import annotations

from typing import Any

import numpy as np

from netc.convert.torch.code import call, literal, raw
from netc.convert.torch.writer import LayerWriter, Write, Written, made
from netc.kernels.detections import DetectionGeometry
from netc.layer import LayerType
from netc.layers.detection_output import DETECTION_OUTPUT


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


WRITERS: dict[LayerType, Write] = {
    DETECTION_OUTPUT: detection_output,
}
