"""The unit in which OpenCV says how long something took."""

from __future__ import annotations

from importlib import import_module


def tick_frequency() -> float:
    """Ticks in a second: `cv2.getTickFrequency()`; a thousand million without OpenCV."""
    try:
        return float(import_module("cv2").getTickFrequency())
    except (ImportError, AttributeError):
        return 1e9
