"""Images in another size, as scipy.ndimage.zoom makes them: linearly here, by splines of other orders there."""

from __future__ import annotations

import numpy as np

from netc.data.extras import package
from netc.layer import Array


def zoomed(image: Array, size: tuple[int, int], order: int, *, centres: bool) -> Array:
    """An image (height x width x channels) as float64 in another size (height, width).

    order: of the spline; 1 is linear. centres: sample at the centres of the new pixels, with zeros beyond the border;
    else on a grid whose corners are the image's corner pixels.
    Raises NetError(DAT004) for other orders than 1 where scipy is not installed.
    """
    values = np.asarray(image, np.float64)
    if order == 1:
        return _along(_along(values, 0, size[0], centres), 1, size[1], centres)
    zoom = package("scipy.ndimage", "scipy", f"images resized by splines of order {order}", extra="pycaffe").zoom
    how = {"mode": "grid-constant", "cval": 0.0, "grid_mode": True} if centres else {}
    factors = (size[0] / image.shape[0], size[1] / image.shape[1], 1)
    return np.asarray(zoom(values, factors, order=order, **how))


def _along(values: Array, axis: int, size: int, centres: bool) -> Array:
    """Linear interpolation along one axis: between the two neighbours of each new position."""
    old = values.shape[axis]
    places = np.arange(size)
    at = (places + 0.5) * (old / size) - 0.5 if centres else places * ((old - 1) / max(1, size - 1))
    low = np.floor(at).astype(np.int64)
    share = (at - low).reshape((-1, *(1,) * (values.ndim - axis - 1)))
    found: Array = _taken(values, axis, low) * (1 - share) + _taken(values, axis, low + 1) * share
    return found


def _taken(values: Array, axis: int, at: Array) -> Array:
    """The items at these places of an axis; zeros beyond its ends."""
    inside = (at >= 0) & (at < values.shape[axis])
    taken: Array = values.take(at.clip(0, values.shape[axis] - 1), axis)
    taken *= inside.reshape((-1, *(1,) * (values.ndim - axis - 1)))
    return taken
