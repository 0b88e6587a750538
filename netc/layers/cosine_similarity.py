"""Cosine similarity.

Computes:
    y = (a . b) / max(|a| |b|, eps), along `axis`, at every other position on its own.

Shapes:
    Two bottoms of one shape; the top has this shape without `axis`.

Gradient:
    da = dy (b / (|a| |b|) - y a / |a|^2), and db likewise; dy b / eps where |a| |b| < eps.

Caffe notes:
    Caffe has no such layer. eps keeps the result finite where a vector is 0.
"""

import numpy as np

from netc.kernels.geometry import Along
from netc.layer import (
    AXIS_OUT_OF_RANGE,
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
    flat,
    same_shape,
)
from netc.role import Role
from netc.schema.declare import Field, Message, optional

OWN = Param(
    Field(
        "cosine_similarity_param",
        2104,
        "CosineSimilarityParameter",
        "Fields of CosineSimilarity layers.",
        origin="netc",
    ),
    (
        Message(
            "CosineSimilarityParameter",
            (
                optional("axis", 1, "int32", 1, "Axis of the vectors."),
                optional("eps", 2, "float", 1e-8, "Least product of the lengths."),
            ),
            doc="Cosine of the angle between vectors.",
            origin="netc",
        ),
    ),
)


def setup(site: Site) -> Setup:
    shape = same_shape(site)
    axis = site.axis(site.p.axis)
    return Setup(tops=((*shape[:axis], *shape[axis + 1 :]),), reads=("x",), geometry=Along(axis))


def _parts(call: Call) -> tuple[Array, Array, Array, Array, Array]:
    """a, b, the squares of their lengths, and their product, with the vectors along axis 1."""
    axis = call.known(Along).axis
    a, b = flat(call.bottoms[0], axis), flat(call.bottoms[1], axis)
    dots = ((a * b).sum(1, keepdims=True), (a * a).sum(1, keepdims=True), (b * b).sum(1, keepdims=True))
    return a, b, dots[1], dots[2], dots[0]


def forward(call: Call) -> None:
    _, _, aa, bb, ab = _parts(call)
    call.tops[0][...] = (ab / np.maximum(np.sqrt(aa * bb), call.p.eps)).reshape(call.tops[0].shape)


def backward(call: Call) -> None:
    axis = call.known(Along).axis
    a, b, aa, bb, ab = _parts(call)
    product = np.sqrt(aa * bb)
    small = product < call.p.eps
    divisor = np.maximum(product, call.p.eps)
    dy = call.top_diffs[0].reshape(ab.shape)
    for dx, own, other, square in zip(call.bottom_diffs, (a, b), (b, a), (aa, bb), strict=True):
        if dx is not None:
            back = np.where(small, 0, ab / divisor / np.where(small, 1, square))
            flat(dx, axis)[...] = dy * (other / divisor - back * own)


COSINE_SIMILARITY = LayerType(
    "CosineSimilarity",
    __doc__,
    setup,
    forward,
    backward,
    param="cosine_similarity_param",
    own=OWN,
    origin="netc",
    bottoms=Arity(2, 2),
    role=Role("product"),
    examples=(
        Example(inputs=(Input((4, 5)), Input((4, 5)))),
        Example("cosine_similarity_param { axis: -1 }", inputs=(Input((2, 3, 4)), Input((2, 3, 4)))),
        Example("cosine_similarity_param { eps: 100 }", inputs=(Input((3, 2, 2)), Input((3, 2, 2)))),
    ),
    refuses=(
        Refused(SHAPES_DIFFER, bottoms=((2, 3), (3, 2))),
        Refused(AXIS_OUT_OF_RANGE, "cosine_similarity_param { axis: 2 }", bottoms=((2, 3), (2, 3))),
    ),
)
