"""Labels, and other whole numbers that blobs hold as floats: exactly, or refused."""

from __future__ import annotations

from typing import Any

import numpy as np

from netc.layer import Array

EXACT = 1 << 24
"""Up to here, float32 holds every whole number."""


def label_problem(value: float, what: str = "the label") -> str:
    """Why a label cannot be told from others as a float; "" if it can."""
    if abs(value) > EXACT:
        text = str(value) if isinstance(value, int) else f"{value:.0f}"  # an integer may be beyond every float
        shown = text if len(text) <= 40 else f"{text[:37]}..."
        return f"{what} {shown} is too large: beyond {EXACT:,} whole numbers are not exact as float"
    return ""


def labels_problem(values: Array) -> str:
    """Why the first of many labels that floats cannot tell from others cannot, with its place; "" if there is none."""
    flat: Any = values.ravel()
    beyond = np.flatnonzero(np.abs(flat.astype(np.float64)) > EXACT)
    return label_problem(float(flat[beyond[0]]), f"label {beyond[0]},") if len(beyond) else ""
