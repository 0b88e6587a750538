"""pycaffe's coord_map: how the coordinates of two tops of a NetSpec relate, so that one can be cropped to the other.

A map is (axis, scale, shift): cell i of the one lies at scale * i + shift in the other, per spatial axis; `axis` is the
last axis before the spatial ones (None where any will do). Maps compose and invert as affine maps do; see J. Long,
E. Shelhamer, T. Darrell, Fully convolutional networks for semantic segmentation, CVPR 2015.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from netc.caffe.net_spec import Function, Top, layers
from netc.catalogue import catalogue

Map = tuple[int | None, Any, Any]

IDENTITY: Map = (None, 1, 0)
_OLD_FIELDS = {f"{field}_{axis}" for field in ("pad", "kernel", "stride") for axis in "hw"}


class UndefinedMapException(Exception):  # noqa: N818 (pycaffe's name)
    """A layer that relates no coordinates (InnerProduct, say)."""


class AxisMismatchException(Exception):  # noqa: N818 (pycaffe's name)
    """Two maps of different axes."""


def conv_params(fn: Function) -> tuple[int, Any, Any, Any]:
    """The axis, strides, extents of the (dilated) kernel and pads of a layer with a window."""
    params = fn.params.get("convolution_param", fn.params)
    legacy = [name for name in params if name in _OLD_FIELDS]
    if legacy:
        raise AssertionError(f"cropping does not support {', '.join(legacy)}; use lists")
    kernel, stride, pad, dilation = (
        np.array(params[name] if default is None else params.get(name, default), ndmin=1)
        for name, default in (("kernel_size", None), ("stride", 1), ("pad", 0), ("dilation", 1))
    )
    return params.get("axis", 1), stride, (kernel - 1) * dilation + 1, pad


def crop_params(fn: Function) -> tuple[int, Any]:
    """The axis and the offsets of a Crop layer."""
    params = fn.params.get("crop_param", fn.params)
    return params.get("axis", 2), np.array(params.get("offset", 0), ndmin=1)


def coord_map(fn: Function) -> Map:
    """Where a layer's bottom lies in its top. Raises UndefinedMapException."""
    space = _space(fn)
    if space == "window":
        axis, stride, extent, pad = conv_params(fn)
        return axis, 1 / stride, (pad - (extent - 1) / 2) / stride
    if space == "transposed":
        axis, stride, extent, pad = conv_params(fn)
        return axis, stride, (extent - 1) / 2 - pad
    if space == "same":
        return IDENTITY
    if space == "crop":
        axis, offset = crop_params(fn)
        return axis - 1, 1, -offset
    raise UndefinedMapException(fn.type_name)


def _space(fn: Function) -> str:
    known = catalogue().types.get(fn.type_name)
    return known.role.space if known else ""


def compose(base_map: Map, next_map: Map) -> Map:
    """One map after the other. Raises AxisMismatchException."""
    (axis1, scale1, shift1), (axis2, scale2, shift2) = base_map, next_map
    if axis1 is not None and axis2 is not None and axis1 != axis2:
        raise AxisMismatchException(f"axes {axis1} and {axis2}")
    return axis2 if axis1 is None else axis1, scale1 * scale2, scale1 * shift2 + shift1


def inverse(coord_map: Map) -> Map:
    """The map the other way."""
    axis, scale, shift = coord_map
    return axis, 1 / scale, -shift / scale


def coord_map_from_to(top_from: Top, top_to: Top) -> Map:
    """The map between two tops that some blob before both connects. Raises RuntimeError if none does."""
    from_maps = _maps_back(top_from)
    for top, to_map in _maps_back(top_to).items():
        if top in from_maps:
            return compose(to_map, inverse(from_maps[top]))
    raise RuntimeError("the tops are not connected by spatial layers, so there is no map between them")


def _maps_back(start: Top) -> dict[Top, Map]:
    """The maps from a top to everything before it that spatial layers connect it with, nearest first."""
    maps, frontier = {start: IDENTITY}, [start]
    for top in frontier:
        bottoms = top.fn.inputs[:1] if _space(top.fn) == "crop" else top.fn.inputs
        try:
            step = coord_map(top.fn) if bottoms else IDENTITY
        except UndefinedMapException:
            continue
        for bottom in bottoms:
            if bottom not in maps:
                maps[bottom] = compose(maps[top], step)
                frontier.append(bottom)
    return maps


def crop(top_from: Top, top_to: Top) -> Any:
    """A Crop layer that cuts the one top to the part that the other covers.

    Raises AssertionError if the two have different scales, or if the part is not made of whole cells inside the first.
    """
    axis, scale, shift = coord_map_from_to(top_from, top_to)
    whole = np.round(shift)
    for good, complaint in (
        (np.all(scale == 1), f"the scales differ (scale = {scale})"),
        (np.all(shift <= 0), f"a negative width cannot be cropped (shift = {shift})"),
        (np.all(whole == shift), f"a part of a cell cannot be cropped (shift = {shift})"),
    ):
        if not good:
            raise AssertionError(complaint)
    offset = [int(-cells) for cells in np.atleast_1d(whole)]
    return layers.Crop(top_from, top_to, crop_param={"axis": (axis or 1) + 1, "offset": offset})
