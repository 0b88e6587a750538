"""Golden numbers of OpenCV's dnn module for tests/dnn, in tests/golden/opencv/dnn.

    python -m tools.opencv_golden weights     with netc: a .caffemodel for each prototxt there, from its fillers
    python -m tools.opencv_golden values      with `pip install netc[bench]`: what OpenCV 4.12 makes of everything

Inputs are made by `image` and `blob`, which the tests use too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tools.opencv_golden.images import blobs, boxes, floats
from tools.opencv_golden.made import FOLDER, NETS, Arrays, blob, image, read
from tools.opencv_golden.models import models
from tools.opencv_golden.own import own
from tools.opencv_golden.passes import passes
from tools.opencv_golden.structure import figures, structure

__all__ = ["FOLDER", "GROUPS", "NETS", "blob", "image", "read"]

GROUPS: dict[str, Callable[[Any], Arrays]] = {
    "structure": structure,
    "figures": figures,
    "passes": passes,
    "models": models,
    "own": own,
    "blobs": blobs,
    "floats": floats,
    "boxes": boxes,
}
