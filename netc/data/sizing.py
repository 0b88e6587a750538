"""SSD's `resize_param`: images of one size, and where boxes are afterwards."""

from __future__ import annotations

from typing import Any

import numpy as np

from netc.data.codes import BAD_TRANSFORM
from netc.data.draws import RESIZE, Draws
from netc.data.interpolate import interpolate
from netc.errors import Diagnostic, NetError
from netc.layer import Array
from netc.schema.record import Record

_BORDERS = {"CONSTANT": "constant", "MIRRORED": "reflect", "REPEAT_NEAREST": "edge"}


class Sizing:
    """The `resize_param` of one data layer. draws: whether `__call__` draws random numbers."""

    def __init__(self, p: Any) -> None:
        self._p = p
        self._modes: tuple[str, ...] = tuple(p.interp_mode) or ("LINEAR",)
        self.draws = len(self._modes) > 1

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width that images of this size get."""
        if self._p.resize_mode != "FIT_SMALL_SIZE":
            return int(self._p.height), int(self._p.width)
        rows, columns = self._fitted(height, width, smaller=False)
        return int(rows), int(columns)

    def __call__(self, image: Array, draws: Draws | None) -> Array:
        """An image (height x width x channels) in its new size."""
        height, width = image.shape[:2]
        mode = self._modes[draws.words(RESIZE, 1)[0] % len(self._modes) if draws and self.draws else 0]
        if self._p.resize_mode != "FIT_LARGE_SIZE_AND_PAD":
            return interpolate(image, *self.size(height, width), mode)
        rows, columns = (max(1, int(side)) for side in self._fitted(height, width, smaller=True))
        return self._padded(interpolate(image, rows, columns, mode))

    def boxes(self, boxes: Array, height: int, width: int) -> Array:
        """Boxes (N x 4, shares of an image of this size) as shares of the image in its new size."""
        shares: Array = np.concatenate([np.maximum(boxes[:, :2], 0), np.minimum(boxes[:, 2:], 1)], axis=1)
        if self._p.resize_mode != "FIT_LARGE_SIZE_AND_PAD":
            return shares
        wanted = np.array([self._p.width, self._p.height] * 2, np.float32)
        inside = np.array(self._fitted(height, width, smaller=True)[::-1] * 2, np.float32)
        padding = (wanted - inside) / 2
        out: Array = (padding + shares * inside) / wanted
        return out

    def scaled_back(self, boxes: Array, height: int, width: int, crop: Array) -> Array:
        """Boxes of a crop (four shares) of a FIT_SMALL_SIZE image, in units of width_scale x height_scale."""
        p = self._p
        if p.resize_mode != "FIT_SMALL_SIZE" or not (p.height_scale and p.width_scale):
            return boxes
        rows, columns = self._fitted(height, width, smaller=False)
        factor = [columns * (crop[2] - crop[0]) / p.width_scale, rows * (crop[3] - crop[1]) / p.height_scale]
        out: Array = boxes * np.array(factor * 2, np.float32)
        return out

    def _fitted(self, height: int, width: int, *, smaller: bool) -> tuple[np.float32, np.float32]:
        """With the aspect ratio kept: the largest size inside of height x width, or the smallest outside of it."""
        rows, columns = np.float32(self._p.height), np.float32(self._p.width)
        aspect = np.float32(width) / np.float32(height)
        if bool(aspect > columns / rows) == smaller:
            return columns / aspect, columns
        return rows, aspect * rows

    def _padded(self, image: Array) -> Array:
        rows, columns = int(self._p.height), int(self._p.width)
        top, left = (rows - image.shape[0]) // 2, (columns - image.shape[1]) // 2
        around = ((top, rows - image.shape[0] - top), (left, columns - image.shape[1] - left), (0, 0))
        if self._p.pad_mode != "CONSTANT":
            return np.pad(image, around, mode=_BORDERS[self._p.pad_mode])  # type: ignore[call-overload, no-any-return]
        out = np.empty((rows, columns, image.shape[2]), image.dtype)
        out[...] = np.array(self._p.pad_value or (0,), np.float32)
        out[top : top + image.shape[0], left : left + image.shape[1]] = image
        return out


def sizing(record: Record, channels: int = 0) -> Sizing | None:
    """What a layer's transform_param asks for, or None. channels: 0 if not known. Raises NetError(DAT006)."""
    p = record.transform_param
    if not p.has("resize_param"):
        return None
    r, problem = p.resize_param, ""
    if not r.height or not r.width:
        problem = "resize_param needs height and width"
    elif r.prob < 1:
        problem = "resize_param resizes every image; take prob out"
    elif r.resize_mode == "FIT_SMALL_SIZE" and not (p.crop_size or (p.crop_h and p.crop_w)):
        problem = "resize_mode: FIT_SMALL_SIZE gives images of several sizes; add a crop_size"
    elif channels and len(r.pad_value) not in (0, 1, channels):
        problem = f"resize_param has {len(r.pad_value)} values of pad_value for images of {channels} channels"
    if problem:
        span = p.span_of("resize_param")
        raise NetError(Diagnostic.of_layer(record, BAD_TRANSFORM, problem, span, field="resize_param"))
    return Sizing(r)
