"""Tile: repeats a blob along an axis.

Computes:
    y = `tiles` copies of x, one after the other along `axis`.

Shapes:
    The top has the bottom's shape, with the size of `axis` times `tiles`.

Gradient:
    dx = the sum of dy over the copies.

Caffe notes:
    None: the same as Caffe's.
"""

from math import prod

import numpy as np

from netc.kernels.geometry import Folded
from netc.layer import (
    AXIS_OUT_OF_RANGE,
    BAD_FIELD,
    MISSING_FIELD,
    Call,
    Example,
    Input,
    LayerType,
    Refused,
    Setup,
    Site,
)
from netc.role import Role


def setup(site: Site) -> Setup:
    p, bottom = site.p, site.bottoms[0]
    axis = site.axis(p.axis)
    if p.tiles <= 0:
        say = BAD_FIELD if p.has("tiles") else MISSING_FIELD
        site.refuse(say, "needs tiles, the number of copies, at least 1", "tiles")
    top = (*bottom[:axis], bottom[axis] * p.tiles, *bottom[axis + 1 :])
    return Setup(tops=(top,), reads=(), geometry=Folded(prod(bottom[:axis]), p.tiles, prod(bottom[axis:])))


def forward(call: Call) -> None:
    view = call.known(Folded)
    outer, _, inner = view
    call.tops[0].reshape(view)[...] = call.bottoms[0].reshape(outer, 1, inner)


def backward(call: Call) -> None:
    view = call.known(Folded)
    dx = call.bottom_diffs[0]
    if dx is not None:
        outer, _, inner = view
        np.sum(call.top_diffs[0].reshape(view), axis=1, out=dx.reshape(outer, inner))


TILE = LayerType(
    "Tile",
    __doc__,
    setup,
    forward,
    backward,
    param="tile_param",
    role=Role("shape"),
    examples=(
        Example("tile_param { axis: 1 tiles: 3 }", inputs=(Input((2, 3, 4)),)),
        Example("tile_param { axis: -1 tiles: 2 }", inputs=(Input((2, 3)),)),
        Example("tile_param { axis: 0 tiles: 1 }", inputs=(Input((2, 3)),)),
    ),
    refuses=(
        Refused(MISSING_FIELD, "tile_param { axis: 1 }"),
        Refused(BAD_FIELD, "tile_param { tiles: -1 }"),
        Refused(AXIS_OUT_OF_RANGE, "tile_param { axis: 4 tiles: 2 }"),
    ),
)
