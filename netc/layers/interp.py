"""Interp: bilinear interpolation to another size, corners on corners (DeepLab, Chen et al. 2015; PSPNet).

Computes:
    Row h of the top lies at h * (H - 1) / (H' - 1) of the bottom's rows, columns likewise; a value is the weighted mean
    of the four cells around. `pad_beg` and `pad_end` (0 or less) first cut cells off the bottom's ends.

Shapes:
    H' x W' are the second bottom's, or by one of `zoom_factor` (H + (H - 1) * (zoom - 1)) and `shrink_factor`
    ((H - 1) / shrink + 1), or `height` and `width`, or by both factors, shrink first. H is the height after cutting.

Gradient:
    Each top value's diff goes to its four cells with the same weights. The second bottom gives its shape only.

Caffe notes:
    A layer of the DeepLab forks. Weights are computed in float32 there and here. `align_corners` is always true.
"""

from dataclasses import dataclass

import numpy as np

from netc.jit import kernel
from netc.layer import (
    BAD_BOTTOM_SHAPE,
    BAD_FIELD,
    MISSING_FIELD,
    Arity,
    Array,
    Call,
    Example,
    Input,
    LayerType,
    Param,
    Refused,
    Setup,
    Shape,
    Site,
    format_shape,
)
from netc.role import Role
from netc.schema.declare import Message, optional

ORIGIN = "DeepLab (cdmh/deeplab-public)"
PARAMETER = Message(
    "InterpParameter",
    (
        optional("height", 1, "int32", 0, "Height of the top."),
        optional("width", 2, "int32", 0, "Width of the top."),
        optional("zoom_factor", 3, "int32", 1, "How much farther apart cells lie in the top."),
        optional("shrink_factor", 4, "int32", 1, "How much nearer cells lie in the top."),
        optional("pad_beg", 5, "int32", 0, "0, or minus the cells to cut off above and left."),
        optional("pad_end", 6, "int32", 0, "0, or minus the cells to cut off below and right."),
    ),
    origin=ORIGIN,
)


@dataclass(frozen=True, eq=False, slots=True)
class Axis:
    """Where each line of the top lies: the first of two lines of the bottom, and the weight of the second."""

    size: int
    first: Array
    weight: Array

    @staticmethod
    def of(size: int, cut: int, inside: int, out: int) -> "Axis":
        ratio = np.float32(inside - 1) / np.float32(out - 1) if out > 1 else np.float32(0)
        at = ratio * np.arange(out, dtype=np.float32)
        first = np.minimum(at.astype(np.int64), inside - 1)
        weight = np.where(first < inside - 1, at - first.astype(np.float32), np.float32(0))
        return Axis(size, first + cut, weight.astype(np.float32))


@dataclass(frozen=True, slots=True)
class InterpGeometry:
    """Where the lines of the top lie, down and across."""

    rows: Axis
    columns: Axis


def setup(site: Site) -> Setup:
    p, bottom = site.p, site.bottoms[0]
    for shape in site.bottoms:
        if len(shape) != 4:
            text = format_shape(shape)
            site.refuse(BAD_BOTTOM_SHAPE, f"needs num x channels x height x width, but a bottom is {text}", "bottom")
    for name in ("pad_beg", "pad_end"):
        if getattr(p, name) > 0:
            site.refuse(BAD_FIELD, f"{name} can only cut (0 or less)", name)
    inside = (bottom[2] + p.pad_beg + p.pad_end, bottom[3] + p.pad_beg + p.pad_end)
    if min(inside) < 1:
        site.refuse(BAD_FIELD, f"pad_beg and pad_end leave nothing of {format_shape(bottom)}", "pad_beg", "pad_end")
    out = _sizes(site, inside)
    if min(out) < 1:
        site.refuse(BAD_FIELD, f"its top would have {format_shape(out)} cells", "height", "width")
    down, across = (Axis.of(s, -p.pad_beg, i, o) for s, i, o in zip(bottom[2:], inside, out, strict=True))
    return Setup(tops=((*bottom[:2], *out),), reads=(), geometry=InterpGeometry(down, across))


