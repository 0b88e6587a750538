"""Crop: a part of one blob, as large as another blob.

Computes:
    y = x cut to the size of the second bottom along every axis from `axis` on, beginning at `offset`.

Shapes:
    The axes before `axis` stay as they are; the others get the second bottom's sizes.

Gradient:
    dx is dy inside the cut part and 0 outside. The second bottom gives its shape only.

Caffe notes:
    `offset` is given once for all axes, or once for each axis from `axis` on; it is 0 if left out.
"""

from netc.kernels.geometry import CropGeometry
from netc.layer import (
    BAD_BOTTOM_SHAPE,
    BAD_FIELD,
    Arity,
    Call,
    Example,
    Input,
    LayerType,
    Refused,
    Setup,
    Site,
    format_shape,
)
from netc.role import Role


def setup(site: Site) -> Setup:
    p, (bottom, like) = site.p, site.bottoms
    axis = site.axis(p.axis)
    count = len(bottom) - axis
    if len(p.offset) > 1 and len(p.offset) != count:
        site.refuse(BAD_FIELD, f"offset is given {len(p.offset)} times for {count} axes; once or once each", "offset")
    if len(like) < len(bottom):
        shapes = f"{format_shape(like)} for {format_shape(bottom)}"
        site.refuse(BAD_BOTTOM_SHAPE, f"its second bottom has fewer axes than the first: {shapes}", "bottom")
    offsets = p.offset if len(p.offset) > 1 else (p.offset or (0,)) * count
    for i, offset in enumerate(offsets, axis):
        if offset + like[i] > bottom[i]:
            message = f"{like[i]} cells from {offset} on do not fit into axis {i} of {format_shape(bottom)}"
            site.refuse(BAD_FIELD, message, "offset")
    part = tuple(slice(offset, offset + like[i]) for i, offset in enumerate(offsets, axis))
    return Setup(
        tops=((*bottom[:axis], *like[axis : len(bottom)]),),
        reads=(),
        geometry=CropGeometry((slice(None),) * axis + part),
    )


def forward(call: Call) -> None:
    call.tops[0][...] = call.bottoms[0][call.known(CropGeometry).parts]


def backward(call: Call) -> None:
    if (dx := call.bottom_diffs[0]) is not None:
        dx[...] = 0
        dx[call.known(CropGeometry).parts] = call.top_diffs[0]


_LIKE = (Input((2, 3, 5, 6)), Input((2, 2, 3, 4)))

CROP = LayerType(
    "Crop",
    __doc__,
    setup,
    forward,
    backward,
    param="crop_param",
    bottoms=Arity(2, 2),
    differentiable=(True, False),
    role=Role("shape", space="crop"),
    examples=(
        Example("crop_param { axis: 2 offset: 1 }", inputs=_LIKE),
        Example("crop_param { axis: 1 offset: 0 offset: 2 offset: 1 }", inputs=_LIKE),
        Example("crop_param { axis: -1 }", inputs=_LIKE),
        Example(inputs=_LIKE),
    ),
    refuses=(
        Refused(BAD_FIELD, "crop_param { axis: 1 offset: 1 offset: 1 }", bottoms=((2, 3, 5, 6), (2, 2, 3, 4))),
        Refused(BAD_FIELD, "crop_param { offset: 3 }", bottoms=((2, 3, 5, 6), (2, 2, 3, 4))),
        Refused(BAD_BOTTOM_SHAPE, bottoms=((2, 3, 5, 6), (2, 3))),
    ),
)
