"""RoI pooling: a grid of maxima for each region of interest (Fast R-CNN, Girshick 2015).

Computes:
    A region is a row (image, x1, y1, x2, y2) of the second bottom. Its corners, times `spatial_scale` and rounded, both
    ends included, are divided into `pooled_h` x `pooled_w` bins, rounded outwards and cut at the plane; a bin's value
    is its largest cell, 0 if nothing is left of it. Regions are at least 1 x 1.

Shapes:
    regions x channels x pooled_h x pooled_w.

Gradient:
    Each bin's diff goes to its largest cell (the first in reading order of equal ones) if that lies within the region's
    rounded corners. Regions get none.

Caffe notes:
    A layer of the Fast R-CNN fork. A region outside the plane gives zeros. A region whose end is before its start is
    pooled as one cell, but gets no gradient, as there. An image number that is not in the batch, or a corner that is
    not a finite number, is an error (RUN321).
"""

import math
from dataclasses import dataclass

from netc.errors import Code
from netc.jit import kernel
from netc.kernels.regions import clamp, rounded
from netc.layer import (
    BAD_BOTTOM_SHAPE,
    MISSING_FIELD,
    Arity,
    Array,
    Buffer,
    Call,
    Example,
    Input,
    LayerType,
    Param,
    Refused,
    Setup,
    Site,
)
from netc.role import ANYTHING, Role, regions
from netc.schema.declare import Message, optional
from netc.setups.regions import check_bottoms, checked, rows

ORIGIN = "Fast R-CNN (rbgirshick/caffe-fast-rcnn)"
PARAMETER = Message(
    "ROIPoolingParameter",
    (
        optional("pooled_h", 1, "uint32", 0, "Rows of the grid."),
        optional("pooled_w", 2, "uint32", 0, "Columns of the grid."),
        optional("spatial_scale", 3, "float", 1.0, "Plane cells for each unit of a region's corners (1 / 16, say)."),
    ),
    origin=ORIGIN,
)

BAD_REGION = Code(
    "RUN321",
    "a region of ROIPooling cannot be used",
    why="Each region names an image of the batch and two corners. An image that is not there, or a corner that is not "
    "a number, would read memory of something else.",
    example="rois: (5, 0, 0, 10, 10) for a batch of 2",
    fix="Give image numbers from 0 to the batch size - 1, and finite corners.",
)


@dataclass(frozen=True, slots=True)
class Geometry:
    """The grid, and plane cells for each unit of a region."""

    rows: int
    columns: int
    scale: float


def setup(site: Site) -> Setup:
    p, (bottom, rois) = site.p, site.bottoms
    check_bottoms(site)
    for name in ("pooled_h", "pooled_w"):
        if not getattr(p, name):
            site.refuse(MISSING_FIELD, f"needs {name}, at least 1", name)
    top = (rois[0], bottom[1], p.pooled_h, p.pooled_w)
    return Setup(
        tops=(top,),
        buffers=(Buffer("chosen", top, "int32"),),
        reads=("x1",),
        holds=(ANYTHING, regions(bottom, p.spatial_scale)),
        geometry=Geometry(p.pooled_h, p.pooled_w, p.spatial_scale),
    )


@kernel
def _forward(x: Array, rois: Array, y: Array, chosen: Array, scale: float) -> None:
    one = x.dtype.type
    channels, height, width = x.shape[1:]
    rows, columns = y.shape[2:]
    for r in range(rois.shape[0]):
        n = int(rois[r, 0])
        left, top = int(rounded(rois[r, 1] * scale)), int(rounded(rois[r, 2] * scale))
        right, bottom = int(rounded(rois[r, 3] * scale)), int(rounded(rois[r, 4] * scale))
        bin_h = one(max(bottom - top + 1, 1)) / one(rows)
        bin_w = one(max(right - left + 1, 1)) / one(columns)
        for i in range(rows):
            h0 = clamp(math.floor(one(i) * bin_h) + top, height)
            h1 = clamp(math.ceil(one(i + 1) * bin_h) + top, height)
            for j in range(columns):
                w0 = clamp(math.floor(one(j) * bin_w) + left, width)
                w1 = clamp(math.ceil(one(j + 1) * bin_w) + left, width)
                for c in range(channels):
                    best, found = one(0), -1
                    for h in range(h0, h1):
                        for w in range(w0, w1):
                            if found < 0 or x[n, c, h, w] > best:
                                best, found = x[n, c, h, w], h * width + w
                    y[r, c, i, j] = best
                    chosen[r, c, i, j] = found


