"""Sizes of the images that a data layer gives, as far as its fields say them."""

from __future__ import annotations

from typing import Any


def image_shape(
    transform: Any, *, resize: tuple[int, int] = (0, 0), gray: bool | None = None
) -> tuple[int, int, int] | None:
    """Channels, height and width of images, or None if only the data knows them.

    transform: the TransformationParameter. resize: height and width that images are resized to before they are cropped.
    gray: whether images have 1 channel, not 3, where the layer's own fields say so; else `force_gray` does.
    """
    channels = 1 if (transform.force_gray if gray is None else gray) else 3
    if side := transform.crop_size:
        return channels, int(side), int(side)
    if transform.crop_h and transform.crop_w:
        return channels, int(transform.crop_h), int(transform.crop_w)
    height, width = (int(transform.resize_param.height), int(transform.resize_param.width))
    if not (height and width):
        height, width = resize
    return (channels, height, width) if height and width else None
