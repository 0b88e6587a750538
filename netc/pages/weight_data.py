"""What a page shows of weights: how their values are distributed, and the filters that look at images."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import numpy as np

from netc.layer import Array
from netc.run import Net
from netc.schema.weights import Weights

BINS = 40
MOST_FILTERS = 96
"""Of a blob; the first ones."""


def weights_data(net: Net) -> dict[str, Any]:
    """Each parameter blob of a net, by name."""
    return {p.param.name: blob_data(p.array) for p in net.parameters.all if p.array.size}


def layer_blobs(weights: Weights) -> dict[str, list[dict[str, Any]]]:
    """The blobs of each layer of a file, in order, by the layer's name."""
    return {layer.name: [blob_data(np.asarray(b)) for b in layer.blobs if b.size] for layer in weights.layers}


def blob_data(values: Array) -> dict[str, Any]:
    """The distribution of a blob's finite values, and its filters, if they can be looked at."""
    flat = values.reshape(-1).astype(np.float64)
    known = flat[np.isfinite(flat)]
    found: dict[str, Any] = {"count": int(flat.size), "bad": int(flat.size - known.size)}
    if known.size:
        low, high = float(known.min()), float(known.max())
        counts, _ = np.histogram(known, BINS, (low, high if high > low else low + 1))
        found |= {"low": low, "high": high, "mean": float(known.mean()), "std": float(known.std())}
        found |= {"zeros": float((known == 0).mean()), "histogram": counts.tolist()}
    if values.ndim == 4 and values.shape[1] in (1, 3) and min(values.shape[2:]) > 2 and known.size == flat.size:
        found["filters"] = _filters(values[:MOST_FILTERS])
    return found


def _filters(values: Array) -> dict[str, Any]:
    """Filters as bytes, red first, each stretched to 0..255; 128 is zero."""
    most = np.maximum(np.abs(values).max(axis=(1, 2, 3), keepdims=True), 1e-12)
    pixels = np.clip(np.round(values / most * 127 + 128), 0, 255).astype(np.uint8)
    shown = pixels[:, ::-1].transpose(0, 2, 3, 1)
    count, height, width, channels = shown.shape
    data = b64encode(np.ascontiguousarray(shown).tobytes()).decode()
    return {"count": count, "height": height, "width": width, "channels": channels, "pixels": data}
