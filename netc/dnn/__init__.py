"""OpenCV's `cv2.dnn` on netc: scripts that load Caffe models through it run where OpenCV has no Caffe reader.

    from netc import dnn

    net = dnn.readNetFromCaffe("deploy.prototxt", "res10_300x300_ssd_iter_140000.caffemodel")
    net.setInput(blob)
    detections = net.forward()

OpenCV need not be installed. If it is, errors are `cv2.error`s, as scripts catch them. docs/opencv.md says what is
there and what differs. Everything is imported when it is first used.
"""

from importlib import import_module
from typing import Any

from netc.dnn.names import HOME

__all__ = list(HOME)


def install() -> Any:
    """Put what an installed OpenCV's `cv2.dnn` lacks into it, and return it. Raises ImportError without OpenCV."""
    return import_module("netc.dnn.installing").install()


def __getattr__(name: str) -> Any:
    if name not in HOME:
        raise AttributeError(f"module 'netc.dnn' has no attribute {name!r}")
    found = getattr(import_module(HOME[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
