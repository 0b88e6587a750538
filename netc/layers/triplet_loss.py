"""Triplet loss (Schroff, Kalenichenko & Philbin 2015).

Computes:
    loss = 1/(2N) sum of max(0, margin + |a - p|^2 - |a - n|^2) over N triplets of an anchor a, a positive p (alike) and
    a negative n (unlike).

Shapes:
    Three bottoms of one shape (N x ...): anchors, positives, negatives. The top is a scalar.

Gradient:
    Where the term is above 0, with w = weight / N: da = w (n - p), dp = w (p - a), dn = w (a - n); else 0.

Caffe notes:
    BVLC Caffe has no such layer; fields and formula are those of the forks' TripletLoss. NaN makes the loss NaN.
"""

import numpy as np

from netc.layer import (
    BAD_BOTTOM_SHAPE,
    SHAPES_DIFFER,
    Arity,
    Array,
    Call,
    Example,
    Input,
    LayerType,
    Param,
    Refused,
    Setup,
    Site,
    same_shape,
)
from netc.role import Role
from netc.schema.declare import Field, Message, optional

OWN = Param(
    Field("triplet_loss_param", 2105, "TripletLossParameter", "Fields of TripletLoss layers.", origin="netc"),
    (
        Message(
            "TripletLossParameter",
            (optional("margin", 1, "float", 1.0, "How much farther the negative must be, squared."),),
            doc="Loss of triplets of vectors.",
            origin="netc",
        ),
    ),
)


def setup(site: Site) -> Setup:
    if not same_shape(site):
        site.refuse(BAD_BOTTOM_SHAPE, "needs bottoms with at least one axis", "bottom")
    return Setup(tops=((),), reads=("x",))


def _terms(call: Call) -> tuple[tuple[Array, ...], Array]:
    anchor, positive, negative = (bottom.reshape(bottom.shape[0], -1) for bottom in call.bottoms)
    near, far = anchor - positive, anchor - negative
    excess = call.p.margin + (near * near).sum(axis=1) - (far * far).sum(axis=1)
    return (positive - negative, near, far), np.maximum(excess, 0)


def forward(call: Call) -> None:
    _, terms = _terms(call)
    call.tops[0][...] = terms.sum(dtype=np.float64) / (2 * len(terms))


def backward(call: Call) -> None:
    (apart, near, far), terms = _terms(call)
    factor = np.where(terms > 0, call.top_diffs[0].item() / len(terms), 0).astype(near.dtype)[:, None]
    for dx, value in zip(call.bottom_diffs, (-apart, -near, far), strict=True):
        if dx is not None:
            dx[...] = (factor * value).reshape(dx.shape)


TRIPLET_LOSS = LayerType(
    "TripletLoss",
    __doc__,
    setup,
    forward,
    backward,
    param="triplet_loss_param",
    own=OWN,
    bottoms=Arity(3, 3),
    loss=True,
    auto_tops=True,
    origin="netc",
    role=Role("loss"),
    examples=(
        Example("triplet_loss_param { margin: 4 }", inputs=(Input((5, 3)),) * 3),
        Example(inputs=(Input((4, 2, 2)),) * 3),
    ),
    refuses=(Refused(SHAPES_DIFFER, bottoms=((4, 3), (4, 3), (4, 2))),),
)
