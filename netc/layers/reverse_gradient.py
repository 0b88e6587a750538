"""ReverseGradient: hands its bottom on, and the gradient back with the other sign (Ganin & Lempitsky 2015).

Computes:
    y = x.

Shapes:
    The top has the bottom's shape.

Gradient:
    dx = -`scale` dy: what lies before the layer learns to make the loss after it larger.

Caffe notes:
    Caffe has no such layer. In Ganin & Lempitsky's net it stands between features and a classifier of domains, so that
    features become the same in both.
"""

import numpy as np

from netc.layer import BAD_FIELD, Call, Example, Input, LayerType, Param, Refused, Setup, Site
from netc.role import Role
from netc.schema.declare import Message, optional
from netc.setups.renamed import forward

PARAMETER = Message(
    "ReverseGradientParameter",
    (optional("scale", 1, "float", 1.0, "What the gradient is multiplied by, besides -1."),),
    doc="Turns the sign of a gradient.",
    origin="netc",
)


def setup(site: Site) -> Setup:
    if site.p.scale <= 0:
        message = f"scale is {site.p.scale:g}, but must be positive: the sign is turned anyway"
        site.refuse(BAD_FIELD, message, "scale", help="StopGradient gives no gradient at all")
    own = "ReverseGradient turns its sign"
    return Setup(tops=site.bottoms, reads=(), in_place=True, own_gradient=own)


def backward(call: Call) -> None:
    if (dx := call.bottom_diffs[0]) is not None:
        np.multiply(call.top_diffs[0], -call.p.scale, out=dx)


REVERSE_GRADIENT = LayerType(
    "ReverseGradient",
    __doc__,
    setup,
    forward,
    backward,
    param="reverse_gradient_param",
    own=Param(
        optional("reverse_gradient_param", 1122, "ReverseGradientParameter", doc="Fields of the layer.", origin="netc"),
        (PARAMETER,),
    ),
    origin="netc",
    role=Role("shape", space="same"),
    examples=(Example("reverse_gradient_param { scale: 0.5 }"), Example(inputs=(Input((3, 4)),))),
    refuses=(Refused(BAD_FIELD, "reverse_gradient_param { scale: 0 }"),),
)
