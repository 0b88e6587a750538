"""Layers that pool regions of images: what their bottoms must be, and the regions of a call, checked."""

from __future__ import annotations

from netc.errors import Code, Diagnostic, NetError
from netc.kernels.regions import wrong_region
from netc.layer import BAD_BOTTOM_SHAPE, Array, Call, Site, format_shape


def check_bottoms(site: Site) -> None:
    """Refuse bottoms that are not planes of images (num x channels x height x width) and rows of 5 values."""
    bottom, rois = site.bottoms
    if len(bottom) != 4:
        shape = format_shape(bottom)
        site.refuse(BAD_BOTTOM_SHAPE, f"needs num x channels x height x width, but its bottom is {shape}", "bottom")
    if len(rois) < 2 or rois[1] != 5 or any(d != 1 for d in rois[2:]):
        site.refuse(BAD_BOTTOM_SHAPE, f"needs regions as rows of 5 values, but they are {format_shape(rois)}", "bottom")


def rows(call: Call) -> Array:
    """The regions: rows (image, x1, y1, x2, y2)."""
    found: Array = call.bottoms[1].reshape(-1, 5)
    return found


def checked(call: Call, code: Code) -> Array:
    """The regions; raises NetError with the code for one that names no image, or has a corner that is not finite."""
    found, images = rows(call), len(call.bottoms[0])
    if (wrong := wrong_region(found, images)) >= 0:
        region = ", ".join(f"{value:g}" for value in found[wrong])
        raise NetError(Diagnostic.of_layer(call.record, code, f"region {wrong} is ({region}), of {images} images"))
    return found