def _sizes(site: Site, inside: Shape) -> Shape:
    p = site.p
    if len(site.bottoms) > 1:
        return site.bottoms[1][2:]
    if p.has("height") and p.has("width") and p.has("zoom_factor") == p.has("shrink_factor"):
        return p.height, p.width
    if not p.has("zoom_factor") and not p.has("shrink_factor"):
        site.refuse(MISSING_FIELD, "needs height and width, zoom_factor, shrink_factor or a second bottom", "height")
    for name in ("zoom_factor", "shrink_factor"):
        if getattr(p, name) < 1:
            site.refuse(BAD_FIELD, f"{name} must be at least 1", name)
    shrunk = [(size - 1) // p.shrink_factor + 1 for size in inside]
    return tuple(size + (size - 1) * (p.zoom_factor - 1) for size in shrunk)


@kernel
def _forward(x: Array, y: Array, rows: Array, row_weights: Array, columns: Array, column_weights: Array) -> None:
    one = x.dtype.type(1)
    last_h, last_w = x.shape[1] - 1, x.shape[2] - 1
    for plane in range(x.shape[0]):
        for i in range(len(rows)):
            top, low = rows[i], x.dtype.type(row_weights[i])
            below = min(top + 1, last_h)
            for j in range(len(columns)):
                left, right = columns[j], x.dtype.type(column_weights[j])
                beside = min(left + 1, last_w)
                y[plane, i, j] = (one - low) * (
                    (one - right) * x[plane, top, left] + right * x[plane, top, beside]
                ) + low * ((one - right) * x[plane, below, left] + right * x[plane, below, beside])


@kernel
def _backward(dx: Array, dy: Array, rows: Array, row_weights: Array, columns: Array, column_weights: Array) -> None:
    one = dx.dtype.type(1)
    last_h, last_w = dx.shape[1] - 1, dx.shape[2] - 1
    dx[:] = 0
    for plane in range(dx.shape[0]):
        for i in range(len(rows)):
            top, low = rows[i], dx.dtype.type(row_weights[i])
            below = min(top + 1, last_h)
            for j in range(len(columns)):
                left, right = columns[j], dx.dtype.type(column_weights[j])
                beside = min(left + 1, last_w)
                diff = dy[plane, i, j]
                dx[plane, top, left] += (one - low) * (one - right) * diff
                dx[plane, top, beside] += (one - low) * right * diff
                dx[plane, below, left] += low * (one - right) * diff
                dx[plane, below, beside] += low * right * diff


def _planes(array: Array) -> Array:
    return array.reshape(-1, *array.shape[2:])


def forward(call: Call) -> None:
    g = call.known(InterpGeometry)
    h, w = g.rows, g.columns
    _forward(_planes(call.bottoms[0]), _planes(call.tops[0]), h.first, h.weight, w.first, w.weight)


def backward(call: Call) -> None:
    g = call.known(InterpGeometry)
    h, w = g.rows, g.columns
    if (dx := call.bottom_diffs[0]) is not None:
        _backward(_planes(dx), _planes(call.top_diffs[0]), h.first, h.weight, w.first, w.weight)


INTERP = LayerType(
    "Interp",
    __doc__,
    setup,
    forward,
    backward,
    param="interp_param",
    own=Param(optional("interp_param", 2143, "InterpParameter", origin=ORIGIN), (PARAMETER,)),
    origin=ORIGIN,
    bottoms=Arity(1, 2),
    differentiable=(True, False),
    role=Role("pooling", called={"resize": "", "upsampling": ""}),
    examples=(
        Example("interp_param { height: 7 width: 6 }"),
        Example("interp_param { zoom_factor: 2 }"),
        Example("interp_param { shrink_factor: 2 }", inputs=(Input((1, 2, 5, 6)),)),
        Example("interp_param { height: 5 width: 4 pad_beg: -1 pad_end: -1 }", inputs=(Input((1, 2, 5, 6)),)),
        Example("interp_param { height: 1 width: 1 }"),
        Example(inputs=(Input((1, 2, 3, 4)), Input((1, 1, 5, 2)))),
    ),
    refuses=(
        Refused(MISSING_FIELD),
        Refused(BAD_FIELD, "interp_param { zoom_factor: 0 }"),
        Refused(BAD_FIELD, "interp_param { height: 0 width: 3 }"),
        Refused(BAD_FIELD, "interp_param { zoom_factor: 2 pad_beg: 1 }"),
        Refused(BAD_FIELD, "interp_param { zoom_factor: 2 pad_beg: -4 }"),
        Refused(BAD_BOTTOM_SHAPE, "interp_param { zoom_factor: 2 }", bottoms=((2, 3, 4),)),
    ),
)
