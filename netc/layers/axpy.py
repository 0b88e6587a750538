"""Axpy: channel-wise scale and add, the end of a squeeze-and-excitation block (SENet, Hu et al. 2018).

Computes:
    y[n, c, ...] = a[n, c] * x[n, c, ...] + z[n, c, ...], the bottoms being a, x and z.

Shapes:
    x and z have one shape, which is the top's; a is num x channels, with axes of size 1 behind or none.

Gradient:
    da = the sum of dy * x over space, dx = a * dy, dz = dy.

Caffe notes:
    A layer of the SENet fork; the same as Scale with axis 0 followed by Eltwise SUM.
"""

from math import prod

import numpy as np

from netc.kernels.geometry import Matrix
from netc.layer import BAD_BOTTOM_SHAPE, Arity, Call, Example, Input, LayerType, Refused, Setup, Site, format_shape


def setup(site: Site) -> Setup:
    a, x, z = site.bottoms
    shapes = ", ".join(map(format_shape, site.bottoms))
    if x != z:
        site.refuse(
            BAD_BOTTOM_SHAPE, f"its second and third bottom must have one shape, but they are {shapes}", "bottom"
        )
    if len(x) < 2 or a[:2] != x[:2] or prod(a[2:]) != 1:
        site.refuse(
            BAD_BOTTOM_SHAPE, f"its first bottom must be num x channels of the others, but they are {shapes}", "bottom"
        )
    return Setup(tops=(x,), reads=("x0", "x1"), geometry=Matrix(prod(x[:2]), prod(x[2:])))


def forward(call: Call) -> None:
    view = call.known(Matrix)
    scale, x, z = call.bottoms[0].reshape(-1, 1), call.bottoms[1].reshape(view), call.bottoms[2].reshape(view)
    y = call.tops[0].reshape(view)
    np.multiply(x, scale, out=y)
    y += z


def backward(call: Call) -> None:
    view = call.known(Matrix)
    da, dx, dz = call.bottom_diffs
    dy = call.top_diffs[0].reshape(view)
    if da is not None:
        np.einsum("ij,ij->i", dy, call.bottoms[1].reshape(view), out=da.reshape(-1))
    if dx is not None:
        np.multiply(dy, call.bottoms[0].reshape(-1, 1), out=dx.reshape(view))
    if dz is not None:
        dz.reshape(view)[...] = dy


AXPY = LayerType(
    "Axpy",
    __doc__,
    setup,
    forward,
    backward,
    bottoms=Arity(3, 3),
    origin="SENet (hujie-frank/SENet)",
    examples=(
        Example(inputs=(Input((2, 3, 1, 1)), Input((2, 3, 4, 5)), Input((2, 3, 4, 5)))),
        Example(inputs=(Input((2, 3)), Input((2, 3, 4)), Input((2, 3, 4)))),
    ),
    refuses=(
        Refused(BAD_BOTTOM_SHAPE, bottoms=((2, 3), (2, 3, 4), (2, 3, 5))),
        Refused(BAD_BOTTOM_SHAPE, bottoms=((2, 4), (2, 3, 4), (2, 3, 4))),
        Refused(BAD_BOTTOM_SHAPE, bottoms=((2, 3, 4), (2, 3, 4), (2, 3, 4))),
    ),
)
