"""Concatenation: joins blobs along an axis.

Computes:
    y = the bottoms one after the other along `axis`.

Shapes:
    All bottoms have the same shape except along `axis`; there the top's size is the sum of theirs.

Gradient:
    Each bottom gets its part of dy.

Caffe notes:
    `concat_dim` is the old name of `axis` and cannot be negative; only one of the two may be given.
"""

from netc.kernels.geometry import Along
from netc.layer import (
    ANY,
    AXIS_OUT_OF_RANGE,
    BAD_FIELD,
    SHAPES_DIFFER,
    Call,
    Example,
    Input,
    LayerType,
    Refused,
    Setup,
    Site,
    flat,
    format_shape,
    odd_one_out,
)
from netc.role import Role
from netc.setups.axes import either_axis


def setup(site: Site) -> Setup:
    axis, first = either_axis(site, "concat_dim"), site.bottoms[0]
    rests = [(len(bottom), *bottom[:axis], *bottom[axis + 1 :]) for bottom in site.bottoms]
    if len(set(rests)) > 1:
        shapes = ", ".join(map(format_shape, site.bottoms))
        message = f"its bottoms may differ only in axis {axis}, but have {shapes}"
        site.refuse(SHAPES_DIFFER, message, "bottom", index=odd_one_out(rests))
    size = sum(bottom[axis] for bottom in site.bottoms)
    return Setup(
        tops=((*first[:axis], size, *first[axis + 1 :]),), reads=(), shares=len(site.bottoms) == 1, geometry=Along(axis)
    )


def forward(call: Call) -> None:
    axis = call.known(Along).axis
    y, start = flat(call.tops[0], axis), 0
    for bottom in call.bottoms:
        x = flat(bottom, axis)
        y[:, start : start + x.shape[1]] = x
        start += x.shape[1]


def backward(call: Call) -> None:
    axis = call.known(Along).axis
    dy, start = flat(call.top_diffs[0], axis), 0
    for bottom, diff in zip(call.bottoms, call.bottom_diffs, strict=True):
        size = bottom.shape[axis]
        if diff is not None:
            flat(diff, axis)[...] = dy[:, start : start + size]
        start += size


CONCAT = LayerType(
    "Concat",
    __doc__,
    setup,
    forward,
    backward,
    param="concat_param",
    bottoms=ANY,
    role=Role("shape", joins=True, called={"cat": "", "concatenate": "", "merge": ""}),
    examples=(
        Example(inputs=(Input((2, 3, 4, 5)), Input((2, 1, 4, 5)), Input((2, 2, 4, 5)))),
        Example("concat_param { axis: 0 }", inputs=(Input((2, 3)), Input((1, 3)))),
        Example("concat_param { axis: -1 }", inputs=(Input((2, 3, 2)), Input((2, 3, 1)))),
        Example("concat_param { concat_dim: 2 }", inputs=(Input((2, 3, 2)), Input((2, 3, 1)))),
        Example(inputs=(Input((2, 3)),)),
    ),
    refuses=(
        Refused(SHAPES_DIFFER, bottoms=((2, 3, 4, 5), (2, 3, 4, 6))),
        Refused(SHAPES_DIFFER, bottoms=((2, 3), (2, 3, 1))),
        Refused(AXIS_OUT_OF_RANGE, "concat_param { axis: 4 }", bottoms=((2, 3, 4, 5), (2, 3, 4, 5))),
        Refused(AXIS_OUT_OF_RANGE, "concat_param { concat_dim: 2 }", bottoms=((2, 3), (2, 3))),
        Refused(BAD_FIELD, "concat_param { axis: 1 concat_dim: 1 }", bottoms=((2, 3), (2, 3))),
    ),
)
