"""Image files as arrays, as OpenCV gives them to Caffe: height x width x channels, blue first."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np

from netc.data.bad import BadRecordError
from netc.data.extras import pillow
from netc.files import read_regular
from netc.layer import Array
from netc.untrusted import budget, library

MOST_PIXELS = 80_000_000
"""Images with more are refused before they are decoded: a small file may declare any size."""

_PIXEL_BYTES = 4  # that decoding takes, for each of the copies it makes
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "PPM", "TIFF", "WEBP", "DIB", "JPEG2000", "SUN")
"""Those that OpenCV reads too: others of Pillow's run programs (EPS), or are no images."""
MOST_BYTES = 1 << 29
"""Larger files are refused unread; no format needs as much for so many pixels."""

Colour = Literal["color", "gray", "as is"]


def read_image(path: Path, colour: Colour) -> Array:
    """An image file. Raises BadRecordError."""
    return decode_image(read_bytes(path), colour)


def read_bytes(path: Path, most: int = MOST_BYTES) -> bytes:
    """The bytes of a file of at most so many. Raises BadRecordError."""
    try:
        return read_regular(path, most)
    except (OSError, ValueError) as error:
        raise BadRecordError(f"it cannot be read: {(getattr(error, 'strerror', '') or str(error)).lower()}") from None


def decode_image(data: bytes, colour: Colour) -> Array:
    """The pixels (uint8) of an encoded image; its EXIF orientation is applied. Raises BadRecordError.

    colour: 3 channels, 1, or as many as the file has. Transparency is dropped, 16 bits become the upper 8, CMYK becomes
    RGB.
    """
    with opened(data) as image:
        if colour == "gray" and image.format == "JPEG":
            image.draft("L", image.size)  # the decoder's own luminance, as OpenCV takes it
        upright = pillow("PIL.ImageOps").exif_transpose(image)
        return _pixels(upright, colour, image.format == "PNG")


@contextmanager
def opened(data: bytes) -> Iterator[Any]:
    """An encoded image as Pillow's, to be decoded within `with`. Raises BadRecordError, for what is done within too."""
    if not data:
        raise BadRecordError("it is empty (0 bytes)")
    library_image = pillow()
    with library(lambda reason: BadRecordError(f"it is not an image that can be decoded: {reason}")):
        try:
            image = library_image.open(io.BytesIO(data), formats=FORMATS)
        except library_image.DecompressionBombError as error:  # far more, Pillow says so first
            raise BadRecordError(f"it has more than {MOST_PIXELS:,} pixels: {error}") from None
        with image:
            check_size(image.size, len(data))
            yield image


def check_size(size: tuple[int, int], stored: int | None = None) -> None:
    """Refuse images that are too large (width, height), alone or for the bytes that store them, or have no pixels."""
    width, height = size
    if width * height > MOST_PIXELS:
        raise BadRecordError(f"it has more than {MOST_PIXELS:,} pixels: {width:,} x {height:,}")
    if width < 1 or height < 1:
        raise BadRecordError(f"it has {width} x {height} pixels")
    if stored is not None and width * height > budget(stored) // _PIXEL_BYTES:
        raise BadRecordError(f"its {width:,} x {height:,} pixels are too many for a file of {stored:,} bytes")


def _pixels(image: Any, colour: Colour, png: bool) -> Array:
    if image.mode.startswith("I"):  # 16 bits a pixel; Pillow's own conversion would cut them off at 255
        deep = np.asarray(image)
        if deep.min() < 0 or deep.max() > 65535:
            raise BadRecordError("it has more than 16 bits a pixel")
        gray = (deep >> 8).astype(np.uint8)[:, :, None]
        return np.repeat(gray, 3, axis=2) if colour == "color" else gray
    if image.mode == "F":
        raise BadRecordError("its pixels are floats; use an image format with 8 or 16 bits, or HDF5")
    plain = image.mode in ("1", "L", "LA", "La")
    if colour == "gray" and png and not plain:
        return _luminance(np.asarray(image.convert("RGB")))
    if colour == "gray" or (colour == "as is" and plain):
        return np.asarray(image.convert("L"))[:, :, None]
    return np.ascontiguousarray(np.asarray(image.convert("RGB"))[:, :, ::-1])


def _luminance(pixels: Array) -> Array:
    """Grey as libpng computes it, which OpenCV uses for PNG: truncated, not rounded."""
    red, green, blue = (pixels[:, :, channel].astype(np.uint32) for channel in range(3))
    return ((9798 * red + 19235 * green + 3735 * blue) >> 15).astype(np.uint8)[:, :, None]


def encode_image(pixels: Array, format: str, quality: int = 95) -> bytes:
    """Pixels (height x width x 1 or 3, blue first) as the bytes of an image file: "png" or "jpg"."""
    shown = pixels[:, :, 0] if pixels.shape[2] == 1 else pixels[:, :, ::-1]
    out = io.BytesIO()
    options = {"quality": quality} if format == "jpg" else {}
    pillow().fromarray(np.ascontiguousarray(shown)).save(out, {"jpg": "JPEG", "png": "PNG"}[format], **options)
    return out.getvalue()
