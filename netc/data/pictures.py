"""Image files as the values that a parameter starts with."""

from __future__ import annotations

from typing import Any

from netc.data.bad import BadRecordError
from netc.data.codes import BAD_RECORD, MISSING_DATA
from netc.data.images import read_image
from netc.data.paths import find
from netc.data.resize import resize
from netc.errors import Diagnostic, NetError
from netc.layer import Array


def picture(filler: Any, shape: tuple[int, int, int]) -> Array:
    """The pixels (uint8, blue first) of the file that an image filler names, resized to channels x height x width.

    Raises NetError: DAT016 if it is not there, DAT002 if it is no image.
    """
    name, span = filler.source, filler.span_of("source")
    path = find(filler, name)
    if path is None:
        help = "put it there, or correct the path: it is tried from here, then from the net's folder and those above it"
        raise NetError(
            Diagnostic(MISSING_DATA, f'the image "{name}" to fill a parameter with is not there', span, (), help)
        )
    channels, height, width = shape
    try:
        pixels = read_image(path, "gray" if channels == 1 else "color")
    except BadRecordError as error:
        raise NetError(Diagnostic(BAD_RECORD, f"{name}: {error}", span)) from None
    return resize(pixels, height, width).transpose(2, 0, 1)
