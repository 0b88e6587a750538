"""Filter: keeps the items of a batch that a selector chooses.

Computes:
    The last bottom is the selector, one number for each item. Top i holds the items of bottom i whose selector is not
    0, in their order.

Shapes:
    A top has its bottom's shape, with as many items as were selected, which is known only while the net runs: the
    planned size is the whole batch. The selector is num, or num x 1 x 1...

Gradient:
    dx = dy for the selected items, 0 for the others; none for the selector.

Caffe notes:
    Where nothing is selected the tops have 0 items, as in Caffe.
"""

import numpy as np

from netc.layer import (
    ANY,
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
from netc.role import ANYTHING, Holds, Role


def setup(site: Site) -> Setup:
    *items, selector = site.bottoms
    if site.top_count != len(items):
        site.refuse(BAD_FIELD, f"needs one top less than bottoms: {len(items)}, but has {site.top_count}", "top")
    if not selector or any(size != 1 for size in selector[1:]):
        message = f"its last bottom, the selector, has shape {format_shape(selector)}, but only axis 0 may exceed 1"
        site.refuse(BAD_BOTTOM_SHAPE, message, "bottom")
    for shape in items:
        if not shape or shape[0] != selector[0]:
            message = f"a bottom of shape {format_shape(shape)} does not have the selector's {selector[0]} items"
            site.refuse(BAD_BOTTOM_SHAPE, message, "bottom")
    holds = (*(ANYTHING for _ in items), Holds("binary"))
    return Setup(tops=tuple(items), reads=(f"x{len(items)}",), dynamic=True, holds=holds)


def forward(call: Call) -> None:
    chosen = np.flatnonzero(call.bottoms[-1])
    for i, x in enumerate(call.bottoms[:-1]):
        call.resize_top(i, (len(chosen), *x.shape[1:]))[...] = x[chosen]


def backward(call: Call) -> None:
    chosen = np.flatnonzero(call.bottoms[-1])
    for dx, dy in zip(call.bottom_diffs[:-1], call.top_diffs, strict=True):
        if dx is not None:
            dx.fill(0)
            dx[chosen] = dy[: len(chosen)]
    if (last := call.bottom_diffs[-1]) is not None:
        last.fill(0)


FILTER = LayerType(
    "Filter",
    __doc__,
    setup,
    forward,
    backward,
    bottoms=Arity(2, None),
    tops=ANY,
    role=Role("shape"),
    examples=(
        Example(inputs=(Input((6, 3)), Input((6, 2, 2)), Input((6,), "binary")), tops=2),
        Example(inputs=(Input((4, 2)), Input((4, 1, 1), "values", values=(0, 0, 0, 0)))),
        Example(inputs=(Input((3, 2)), Input((3,), "values", values=(1, -2, 0.5)))),
    ),
    refuses=(
        Refused(BAD_BOTTOM_SHAPE, bottoms=((6, 3), (5,))),
        Refused(BAD_BOTTOM_SHAPE, bottoms=((6, 3), (6, 2))),
        Refused(BAD_FIELD, bottoms=((6, 3), (6,)), tops=2),
    ),
)
