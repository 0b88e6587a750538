"""Global average pooling: each plane becomes its mean (Network in Network, Lin, Chen & Yan 2014).

Computes:
    y[n, c] = the mean of x[n, c, ...] over all spatial axes.

Shapes:
    num x channels, with an axis of size 1 for each spatial axis.

Gradient:
    Each cell gets dy divided by the number of cells.

Caffe notes:
    Caffe spells it Pooling with `pool: AVE global_pooling: true`; the numbers are the same. This type takes any number
    of spatial axes.
"""

from math import prod

import numpy as np

from netc.kernels.geometry import Matrix
from netc.layer import BAD_BOTTOM_SHAPE, Call, Example, Input, LayerType, Refused, Setup, Site, Window
from netc.role import Role


def setup(site: Site) -> Setup:
    bottom = site.bottoms[0]
    if len(bottom) < 3 or prod(bottom[2:]) == 0:
        site.refuse(BAD_BOTTOM_SHAPE, "needs num x channels and at least one spatial axis that is not empty", "bottom")
    top = (*bottom[:2], *(1,) * (len(bottom) - 2))
    return Setup(tops=(top,), reads=(), window=Window(whole=True), geometry=Matrix(prod(bottom[:2]), prod(bottom[2:])))


def forward(call: Call) -> None:
    np.mean(call.bottoms[0].reshape(call.known(Matrix)), axis=1, out=call.tops[0].reshape(-1))


def backward(call: Call) -> None:
    view = call.known(Matrix)
    if (dx := call.bottom_diffs[0]) is not None:
        np.divide(call.top_diffs[0].reshape(-1, 1), dx.dtype.type(view.columns), out=dx.reshape(view))


GLOBAL_AVERAGE_POOLING = LayerType(
    "GlobalAveragePooling",
    __doc__,
    setup,
    forward,
    backward,
    origin="netc",
    role=Role("pooling"),
    examples=(Example(), Example(inputs=(Input((2, 3, 2, 3, 2)),)), Example(inputs=(Input((2, 3, 5)),))),
    refuses=(Refused(BAD_BOTTOM_SHAPE, bottoms=((2, 3),)),),
)
