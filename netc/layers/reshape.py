"""Reshape: gives a blob another shape with the same number of values.

Computes:
    y = x, in another shape.

Shapes:
    The bottom's axes from `axis` on (`num_axes` of them, all by default) are replaced by the sizes in `shape`. A size
    of 0 is copied from the bottom's axis at the same place; one size may be -1 and is worked out from the others.
    A negative `axis` counts from behind the last axis: -1 adds new axes at the end.

Gradient:
    dx = dy.

Caffe notes:
    None: the same rules as Caffe's.
"""

from math import prod

from netc.errors import Code
from netc.layer import (
    BAD_FIELD,
    Example,
    Input,
    LayerType,
    Refused,
    Setup,
    Shape,
    Site,
    format_count,
    format_shape,
)
from netc.role import Role
from netc.setups.renamed import backward, forward, renamed

DOES_NOT_FIT = Code(
    "LAY112",
    "a blob cannot have the shape that Reshape asks for",
    why="Reshape moves no values and makes none: the new shape must have as many values as the bottom. A size of -1 "
    "stands for what is left, so the bottom's count must be a multiple of the other sizes.",
    example="x = Input() { shape { dim: [2, 3, 8, 8] } }\ny = Reshape(x) { shape { dim: [0, 7, -1] } }",
    fix="Choose sizes whose product is the number of values of the bottom.",
)


def _replaced(site: Site) -> tuple[int, int]:
    """First axis that is replaced, and the first after it that is not."""
    p, rank = site.p, len(site.bottoms[0])
    start = p.axis if p.axis >= 0 else rank + p.axis + 1
    if not 0 <= start <= rank:
        message = f"axis: {p.axis} is out of range for a bottom of shape {format_shape(site.bottoms[0])}"
        site.refuse(BAD_FIELD, message, "axis")
    end = rank if p.num_axes == -1 else start + p.num_axes
    if p.num_axes < -1 or end > rank:
        message = f"num_axes: {p.num_axes} from axis {start} on, but the bottom has {rank} axes"
        site.refuse(BAD_FIELD, message, "num_axes")
    return start, end


def _shape(site: Site) -> Shape:
    bottom, dims = site.bottoms[0], site.p.shape.dim
    start, end = _replaced(site)
    new = []
    for i, dim in enumerate(dims):
        if dim < -1:
            site.refuse(BAD_FIELD, f"dim: {dim} must be a size, 0 (as in the bottom) or -1 (what is left)", "shape")
        if dim == 0 and start + i >= len(bottom):
            message = f"dim {i} is 0, but a bottom of shape {format_shape(bottom)} has no axis {start + i} to copy"
            site.refuse(DOES_NOT_FIT, message, "shape")
        new.append(bottom[start + i] if dim == 0 else dim)
    if new.count(-1) > 1:
        site.refuse(BAD_FIELD, "only one dim can be -1", "shape")
    top, count = [*bottom[:start], *new, *bottom[end:]], prod(bottom)
    if -1 in new:
        empty = 0 in top  # of no items, each has as many values as ever
        values, rest = (prod(s for s in shape if s or not empty) for shape in (bottom, top))
        rest = -rest
        if values % rest:
            message = f"the {count} values of a {format_shape(bottom)} bottom do not fit into {_written(top)}"
            site.refuse(DOES_NOT_FIT, message, "shape")
        top[start + new.index(-1)] = values // rest
    if prod(top) != count:
        given = f"{_written(top)} has {format_count(prod(top))} values"
        message = f"{given}, but the bottom, {format_shape(bottom)}, has {format_count(count)}"
        site.refuse(DOES_NOT_FIT, message, "shape")
    return tuple(top)


def _written(top: list[int]) -> str:
    return format_shape(tuple(top)).replace("-1", "?")


def setup(site: Site) -> Setup:
    return renamed(_shape(site))


RESHAPE = LayerType(
    "Reshape",
    __doc__,
    setup,
    forward,
    backward,
    param="reshape_param",
    role=Role("shape", called={"squeeze": "", "unsqueeze": "", "view": ""}),
    examples=(
        Example("reshape_param { shape { dim: 0 dim: -1 dim: 10 } }"),
        Example("reshape_param { shape { dim: 6 dim: 20 } }"),
        Example("reshape_param { axis: 1 num_axes: 2 shape { dim: 2 dim: 6 } }"),
        Example("reshape_param { axis: -1 shape { dim: 1 dim: 1 } }", inputs=(Input((2, 3)),)),
        Example("reshape_param { axis: 1 num_axes: 0 shape { dim: 1 } }", inputs=(Input((2, 3)),)),
        Example("reshape_param { }", inputs=(Input((1, 1)),)),
    ),
    refuses=(
        Refused(DOES_NOT_FIT, "reshape_param { shape { dim: 0 dim: 7 dim: -1 } }"),
        Refused(DOES_NOT_FIT, "reshape_param { shape { dim: 0 dim: 3 } }"),
        Refused(DOES_NOT_FIT, "reshape_param { shape { dim: 2 dim: 3 dim: 4 dim: 5 dim: 0 } }"),
        Refused(BAD_FIELD, "reshape_param { shape { dim: -1 dim: -1 } }"),
        Refused(BAD_FIELD, "reshape_param { shape { dim: -2 } }"),
        Refused(BAD_FIELD, "reshape_param { axis: 5 shape { dim: 1 } }"),
        Refused(BAD_FIELD, "reshape_param { axis: -6 shape { dim: 1 } }"),
        Refused(BAD_FIELD, "reshape_param { axis: 2 num_axes: 3 shape { dim: 1 } }"),
        Refused(BAD_FIELD, "reshape_param { num_axes: -2 shape { dim: 1 } }"),
    ),
    codes=(DOES_NOT_FIT,),
)
