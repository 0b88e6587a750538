"""Normalize: vectors of length 1, then scaled (ParseNet, Liu, Rabinovich & Berg 2015; SSD).

Computes:
    y = scale * x / sqrt(the sum of x^2 + eps). With `across_spatial` the sum is over an image's channels and cells,
    else over the channels of each cell. The learned scale is one number with `channel_shared`, else one a channel.

Shapes:
    The top has the bottom's shape, num x channels x any others. The scale is a scalar, or channels.

Gradient:
    With r = sqrt(the sum of x^2 + eps): dx = scale * (dy - x * (the sum of dy x) / r^2) / r, dscale = the sum of
    dy x / r.

Caffe notes:
    A layer of the SSD fork. The scale starts at 1 if there is no `scale_filler`. `eps` is 1e-10. With a scale for each
    channel, dx is the fork's formula and not the derivative, in which the sum is over scale * dy * x: nets that were
    trained with the layer depend on it.
"""

from dataclasses import dataclass

import numpy as np

from netc.layer import (
    BAD_BOTTOM_SHAPE,
    Array,
    Call,
    Example,
    Input,
    LayerType,
    Param,
    ParamBlob,
    Refused,
    Setup,
    Site,
    flat,
)
from netc.role import Role
from netc.schema.declare import Message, optional

ORIGIN = "SSD (weiliu89/caffe)"
OWN_GRADIENT = "SSD's Normalize leaves the channels' scales out of a sum of its gradient"
PARAMETER = Message(
    "NormalizeParameter",
    (
        optional("across_spatial", 1, "bool", True, "One length over a whole image, or one for each cell."),
        optional("scale_filler", 2, "FillerParameter", doc="How the scale starts; 1 if unset."),
        optional("channel_shared", 3, "bool", True, "One scale for all channels."),
        optional("eps", 4, "float", 1e-10, "Added to the sum of squares."),
    ),
    origin=ORIGIN,
)


@dataclass(frozen=True, slots=True)
class Geometry:
    """The axes over which lengths are taken, of the bottom as num x channels x positions."""

    axes: tuple[int, ...]


def setup(site: Site) -> Setup:
    p, bottom = site.p, site.bottoms[0]
    if len(bottom) < 2:
        site.refuse(BAD_BOTTOM_SHAPE, "needs at least num and channels", "bottom")
    filler = p.scale_filler if p.has("scale_filler") else 1.0
    return Setup(
        tops=(bottom,),
        params=(ParamBlob("scale", () if p.channel_shared else (bottom[1],), filler),),
        reads=("x",),
        geometry=Geometry((1, 2) if p.across_spatial else (1,)),
        own_gradient="" if p.channel_shared or bottom[1] == 1 else OWN_GRADIENT,
    )


def _length(call: Call, x: Array) -> Array:
    squares = np.sum(x * x, axis=call.known(Geometry).axes, keepdims=True)
    length: Array = np.sqrt(squares + x.dtype.type(call.p.eps))
    return length


def forward(call: Call) -> None:
    x, y = flat(call.bottoms[0], 1), flat(call.tops[0], 1)
    np.divide(x, _length(call, x), out=y)
    y *= call.params[0].reshape(-1, 1)


def backward(call: Call) -> None:
    x, dy = flat(call.bottoms[0], 1), flat(call.top_diffs[0], 1)
    length = _length(call, x)
    if (dscale := call.param_diffs[0]) is not None:
        parts = dy * (x / length)
        dscale += parts.sum() if call.p.channel_shared else parts.sum((0, 2))
    if (diff := call.bottom_diffs[0]) is not None:
        dx = flat(diff, 1)
        np.subtract(dy, x * (np.sum(dy * x, axis=call.known(Geometry).axes, keepdims=True) / (length * length)), out=dx)
        dx /= length
        dx *= call.params[0].reshape(-1, 1)


_FILL = 'scale_filler { type: "uniform" min: 1 max: 3 }'

NORMALIZE = LayerType(
    "Normalize",
    __doc__,
    setup,
    forward,
    backward,
    param="norm_param",
    own=Param(optional("norm_param", 206, "NormalizeParameter", origin=ORIGIN), (PARAMETER,)),
    origin=ORIGIN,
    role=Role("normalization", space="same"),
    examples=(
        Example(
            'norm_param { across_spatial: false channel_shared: false scale_filler { type: "constant" value: 20 } }'
        ),
        Example(f"norm_param {{ {_FILL} }}"),
        Example(f"norm_param {{ across_spatial: false {_FILL} }}"),
        Example("norm_param { channel_shared: false eps: 0.1 }", inputs=(Input((3, 4)),)),
    ),
    refuses=(Refused(BAD_BOTTOM_SHAPE, bottoms=((3,),)),),
)
