"""Position-sensitive RoI pooling: each bin of a region averages its own channel (R-FCN, Dai et al. 2016).

Computes:
    A region is a row (image, x1, y1, x2, y2) of the second bottom; its corners, rounded, the end corners plus 1, times
    `spatial_scale`, are divided into `group_size` x `group_size` bins, rounded outwards and cut at the plane. Bin
    (i, j) of output d is the mean of channel (d * group_size + i) * group_size + j over its cells, 0 if there are none.

Shapes:
    regions x output_dim x group_size x group_size; the bottom has output_dim * group_size^2 channels.

Gradient:
    Each cell of a bin gets the bin's diff divided by the number of cells. Regions get none.

Caffe notes:
    A layer of the R-FCN fork, which has it on the GPU only. Regions are at least 0.1 wide. An image number that is not
    in the batch, or a corner that is not a finite number, is an error (RUN322).
"""

import math

from netc.errors import Code
from netc.jit import kernel
from netc.kernels.regions import clamp, rounded
from netc.layer import (
    BAD_BOTTOM_SHAPE,
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
    Site,
)
from netc.role import ANYTHING, Role, regions
from netc.schema.declare import Message, optional
from netc.setups.regions import check_bottoms, checked, rows

ORIGIN = "R-FCN (daijifeng001/caffe-rfcn)"
PARAMETER = Message(
    "PSROIPoolingParameter",
    (
        optional("spatial_scale", 1, "float", doc="Plane cells for each unit of a region's corners (1 / 16, say)."),
        optional("output_dim", 2, "int32", doc="Channels of the top."),
        optional("group_size", 3, "int32", doc="Bins along each side of a region."),
    ),
    origin=ORIGIN,
)

BAD_REGION = Code(
    "RUN322",
    "a region of PSROIPooling cannot be used",
    why="Each region names an image of the batch and two corners. An image that is not there, or a corner that is not "
    "a number, would read memory of something else.",
    example="rois: (5, 0, 0, 10, 10) for a batch of 2",
    fix="Give image numbers from 0 to the batch size - 1, and finite corners.",
)


def setup(site: Site) -> Setup:
    p, (bottom, rois) = site.p, site.bottoms
    for name in ("spatial_scale", "output_dim", "group_size"):
        if getattr(p, name) <= 0:
            site.refuse(MISSING_FIELD, f"needs {name}, more than 0", name)
    check_bottoms(site)
    if bottom[1] != p.output_dim * p.group_size**2:
        message = f"needs output_dim * group_size^2 = {p.output_dim * p.group_size**2} channels, but has {bottom[1]}"
        site.refuse(BAD_BOTTOM_SHAPE, message, "output_dim")
    top = (rois[0], p.output_dim, p.group_size, p.group_size)
    return Setup(tops=(top,), reads=("x1",), holds=(ANYTHING, regions(bottom, p.spatial_scale)))


@kernel
def _cells(roi: Array, scale: float, i: int, j: int, bins: int, height: int, width: int) -> tuple[int, int, int, int]:
    """The rows h0..h1 and columns w0..w1 (ends excluded) of bin (i, j) of a region."""
    one = roi.dtype.type
    left, top = one(rounded(roi[1])) * scale, one(rounded(roi[2])) * scale
    right, bottom = one(rounded(roi[3]) + 1) * scale, one(rounded(roi[4]) + 1) * scale
    bin_h, bin_w = max(bottom - top, one(0.1)) / one(bins), max(right - left, one(0.1)) / one(bins)
    h0 = clamp(math.floor(one(i) * bin_h + top), height)
    h1 = clamp(math.ceil(one(i + 1) * bin_h + top), height)
    w0 = clamp(math.floor(one(j) * bin_w + left), width)
    w1 = clamp(math.ceil(one(j + 1) * bin_w + left), width)
    return h0, h1, w0, w1


@kernel
def _forward(x: Array, rois: Array, y: Array, scale: float) -> None:
    bins = y.shape[2]
    for r in range(rois.shape[0]):
        n = int(rois[r, 0])
        for i in range(bins):
            for j in range(bins):
                h0, h1, w0, w1 = _cells(rois[r], scale, i, j, bins, x.shape[2], x.shape[3])
                count = (h1 - h0) * (w1 - w0)
                for d in range(y.shape[1]):
                    c = (d * bins + i) * bins + j
                    total = x.dtype.type(0)
                    for h in range(h0, h1):
                        for w in range(w0, w1):
                            total += x[n, c, h, w]
                    y[r, d, i, j] = total / x.dtype.type(count) if h1 > h0 and w1 > w0 else x.dtype.type(0)


@kernel
def _backward(dx: Array, rois: Array, dy: Array, scale: float) -> None:
    dx[:] = 0
    bins = dy.shape[2]
    for r in range(rois.shape[0]):
        n = int(rois[r, 0])
        for i in range(bins):
            for j in range(bins):
                h0, h1, w0, w1 = _cells(rois[r], scale, i, j, bins, dx.shape[2], dx.shape[3])
                count = dx.dtype.type(max((h1 - h0) * (w1 - w0), 1))
                for d in range(dy.shape[1]):
                    c = (d * bins + i) * bins + j
                    part = dy[r, d, i, j] / count
                    for h in range(h0, h1):
                        for w in range(w0, w1):
                            dx[n, c, h, w] += part


def forward(call: Call) -> None:
    x = call.bottoms[0]
    _forward(x, checked(call, BAD_REGION), call.tops[0], x.dtype.type(call.p.spatial_scale))


def backward(call: Call) -> None:
    if (dx := call.bottom_diffs[0]) is not None:
        _backward(dx, rows(call), call.top_diffs[0], dx.dtype.type(call.p.spatial_scale))


_ROIS = Input((3, 5), "values", values=(0, 0, 0, 9, 7, 1, 3, 2, 12, 13, 0, -4, 20, 30, 40))

PSROI_POOLING = LayerType(
    "PSROIPooling",
    __doc__,
    setup,
    forward,
    backward,
    param="psroi_pooling_param",
    own=Param(optional("psroi_pooling_param", 10002, "PSROIPoolingParameter", origin=ORIGIN), (PARAMETER,)),
    origin=ORIGIN,
    bottoms=Arity(2, 2),
    differentiable=(True, False),
    codes=(BAD_REGION,),
    role=Role("pooling", apart=(1,)),
    examples=(
        Example(
            "psroi_pooling_param { spatial_scale: 0.5 output_dim: 2 group_size: 2 }",
            inputs=(Input((2, 8, 5, 6)), _ROIS),
        ),
    ),
    refuses=(
        Refused(MISSING_FIELD, "psroi_pooling_param { output_dim: 2 }", bottoms=((2, 8, 5, 6), (3, 5))),
        Refused(
            BAD_BOTTOM_SHAPE,
            "psroi_pooling_param { spatial_scale: 1 output_dim: 2 group_size: 3 }",
            bottoms=((2, 8, 5, 6), (3, 5)),
        ),
        Refused(
            BAD_BOTTOM_SHAPE,
            "psroi_pooling_param { spatial_scale: 1 output_dim: 2 group_size: 2 }",
            bottoms=((2, 8, 5, 6), (3, 4)),
        ),
    ),
)
