"""SSD's random changes of colours (`distort_param`), as its `ApplyDistort` does them to bytes."""

from __future__ import annotations

from typing import Any

import numpy as np

from netc.data.draws import COLOURS, Draws
from netc.kernels import colours
from netc.layer import Array

# Numbers of draws: whether each change is done, and how far it goes.
_ORDER, _BRIGHTNESS, _CONTRAST, _SATURATION, _HUE, _SHUFFLE = 0, 1, 3, 5, 7, 9
_COUNT = 11
_PERMUTATIONS = ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))


def distorted(p: Any, image: Array, draws: Draws) -> Array:
    """An image (height x width x channels, uint8) with its colours changed. p: the DistortionParameter.

    Contrast is changed second or last, at random; each change rounds to bytes. Hue, saturation and the order of
    channels are those of images with three channels; others keep them.
    """
    u = draws.uniforms(COLOURS, _COUNT)
    coloured = image.shape[2] == 3
    contrast_first = u[_ORDER] > 0.5
    if u[_BRIGHTNESS] < p.brightness_prob:
        image = _linear(image, 1.0, _between(u[_BRIGHTNESS + 1], -p.brightness_delta, p.brightness_delta))
    if contrast_first:
        image = _contrast(p, image, u)
    if coloured and u[_SATURATION] < p.saturation_prob:
        factor = _between(u[_SATURATION + 1], p.saturation_lower, p.saturation_upper)
        image = _in_hsv(image, 1, factor, 0.0)
    if coloured and u[_HUE] < p.hue_prob:
        image = _in_hsv(image, 0, 1.0, _between(u[_HUE + 1], -p.hue_delta, p.hue_delta))
    if not contrast_first:
        image = _contrast(p, image, u)
    if coloured and u[_SHUFFLE] < p.random_order_prob:
        image = image[:, :, _PERMUTATIONS[int(u[_SHUFFLE + 1] * len(_PERMUTATIONS))]]
    return image


def _contrast(p: Any, image: Array, u: Array) -> Array:
    if not u[_CONTRAST] < p.contrast_prob:
        return image
    factor = _between(u[_CONTRAST + 1], p.contrast_lower, p.contrast_upper)
    return image if abs(factor - 1) <= 1e-3 else _linear(image, factor, 0.0)


def _between(u: float, low: float, high: float) -> float:
    return float(low + (high - low) * u)


def _linear(values: Array, factor: float, shift: float) -> Array:
    """Bytes times a factor plus a shift, rounded, 0 to 255."""
    table = np.arange(256, dtype=np.float32) * np.float32(factor) + np.float32(shift)
    out: Array = np.clip(np.rint(table), 0, 255).astype(np.uint8)[values]
    return out


def _in_hsv(image: Array, channel: int, factor: float, shift: float) -> Array:
    """The image with its hue (0) or saturation (1) changed."""
    pixels = np.ascontiguousarray(image).reshape(-1, 3)
    hsv, out = np.empty_like(pixels), np.empty_like(pixels)
    colours.to_hsv(pixels, hsv)
    hsv[:, channel] = _linear(hsv[:, channel], factor, shift)
    colours.from_hsv(hsv, out)
    return out.reshape(image.shape)
