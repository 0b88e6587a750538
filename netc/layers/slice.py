"""Slice: cuts a blob into parts along an axis.

Computes:
    The tops are consecutive parts of x along `axis`, cut at the `slice_point`s, or of equal size if there are none.

Shapes:
    A top has the bottom's shape except along `axis`. With `slice_point`, one less of them than tops, in rising order.

Gradient:
    dx = the top diffs one after the other.

Caffe notes:
    `slice_dim` is the old name of `axis` and cannot be negative; only one of the two may be given.
"""

from itertools import pairwise

from netc.errors import Code
from netc.kernels.geometry import Along
from netc.layer import (
    ANY,
    AXIS_OUT_OF_RANGE,
    BAD_FIELD,
    Call,
    Example,
    Input,
    LayerType,
    Refused,
    Setup,
    Site,
    flat,
)
from netc.role import Role
from netc.setups.axes import either_axis

DOES_NOT_DIVIDE = Code(
    "LAY111",
    "an axis cannot be cut into these slices",
    why="Without slice_point the axis is cut into as many equal parts as there are tops, so its size must be a "
    "multiple of their number. With slice_point each part must have at least one element.",
    example="x = Input() { shape { dim: [2, 3, 8, 8] } }\na, b = Slice(x)  # 3 channels for 2 tops",
    fix="Change the number of tops, or say where to cut: slice_param { slice_point: 1 }",
)


def _sizes(site: Site, whole: int) -> list[int]:
    points, count = list(site.p.slice_point), site.top_count
    if not points:
        if whole % count:
            message = f"an axis of size {whole} cannot be cut into {count} equal slices"
            site.refuse(DOES_NOT_DIVIDE, message, "axis", "slice_dim", "top")
        return [whole // count] * count
    if len(points) != count - 1:
        message = f"needs one slice_point less than tops: {count} tops, but {len(points)} slice_point"
        site.refuse(BAD_FIELD, message, "slice_point")
    ends = [0, *points, whole]
    sizes = [end - start for start, end in pairwise(ends)]
    if min(sizes) < 1:
        cuts = ", ".join(map(str, points))
        message = f"slice_point {cuts} must rise and lie between 1 and {whole - 1}, for an axis of size {whole}"
        site.refuse(DOES_NOT_DIVIDE, message, "slice_point")
    return sizes


def setup(site: Site) -> Setup:
    axis, bottom = either_axis(site, "slice_dim"), site.bottoms[0]
    tops = tuple((*bottom[:axis], size, *bottom[axis + 1 :]) for size in _sizes(site, bottom[axis]))
    return Setup(tops=tops, reads=(), shares=len(tops) == 1, geometry=Along(axis))


def forward(call: Call) -> None:
    axis = call.known(Along).axis
    x, start = flat(call.bottoms[0], axis), 0
    for top in call.tops:
        y = flat(top, axis)
        y[...] = x[:, start : start + y.shape[1]]
        start += y.shape[1]


def backward(call: Call) -> None:
    axis = call.known(Along).axis
    if call.bottom_diffs[0] is None:
        return
    dx, start = flat(call.bottom_diffs[0], axis), 0
    for diff in call.top_diffs:
        dy = flat(diff, axis)
        dx[:, start : start + dy.shape[1]] = dy
        start += dy.shape[1]


SLICE = LayerType(
    "Slice",
    __doc__,
    setup,
    forward,
    backward,
    param="slice_param",
    tops=ANY,
    role=Role("shape"),
    examples=(
        Example("slice_param { slice_point: 1 slice_point: 4 }", inputs=(Input((2, 6, 3, 2)),), tops=3),
        Example(inputs=(Input((2, 6, 3)),), tops=3),
        Example("slice_param { axis: 0 }", inputs=(Input((4, 3)),), tops=2),
        Example("slice_param { axis: -1 slice_point: 3 }", inputs=(Input((2, 3, 5)),), tops=2),
        Example("slice_param { slice_dim: 0 }", inputs=(Input((4, 3)),), tops=2),
        Example(inputs=(Input((4, 3)),)),
    ),
    refuses=(
        Refused(DOES_NOT_DIVIDE, tops=2),
        Refused(DOES_NOT_DIVIDE, "slice_param { slice_point: 3 }", tops=2),
        Refused(DOES_NOT_DIVIDE, "slice_param { slice_point: 2 slice_point: 1 }", tops=3),
        Refused(BAD_FIELD, "slice_param { slice_point: 1 }", tops=3),
        Refused(BAD_FIELD, "slice_param { axis: 1 slice_dim: 1 }", tops=3),
        Refused(AXIS_OUT_OF_RANGE, "slice_param { axis: 4 }", tops=1),
    ),
    codes=(DOES_NOT_DIVIDE,),
)
