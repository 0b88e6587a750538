"""Flatten: merges several axes into one.

Computes:
    y = x, with the axes from `axis` to `end_axis` merged.

Shapes:
    The axes before `axis` and after `end_axis` stay; between them is one axis of the product of the others' sizes.

Gradient:
    dx = dy.

Caffe notes:
    With `end_axis` just before `axis` a new axis of size 1 is put in, as in Caffe.
"""

from math import prod

from netc.layer import AXIS_OUT_OF_RANGE, BAD_FIELD, Example, Input, LayerType, Refused, Setup, Site
from netc.role import Role
from netc.setups.renamed import backward, forward, renamed


def setup(site: Site) -> Setup:
    bottom = site.bottoms[0]
    start, end = site.axis(site.p.axis), site.axis(site.p.end_axis, name="end_axis")
    if start > end + 1:
        site.refuse(BAD_FIELD, f"axis ({start}) comes after end_axis ({end})", "end_axis", "axis")
    top = (*bottom[:start], prod(bottom[start : end + 1]), *bottom[end + 1 :])
    return renamed(top)


FLATTEN = LayerType(
    "Flatten",
    __doc__,
    setup,
    forward,
    backward,
    param="flatten_param",
    role=Role("shape"),
    examples=(
        Example(),
        Example("flatten_param { axis: 0 end_axis: 1 }"),
        Example("flatten_param { axis: -3 end_axis: -2 }"),
        Example("flatten_param { axis: 2 end_axis: 1 }", inputs=(Input((2, 3, 4)),)),
    ),
    refuses=(
        Refused(AXIS_OUT_OF_RANGE, "flatten_param { axis: 4 }"),
        Refused(AXIS_OUT_OF_RANGE, "flatten_param { end_axis: -5 }"),
        Refused(BAD_FIELD, "flatten_param { axis: 3 end_axis: 1 }"),
    ),
)