@kernel
def _backward(dx: Array, rois: Array, dy: Array, chosen: Array, scale: float) -> None:
    """The fork asks of each cell which bins it is in; rounding can answer otherwise than in forward."""
    dx[:] = 0
    one = dx.dtype.type
    width = dx.shape[3]
    rows, columns = dy.shape[2:]
    for r in range(rois.shape[0]):
        n = int(rois[r, 0])
        left, top = int(rounded(rois[r, 1] * scale)), int(rounded(rois[r, 2] * scale))
        right, bottom = int(rounded(rois[r, 3] * scale)), int(rounded(rois[r, 4] * scale))
        bin_h = one(max(bottom - top + 1, 1)) / one(rows)
        bin_w = one(max(right - left + 1, 1)) / one(columns)
        for c in range(dy.shape[1]):
            for i in range(rows):
                for j in range(columns):
                    found = chosen[r, c, i, j]
                    h, w = found // width, found % width
                    if found < 0 or not (top <= h <= bottom and left <= w <= right):
                        continue
                    in_row = math.floor(one(h - top) / bin_h) <= i < math.ceil(one(h - top + 1) / bin_h)
                    if in_row and math.floor(one(w - left) / bin_w) <= j < math.ceil(one(w - left + 1) / bin_w):
                        dx[n, c, h, w] += dy[r, c, i, j]


def forward(call: Call) -> None:
    g = call.known(Geometry)
    x = call.bottoms[0]
    _forward(x, checked(call, BAD_REGION), call.tops[0], call.buffers["chosen"], x.dtype.type(g.scale))


def backward(call: Call) -> None:
    if (dx := call.bottom_diffs[0]) is not None:
        scale = dx.dtype.type(call.known(Geometry).scale)
        _backward(dx, rows(call), call.top_diffs[0], call.buffers["chosen"], scale)


_ROIS = Input(
    (4, 5),
    "values",
    values=(0, 0, 0, 9, 7, 1, 3, 2, 12, 13, 1, 5, 5, 5, 5, 0, -4, 20, 30, 40),
)

ROI_POOLING = LayerType(
    "ROIPooling",
    __doc__,
    setup,
    forward,
    backward,
    param="roi_pooling_param",
    own=Param(optional("roi_pooling_param", 8266711, "ROIPoolingParameter", origin=ORIGIN), (PARAMETER,)),
    origin=ORIGIN,
    bottoms=Arity(2, 2),
    differentiable=(True, False),
    codes=(BAD_REGION,),
    role=Role("pooling", apart=(1,)),
    examples=(
        Example(
            "roi_pooling_param { pooled_h: 2 pooled_w: 3 spatial_scale: 0.5 }",
            inputs=(Input((2, 2, 6, 7), "distinct"), _ROIS),
        ),
        Example("roi_pooling_param { pooled_h: 1 pooled_w: 1 }", inputs=(Input((2, 2, 6, 7), "distinct"), _ROIS)),
    ),
    refuses=(
        Refused(MISSING_FIELD, "roi_pooling_param { pooled_h: 2 }", bottoms=((2, 3, 6, 7), (4, 5))),
        Refused(BAD_BOTTOM_SHAPE, "roi_pooling_param { pooled_h: 2 pooled_w: 2 }", bottoms=((2, 3, 6, 7), (4, 4))),
        Refused(BAD_BOTTOM_SHAPE, "roi_pooling_param { pooled_h: 2 pooled_w: 2 }", bottoms=((2, 3, 6), (4, 5))),
    ),
)
