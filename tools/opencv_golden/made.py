"""The nets of the golden numbers, and what they are run on."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).resolve().parent.parent.parent / "tests/golden/opencv/dnn"
NETS = ("ssd", "branches", "colour", "two", "kinds")
"""Those whose layers OpenCV has."""
OWN = "own"
"""One with layers of the script's."""
Arrays = dict[str, Any]


def blob(seed: int, *shape: int) -> Any:
    """A blob of random values of about the size of pixels without their mean."""
    return np.random.default_rng(seed).normal(0, 3, shape).astype(np.float32)


def image(seed: int, *shape: int) -> Any:
    """An image of random bytes."""
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def read(dnn: Any, name: str) -> Any:
    """A net by any module that has readNetFromCaffe."""
    return dnn.readNetFromCaffe(str(FOLDER / f"{name}.prototxt"), str(FOLDER / f"{name}.caffemodel"))


def registering(dnn: Any) -> Any:
    """The module that has `dnn_registerLayer`: OpenCV has it elsewhere."""
    return dnn if hasattr(dnn, "dnn_registerLayer") else import_module("cv2")
