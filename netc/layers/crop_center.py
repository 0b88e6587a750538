"""CropCenter: the middle of a blob (waifu2x-caffe).

Computes:
    y = x without the first and the last `crop_size` cells of each axis.

Shapes:
    Each axis is shorter by twice its `crop_size`.

Gradient:
    dx is dy inside the cut part and 0 outside.

Caffe notes:
    A layer of waifu2x-caffe's fork. `crop_size` is given once for each axis of the bottom.
"""

from netc.kernels.geometry import CropGeometry
from netc.layer import (
    BAD_FIELD,
    MISSING_FIELD,
    Call,
    Example,
    Input,
    LayerType,
    Param,
    Refused,
    Setup,
    Site,
    format_shape,
)
from netc.role import Role
from netc.schema.declare import Message, optional, repeated

ORIGIN = "waifu2x-caffe (lltcggie/caffe)"
PARAMETER = Message(
    "CropCenterParameter",
    (repeated("crop_size", 1, "uint32", "Cells to leave out at each end, for each axis."),),
    origin=ORIGIN,
)


def setup(site: Site) -> Setup:
    bottom, sizes = site.bottoms[0], site.p.crop_size
    if len(sizes) != len(bottom):
        message = (
            f"needs crop_size once for each of the {len(bottom)} axes of its bottom, but it is given {len(sizes)} times"
        )
        site.refuse(MISSING_FIELD, message, "crop_size")
    for axis, (size, crop) in enumerate(zip(bottom, sizes, strict=True)):
        if crop and 2 * crop >= size:
            message = f"crop_size {crop} leaves nothing of axis {axis} of {format_shape(bottom)}"
            site.refuse(BAD_FIELD, message, "crop_size", index=axis)
    top = tuple(size - 2 * crop for size, crop in zip(bottom, sizes, strict=True))
    part = tuple(slice(crop, crop + size) for size, crop in zip(top, sizes, strict=True))
    return Setup(tops=(top,), reads=(), geometry=CropGeometry(part))


def forward(call: Call) -> None:
    call.tops[0][...] = call.bottoms[0][call.known(CropGeometry).parts]


def backward(call: Call) -> None:
    if (dx := call.bottom_diffs[0]) is not None:
        dx[...] = 0
        dx[call.known(CropGeometry).parts] = call.top_diffs[0]


CROP_CENTER = LayerType(
    "CropCenter",
    __doc__,
    setup,
    forward,
    backward,
    param="crop_center_param",
    own=Param(optional("crop_center_param", 2160, "CropCenterParameter", origin=ORIGIN), (PARAMETER,)),
    origin=ORIGIN,
    role=Role("shape"),
    examples=(
        Example("crop_center_param { crop_size: [0, 0, 1, 2] }", inputs=(Input((2, 3, 4, 5)),)),
        Example("crop_center_param { crop_size: 1 crop_size: 0 }", inputs=(Input((3, 2)),)),
    ),
    refuses=(
        Refused(MISSING_FIELD, "crop_center_param { crop_size: 1 }"),
        Refused(BAD_FIELD, "crop_center_param { crop_size: [0, 0, 2, 0] }"),
    ),
)
