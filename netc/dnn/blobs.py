"""From images to blobs and back, as cv2.dnn does it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from netc.dnn.errors import BAD_IMAGE, refuse
from netc.dnn.resize import resized
from netc.layer import Array, format_shape

CV_8U, CV_32F = 0, 5
"""OpenCV's numbers of uint8 and float32."""


def blobFromImage(
    image: Any,
    scalefactor: float = 1.0,
    size: Any = (0, 0),
    mean: Any = (),
    swapRB: bool = False,
    crop: bool = False,
    ddepth: int = CV_32F,
) -> Array:
    """A blob of 1 x channels x height x width from an image of height x width (x 1, 3 or 4 channels).

    The image is resized in its own dtype to size = (width, height), its own if that is empty; then the result is
    scalefactor * (image - mean) in float32. mean: a number for each channel, in the blob's order. swapRB: turn the
    first three channels round. crop: keep the ratio, and cut what stands out at both sides.
    Raises error(RUN083).
    """
    return blobFromImages([image], scalefactor, size, mean, swapRB, crop, ddepth)


def blobFromImages(
    images: Sequence[Any],
    scalefactor: float = 1.0,
    size: Any = (0, 0),
    mean: Any = (),
    swapRB: bool = False,
    crop: bool = False,
    ddepth: int = CV_32F,
) -> Array:
    """As `blobFromImage`, for images of as many channels each; without a size, that of the first."""
    pixels = [_pixels(image) for image in images]
    if not pixels or len({array.shape[2] for array in pixels}) != 1:
        raise refuse(BAD_IMAGE, f"{len(pixels)} images of {sorted({a.shape[2] for a in pixels})} channels are no blob")
    width, height = _size(size) or (pixels[0].shape[1], pixels[0].shape[0])
    means = _means(mean)
    if ddepth not in {CV_8U, CV_32F}:
        raise refuse(BAD_IMAGE, f"a blob is of bytes (ddepth 0, CV_8U) or float32 (5, CV_32F), not of {ddepth}")
    if ddepth == CV_8U and (scalefactor != 1 or means.any() or any(a.dtype != np.uint8 for a in pixels)):
        raise refuse(BAD_IMAGE, "a blob of bytes takes images of bytes, and neither mean nor scale")
    channels = pixels[0].shape[2]
    blob = np.stack([_fitted(array, width, height, crop) for array in pixels])
    if swapRB and channels > 2:
        blob = blob[..., [2, 1, 0, 3][:channels]]
    if ddepth == CV_32F:
        blob = (blob.astype(np.float32) - means[:channels]) * np.float32(scalefactor)
    return np.ascontiguousarray(blob.transpose(0, 3, 1, 2))


def imagesFromBlob(blob_: Any) -> tuple[Array, ...]:
    """The images of a blob of float32: height x width x channels each, or height x width if there is one channel."""
    blob = np.asarray(blob_)
    if blob.ndim != 4 or blob.dtype != np.float32:
        raise refuse(BAD_IMAGE, f"{_shown(blob)} is no blob: images x channels x height x width of float32")
    images = (np.ascontiguousarray(array.transpose(1, 2, 0)) for array in blob)
    return tuple(image[..., 0] if image.shape[2] == 1 else image for image in images)


def _pixels(image: Any) -> Array:
    """The image with an axis of channels."""
    array = np.asarray(image)
    array = array[..., None] if array.ndim == 2 else array
    if array.ndim != 3 or array.shape[2] not in {1, 3, 4} or not array.size or array.dtype.kind not in "fiu":
        help = "it is height x width, or height x width x channels (1, 3 or 4); was the file read?"
        raise refuse(BAD_IMAGE, f"{_shown(array)} is no image", help=help)
    return array.astype(np.float32) if array.dtype.kind == "f" else array


def _shown(array: Array) -> str:
    return "None" if array.dtype == object else f"an array of {format_shape(array.shape)} of {array.dtype}"


def _size(size: Any) -> tuple[int, int] | None:
    """Width and height; None for the image's own."""
    given = (0, 0) if size is None else tuple(size)
    if len(given) != 2 or any(int(n) != n or n < 0 for n in given) or (0 in given and any(given)):
        raise refuse(BAD_IMAGE, f"{size!r} is no size", help="give (width, height)")
    width, height = map(int, given)
    return (width, height) if width else None


def _means(mean: Any) -> Array:
    """Four numbers: a single one is the first channel's, as in OpenCV."""
    given = np.atleast_1d(np.asarray(mean, np.float32)).reshape(-1)
    if len(given) > 4:
        raise refuse(BAD_IMAGE, f"a mean is up to four numbers, not {len(given)}")
    means = np.zeros(4, np.float32)
    means[: len(given)] = given
    return means


def _fitted(image: Array, width: int, height: int, crop: bool) -> Array:
    rows, columns = image.shape[:2]
    if (columns, rows) == (width, height):
        return image
    if image.dtype not in {np.dtype(np.uint8), np.dtype(np.float32)}:
        raise refuse(BAD_IMAGE, f"an image of {image.dtype} is not resized", help="give uint8 or float32")
    if not crop:
        return resized(image, width, height)
    factor = float(max(np.float32(width) / np.float32(columns), np.float32(height) / np.float32(rows)))
    large = resized(image, round(columns * factor), round(rows * factor), factor)
    top, left = ((large.shape[0] - height) // 2, (large.shape[1] - width) // 2)
    return large[top : top + height, left : left + width]
