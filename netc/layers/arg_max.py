"""ArgMax: where the largest values are.

Computes:
    The indices of the `top_k` largest values of each image (over all its values), or along `axis` if it is given, the
    largest first. With `out_max_val` the values: beside the indices (without `axis`), or instead of them (with it).

Shapes:
    Without `axis`: N x 1 x top_k, or N x 2 x top_k with `out_max_val` (indices, then values), with as many 1s at the
    end as the bottom has axes beyond three. With `axis`: the bottom's shape with top_k along `axis`.

Gradient:
    None.

Caffe notes:
    Of equal values the one with the larger index comes first. Indices are floats. NaN counts as the smallest value.
"""

from math import prod

import numpy as np

from netc.kernels.geometry import Folded
from netc.layer import BAD_BOTTOM_SHAPE, BAD_FIELD, Call, Example, Input, LayerType, Refused, Setup, Shape, Site
from netc.role import Role


def setup(site: Site) -> Setup:
    p, bottom = site.p, site.bottoms[0]
    if not bottom:
        site.refuse(BAD_BOTTOM_SHAPE, "needs a bottom with at least one axis", "bottom")
    if p.has("axis"):
        axis = site.axis(p.axis)
        view = Folded(prod(bottom[:axis]), bottom[axis], prod(bottom[axis + 1 :]))
        top: Shape = (*bottom[:axis], p.top_k, *bottom[axis + 1 :])
    else:
        view = Folded(bottom[0], prod(bottom[1:]), 1)
        top = (bottom[0], 2 if p.out_max_val else 1, p.top_k, *(1,) * (len(bottom) - 3))
    if not 1 <= p.top_k <= view.middle:
        site.refuse(BAD_FIELD, f"top_k is {p.top_k}: it must be 1 to {view.middle}, the number of values", "top_k")
    return Setup(tops=(top,), reads=(), geometry=view)


def forward(call: Call) -> None:
    p = call.p
    x = call.bottoms[0].reshape(call.known(Folded))
    order = np.argsort(-x[:, ::-1], axis=1, kind="stable")[:, : p.top_k]
    order = x.shape[1] - 1 - order
    if not p.out_max_val:
        call.tops[0][...] = order.reshape(call.tops[0].shape)
        return
    values = np.take_along_axis(x, order, axis=1)
    if p.has("axis"):
        call.tops[0][...] = values.reshape(call.tops[0].shape)
    else:
        both = call.tops[0].reshape(x.shape[0], 2, p.top_k)
        both[:, 0], both[:, 1] = order[:, :, 0], values[:, :, 0]


ARG_MAX = LayerType(
    "ArgMax",
    __doc__,
    setup,
    forward,
    param="argmax_param",
    differentiable=False,
    role=Role("measure", picks=True),
    examples=(
        Example("argmax_param { top_k: 3 }", inputs=(Input((4, 7), "distinct"),)),
        Example("argmax_param { top_k: 2 out_max_val: true }", inputs=(Input((4, 7), "distinct"),)),
        Example("argmax_param { axis: 1 }", inputs=(Input((2, 5, 3, 4), "distinct"),)),
        Example("argmax_param { axis: -2 top_k: 2 out_max_val: true }", inputs=(Input((2, 5, 3, 4), "distinct"),)),
    ),
    refuses=(
        Refused(BAD_FIELD, "argmax_param { top_k: 0 }"),
        Refused(BAD_FIELD, "argmax_param { axis: 1 top_k: 4 }"),
        Refused(BAD_BOTTOM_SHAPE, bottoms=((),)),
    ),
)
