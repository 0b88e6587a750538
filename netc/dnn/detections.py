"""DetectionOutput's rows as OpenCV gives them: the best first, and as many rows as there may be."""

from __future__ import annotations

import numpy as np

from netc.graph import Node
from netc.layer import Array, Shape

TYPE = "DetectionOutput"


def as_opencv(node: Node, top: Array, images: int) -> Array:
    """The top of a DetectionOutput, 1 x 1 x (images * keep_top_k) x 7: by image, then confidence, zeros at the end.

    Without keep_top_k there are as many rows as boxes, and one of zeros if there is none.
    """
    rows = top.reshape(-1, 7)
    rows = rows[rows[:, 1] >= 0]  # Caffe has a row of -1 where an image has no box
    rows = rows[np.lexsort((-rows[:, 2], rows[:, 0]))]
    padded = np.zeros(shape(node, images, len(rows)), top.dtype)
    padded[0, 0, : len(rows)] = rows
    return padded


def shape(node: Node, images: int, rows: int) -> Shape:
    """The shape of that; rows: how many there are, where nothing says how many to keep."""
    keep = node.record.detection_output_param.keep_top_k
    return 1, 1, images * keep if keep > 0 else max(rows, 1), 7
