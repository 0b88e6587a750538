"""Triplet loss (Schroff, Kalenichenko & Philbin 2015): an anchor is to be nearer to its like than to the unlike.

Computes:
    With anchors a, positives p (alike) and negatives n (unlike), a term is max(0, margin + d(a, p) - d(a, n)); the loss
    is their mean. `distance` says what d is: EUCLIDEAN |a - b|, COSINE 1 - cos(a, b), or SQUARED |a - b|^2, of which
    the loss is half the mean, as in the forks. Where bottoms are vectors and labels, triplets are mined in the batch:
    HARD: for each anchor, the farthest of its class and the nearest of the others (Hermans, Beyer & Leibe 2017).
    SEMI_HARD: for each pair of a class, the nearest of the others that is farther than the positive, or else the
    farthest of all (FaceNet). ALL: all triplets, and the mean is of the terms above 0.

Shapes:
    Three bottoms of one shape (N x ...), anchors, positives and negatives; or two, vectors (N x ...) and N labels. The
    top is a scalar.

Gradient:
    That of the terms above 0; which triplets were mined, and how many there are, is taken as given. Two equal points
    have none with EUCLIDEAN, nor has a vector of zeros with COSINE. That of labels is 0.

Caffe notes:
    BVLC Caffe has no such layer; with three bottoms and SQUARED fields and formula are those of the forks' TripletLoss.
    `loss_weight: 2` leaves out its half. NaN makes the loss NaN.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from netc.layer import (
    BAD_BOTTOM_SHAPE,
    BAD_FIELD,
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
    format_shape,
    same_shape,
)
from netc.role import ANYTHING, Role, whole
from netc.schema.declare import Enum, Field, Message, optional

_NAME = "TripletLossParameter"
OWN = Param(
    Field("triplet_loss_param", 2105, _NAME, "Fields of TripletLoss layers.", origin="netc"),
    (
        Message(
            _NAME,
            (
                optional("margin", 1, "float", 1.0, "How much farther the negative must be."),
                optional("distance", 2, f"{_NAME}.Distance", "SQUARED", "How far two vectors are apart."),
                optional("mining", 3, f"{_NAME}.Mining", "HARD", "Which triplets of a batch count, with two bottoms."),
            ),
            (
                Enum("Distance", {"SQUARED": 0, "EUCLIDEAN": 1, "COSINE": 2}, "How far two vectors are apart."),
                Enum("Mining", {"HARD": 0, "SEMI_HARD": 1, "ALL": 2}, "Which triplets of a batch count."),
            ),
            doc="Loss of triplets of vectors.",
            origin="netc",
        ),
    ),
)


def setup(site: Site) -> Setup:
    if len(site.bottoms) == 3:
        if site.p.has("mining"):
            message = "mining takes two bottoms, vectors and labels; with three the triplets are given"
            site.refuse(BAD_FIELD, message, "mining")
        if not same_shape(site):
            site.refuse(BAD_BOTTOM_SHAPE, "needs bottoms with at least one axis", "bottom")
        return Setup(tops=((),), reads=("x",))
    vectors, labels = site.bottoms
    if len(vectors) < 2 or labels != vectors[:1]:
        shapes = f"{format_shape(vectors)} and {format_shape(labels)}"
        site.refuse(BAD_BOTTOM_SHAPE, f"needs N x ... vectors and N labels, but bottoms are {shapes}", "bottom")
    return Setup(tops=((),), reads=("x",), holds=(ANYTHING, whole(max(1, vectors[0] // 2))))


# ---------------------------------------------------------------- distances of rows


@dataclass(frozen=True, slots=True)
class Distance:
    """of: distances of rows a and b (N x D). slope: from them and the distances to the derivative for a."""

    of: Callable[[Array, Array], Array]
    slope: Callable[[Array, Array, Array], Array]


def _squared(a: Array, b: Array) -> Array:
    found: Array = np.square(a - b).sum(axis=-1)
    return found


def _unit(a: Array) -> tuple[Array, Array]:
    """Rows of length 1 (zeros stay), and the factor that made them so."""
    length = np.sqrt(np.square(a).sum(axis=-1, keepdims=True))
    factor = np.divide(1, length, out=np.zeros_like(length), where=length > 0)
    return a * factor, factor


def _cosine(a: Array, b: Array) -> Array:
    found: Array = 1 - (_unit(a)[0] * _unit(b)[0]).sum(axis=-1)
    return found


def _cosine_slope(a: Array, b: Array, d: Array) -> Array:
    (u, factor), (v, _) = _unit(a), _unit(b)
    slope: Array = factor * ((1 - d)[..., None] * u - v)
    return slope


def _euclidean_slope(a: Array, b: Array, d: Array) -> Array:
    return (a - b) * np.divide(1, d, out=np.zeros_like(d), where=d != 0)[..., None]


DISTANCES = {
    "SQUARED": Distance(_squared, lambda a, b, d: a - b),  # of the half that the loss is
    "EUCLIDEAN": Distance(lambda a, b: np.sqrt(_squared(a, b)), _euclidean_slope),
    "COSINE": Distance(_cosine, _cosine_slope),
}


# ---------------------------------------------------------------- triplets of a batch


@dataclass(slots=True)
class Mined:
    """The sum of the terms, what it is divided by, and how often each distance (N x N) counts, with its sign."""

    total: float
    count: int
    weights: Array


def mine(distances: Array, labels: Array, margin: float, how: str) -> Mined:
    """Triplets of a batch: distances N x N, of each anchor (row) to all others."""
    mined = Mined(0.0, 0, np.zeros_like(distances))
    for anchor, row in enumerate(distances):
        alike = labels == labels[anchor]
        unlike = np.flatnonzero(~alike)
        alike[anchor] = False
        positives = np.flatnonzero(alike)
        if not len(positives) or not len(unlike):
            continue
        for near, far in _chosen(row, positives, unlike, how):
            terms = np.maximum(margin + row[near] - row[far], 0)
            counts = (terms > 0).astype(row.dtype)
            mined.total += float(terms.sum(dtype=np.float64))
            mined.count += int(counts.sum()) if how == "ALL" else terms.size
            np.add.at(mined.weights[anchor], np.broadcast_to(near, terms.shape), counts)
            np.subtract.at(mined.weights[anchor], np.broadcast_to(far, terms.shape), counts)
    return mined


def _chosen(row: Array, positives: Array, unlike: Array, how: str) -> Iterator[tuple[Array, Array]]:
    """Indices of positives and negatives of an anchor, which are repeated to one shape."""
    if how == "HARD":
        yield positives[[row[positives].argmax()]], unlike[[row[unlike].argmin()]]
    elif how == "ALL":
        yield positives[:, None], unlike[None, :]
    else:
        away = row[unlike]
        farther = np.where(away > row[positives][:, None], away, np.inf)
        found = np.where(np.isfinite(farther).any(axis=1), farther.argmin(axis=1), away.argmax())
        yield positives, unlike[found]


# ---------------------------------------------------------------- the layer


def _rows(array: Array) -> Array:
    return array.reshape(array.shape[0], -1)


def _mined(call: Call) -> tuple[Array, Array, Mined]:
    x, kind = _rows(call.bottoms[0]), DISTANCES[call.p.distance]
    distances = np.stack([kind.of(row[None], x) for row in x]) if len(x) else np.zeros((0, 0), x.dtype)
    return x, distances, mine(distances, call.bottoms[1], call.p.margin, call.p.mining)


def _terms(call: Call) -> tuple[Array, Array, Array]:
    """Of given triplets: both distances, and the terms."""
    kind, (anchor, positive, negative) = DISTANCES[call.p.distance], map(_rows, call.bottoms)
    near, far = kind.of(anchor, positive), kind.of(anchor, negative)
    return near, far, np.maximum(call.p.margin + near - far, 0)


def forward(call: Call) -> None:
    half = 0.5 if call.p.distance == "SQUARED" else 1.0
    if len(call.bottoms) == 2:
        mined = _mined(call)[2]
        call.tops[0][...] = half * mined.total / max(1, mined.count)
    else:
        terms = _terms(call)[2]
        call.tops[0][...] = half * terms.sum(dtype=np.float64) / len(terms)


def backward(call: Call) -> None:
    slope = DISTANCES[call.p.distance].slope
    if len(call.bottoms) == 2:
        dx, d_labels = call.bottom_diffs
        if dx is not None:
            x, distances, mined = _mined(call)
            weights = (mined.weights + mined.weights.T) * (call.top_diffs[0].item() / max(1, mined.count))
            for i, (row, out) in enumerate(zip(x, _rows(dx), strict=True)):
                out[:] = weights[i] @ slope(row[None], x, distances[i])
        if d_labels is not None:
            d_labels.fill(0)
        return
    anchor, positive, negative = map(_rows, call.bottoms)
    near, far, terms = _terms(call)
    factor = np.where(terms > 0, call.top_diffs[0].item() / len(terms), 0).astype(near.dtype)[:, None]
    d_anchor, d_positive, d_negative = call.bottom_diffs
    if d_anchor is not None:
        found = slope(anchor, positive, near) - slope(anchor, negative, far)
        d_anchor[...] = (factor * found).reshape(d_anchor.shape)
    if d_positive is not None:
        d_positive[...] = (factor * slope(positive, anchor, near)).reshape(d_positive.shape)
    if d_negative is not None:
        d_negative[...] = (-factor * slope(negative, anchor, far)).reshape(d_negative.shape)


_THREE = (Input((5, 3)),) * 3
_BATCH = (Input((8, 2, 2)), Input((8,), "labels", 0, 3))

TRIPLET_LOSS = LayerType(
    "TripletLoss",
    __doc__,
    setup,
    forward,
    backward,
    param="triplet_loss_param",
    own=OWN,
    bottoms=Arity(2, 3),
    loss=True,
    auto_tops=True,
    origin="netc",
    role=Role("loss"),
    examples=(
        Example("triplet_loss_param { margin: 4 }", inputs=_THREE),
        Example(inputs=(Input((4, 2, 2)),) * 3),
        Example("triplet_loss_param { distance: EUCLIDEAN }", inputs=_THREE),
        Example("triplet_loss_param { distance: COSINE margin: 0.2 }", inputs=_THREE),
        Example(inputs=_BATCH),
        Example("triplet_loss_param { mining: SEMI_HARD distance: EUCLIDEAN margin: 0.5 }", inputs=_BATCH),
        Example("triplet_loss_param { mining: ALL distance: COSINE margin: 0.2 }", inputs=_BATCH),
    ),
    refuses=(
        Refused(SHAPES_DIFFER, bottoms=((4, 3), (4, 3), (4, 2))),
        Refused(BAD_BOTTOM_SHAPE, bottoms=((4, 3), (5,))),
        Refused(BAD_BOTTOM_SHAPE, bottoms=((4,), (4,))),
        Refused(BAD_FIELD, "triplet_loss_param { mining: ALL }", bottoms=((4, 3),) * 3),
    ),
)
