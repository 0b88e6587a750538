"""SSD's `noise_param`: images that are made worse. Every image is; the fork reads no probability here either."""

from __future__ import annotations

from typing import Any

import numpy as np

from netc.data.bad import BadRecordError
from netc.data.codes import BAD_TRANSFORM
from netc.data.draws import NOISE, Draws
from netc.data.images import decode_image, encode_image
from netc.errors import Diagnostic, NetError
from netc.layer import Array
from netc.schema.record import Record

_NOT_DONE = ("hist_eq", "gauss_blur", "erode", "clahe", "convert_to_hsv", "convert_to_lab")


class Spoiling:
    """The `noise_param` of one data layer. draws: whether `__call__` draws random numbers."""

    def __init__(self, p: Any) -> None:
        self._p = p
        self.draws: bool = p.saltpepper

    def __call__(self, image: Array, draws: Draws | None) -> Array:
        """An image (height x width x channels) made worse. Raises BadRecordError if it has no bytes."""
        p = self._p
        if image.dtype != np.uint8:
            raise BadRecordError("noise_param needs bytes, but its image holds floats")
        if p.decolorize and image.shape[2] == 3:
            image = np.repeat(_gray(image), 3, axis=2)
        if p.jpeg > 0:
            image = decode_image(encode_image(image, "jpg", int(p.jpeg)), "as is" if image.shape[2] == 1 else "color")
        if p.posterize:
            image = image // 64 * 64 + 32
        if p.inverse:
            image = 255 - image
        if p.saltpepper and draws is not None:
            image = self._salted(image, draws)
        return image

    def _salted(self, image: Array, draws: Draws) -> Array:
        height, width = image.shape[:2]
        count = int(np.floor(self._p.saltpepper_param.fraction * height * width))
        words = draws.words(NOISE, 2 * count)
        columns, rows = words[0::2] % np.uint64(width), words[1::2] % np.uint64(height)
        out = image.copy()
        out[rows.astype(np.intp), columns.astype(np.intp)] = np.array(self._p.saltpepper_param.value, np.float32)
        return out


def _gray(image: Array) -> Array:
    """OpenCV's grey of blue-first bytes, with its rounding."""
    blue, green, red = (image[:, :, c].astype(np.uint32) for c in range(3))
    return ((1868 * blue + 9617 * green + 4899 * red + (1 << 13)) >> 14).astype(np.uint8)[:, :, None]


def spoiling(record: Record, channels: int) -> Spoiling | None:
    """What a layer's transform_param asks for, or None. channels: 0 if not known. Raises NetError(DAT006)."""
    p = record.transform_param
    if not p.has("noise_param"):
        return None
    n = p.noise_param
    wrong = next((f"noise_param: netc does not do {name}" for name in _NOT_DONE if getattr(n, name)), "")
    if n.saltpepper and channels and len(n.saltpepper_param.value) not in (1, channels):
        wrong = f"saltpepper_param has {len(n.saltpepper_param.value)} values for images of {channels} channels"
    if wrong:
        span = p.span_of("noise_param")
        raise NetError(Diagnostic.of_layer(record, BAD_TRANSFORM, wrong, span, field="noise_param"))
    return Spoiling(n)
