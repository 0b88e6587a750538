"""How Scale and Bias are set up: which axes of the bottom have a factor or a shift each."""

from __future__ import annotations

from math import prod

from netc.kernels.geometry import Folded
from netc.layer import BAD_BOTTOM_SHAPE, BAD_FIELD, Shape, Site, format_shape


def scaled(site: Site) -> tuple[Shape, Folded]:
    """The shape of the factors, and the bottom as (before their axes, at these, after).

    They are a parameter blob, of the axes that the fields name, or the second bottom.
    """
    bottom = site.bottoms[0]
    axis, shape = _learned(site) if len(site.bottoms) == 1 else _given(site)
    return shape, Folded(prod(bottom[:axis]), prod(shape), prod(bottom[axis + len(shape) :]))


def _learned(site: Site) -> tuple[int, Shape]:
    bottom, count = site.bottoms[0], site.p.num_axes
    axis = site.axis(site.p.axis)
    if count < -1:
        site.refuse(BAD_FIELD, f"num_axes is {count}: it must be -1 (all to the end) or more", "num_axes")
    if axis + count > len(bottom):
        message = f"{count} axes from axis {axis} go past the end of a bottom of shape {format_shape(bottom)}"
        site.refuse(BAD_FIELD, message, "num_axes", "axis")
    return axis, bottom[axis:] if count == -1 else bottom[axis : axis + count]


def _given(site: Site) -> tuple[int, Shape]:
    bottom, shape = site.bottoms
    axis = site.axis(site.p.axis) if shape else 0
    if bottom[axis : axis + len(shape)] != shape:
        message = f"the second bottom has shape {format_shape(shape)}, which is not that of the first, "
        site.refuse(BAD_BOTTOM_SHAPE, message + f"{format_shape(bottom)}, from axis {axis} on", "bottom", "axis")
    return axis, shape
