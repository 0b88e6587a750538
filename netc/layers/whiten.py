"""Whiten: values with mean 0 and variance 1 over the data, and with PCA or ZCA uncorrelated, by statistics of the data.

Computes:
    y = W (x - mean), for each item of the batch, all of whose values are one vector x. With the covariance matrix
    C = U diag(l) U^T (divided by the number of items less one; l from the largest down): PCA: W = diag((l + eps)^-1/2)
    U^T, of which `keep` leaves the first rows; ZCA: W = U diag((l + eps)^-1/2) U^T, with `keep` of the first columns of
    U only; STANDARDIZE: W = diag((variance + eps)^-1/2), and 1 where that divides by 0.

Shapes:
    Of a bottom N x ..., the top of ZCA and STANDARDIZE has the bottom's shape; that of PCA is N x K, with K = `keep`,
    or all values of an item. Blobs: mean (D), W (K x D; D x D for ZCA; D for STANDARDIZE), and the number of items
    that they are of (1).

Gradient:
    dx = W^T dy. The blobs are not learned: they are estimated in one pass over the training data before training
    starts (or by `netc fit`), in float64 (PCA as scikit-learn's, each direction with its largest value positive).

Caffe notes:
    netc's own. `netc convert --to caffe` writes the layer as an InnerProduct.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from netc.errors import Code
from netc.kernels.moments import Moments
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
)
from netc.role import Fit, Role
from netc.schema.declare import Enum, Message, optional

MOST_VALUES = 8192
BAD_KEEP = Code(
    "LAY180",
    "Whiten keeps more than there is",
    why="`keep` is how many directions are left of as many as an item has values; STANDARDIZE looks at each value by "
    "itself, and has no directions.",
    example="x = Input() { shape { dim: [4, 10] } }\ny = Whiten(x) { method: PCA keep: 20 }",
    fix="x = Input() { shape { dim: [4, 10] } }\ny = Whiten(x) { method: PCA keep: 5 }",
)
TOO_WIDE = Code(
    "LAY181",
    "too many values for a covariance matrix",
    why="PCA and ZCA need the covariance of every two values of an item, a square matrix of doubles; up to "
    f"{MOST_VALUES} values (512 MB) are taken.",
    example="x = Input() { shape { dim: [4, 3, 224, 224] } }\ny = Whiten(x) { method: ZCA }",
    fix="x = Input() { shape { dim: [4, 3, 224, 224] } }\ny = Whiten(x) { method: STANDARDIZE }",
)
_MESSAGE = Message(
    "WhitenParameter",
    (
        optional("method", 1, "Method", "STANDARDIZE", "What is made of the values.", origin="netc"),
        optional("keep", 2, "uint32", 0, "Directions that are left, the widest first; 0: all.", origin="netc"),
        optional("eps", 3, "float", 1e-5, "Added to variances.", origin="netc"),
    ),
    (Enum("Method", {"STANDARDIZE": 0, "PCA": 1, "ZCA": 2}, "Ways to whiten."),),
    doc="Whitens by statistics of the data.",
    origin="netc",
)


@dataclass(frozen=True)
class WhitenGeometry:
    """Values of an item before and after, and how: by a matrix, or (STANDARDIZE) value by value."""

    inputs: int
    outputs: int
    matrix: bool


def setup(site: Site) -> Setup:
    p, bottom = site.p, site.bottoms[0]
    if len(bottom) < 2:
        site.refuse(BAD_BOTTOM_SHAPE, "needs a bottom of items (axis 0) with values", "bottom")
    size = prod(bottom[1:])
    alone = p.method == "STANDARDIZE"
    if p.keep > size or (alone and p.keep):
        have = "STANDARDIZE has no directions" if alone else f"an item has {size}"
        site.refuse(BAD_KEEP, f"keep: {p.keep}, but {have}", "keep")
    if not alone and size > MOST_VALUES:
        site.refuse(TOO_WIDE, f"an item has {size:,} values; {p.method} takes up to {MOST_VALUES:,}", "method")
    outputs = (p.keep or size) if p.method == "PCA" else size
    shape = (size,) if alone else (outputs, size)
    params = (
        ParamBlob("mean", (size,), learned=False),
        ParamBlob("matrix", shape, learned=False),
        ParamBlob("items", (1,), learned=False),
    )
    return Setup(
        tops=((bottom[0], outputs) if p.method == "PCA" else bottom,),
        params=params,
        reads=(),
        macs=bottom[0] * size * (1 if alone else outputs),
        geometry=WhitenGeometry(size, outputs, not alone),
    )


def forward(call: Call) -> None:
    g = call.known(WhitenGeometry)
    mean, matrix, _ = call.params
    x = call.bottoms[0].reshape(-1, g.inputs) - mean
    call.tops[0].reshape(-1, g.outputs)[...] = x @ matrix.T if g.matrix else x * matrix


def backward(call: Call) -> None:
    g, dx = call.known(WhitenGeometry), call.bottom_diffs[0]
    if dx is not None:
        dy, matrix = call.top_diffs[0].reshape(-1, g.outputs), call.params[1]
        dx.reshape(-1, g.inputs)[...] = dy @ matrix if g.matrix else dy * matrix


class _Estimate:
    """Mean and matrix from the bottoms of some passes."""

    def __init__(self, p: Any, setup: Setup) -> None:
        self.p, self.g = p, setup.known(WhitenGeometry)
        self.moments = Moments(self.g.inputs, self.g.matrix)

    def begin(self, blobs: Sequence[Any]) -> None:
        """Nothing: the statistics are of the bottom."""

    def add(self, blobs: Sequence[Any], bottom: Any) -> None:
        self.moments.add(bottom.reshape(-1, self.g.inputs))

    def blobs(self) -> tuple[Array, ...]:
        m, eps = self.moments, float(self.p.eps)
        matrix = self._directions(eps) if self.g.matrix else _inverse_root(m.variance + eps)
        return m.mean, matrix, np.array([m.count], np.float64)

    def _directions(self, eps: float) -> Array:
        widths, vectors = np.linalg.eigh(self.moments.variance)
        keep = int(self.p.keep) or self.g.inputs
        widths, vectors = np.maximum(widths[::-1][:keep], 0), vectors[:, ::-1][:, :keep]
        largest = vectors[np.abs(vectors).argmax(0), np.arange(keep)]
        rows = (vectors * np.where(largest < 0, -1, 1)).T
        scaled = _inverse_root(widths + eps)[:, None] * rows
        found: Array = scaled if self.p.method == "PCA" else rows.T @ scaled
        return found


def _inverse_root(values: Array) -> Array:
    return np.where(values > 0, 1 / np.sqrt(np.where(values > 0, values, 1)), 1.0)


def _missing(blobs: Sequence[Any]) -> bool:
    return not blobs[2].any()


def _doubt(blobs: Sequence[Any]) -> str:
    return "Whiten statistics of no items" if _missing(blobs) else ""


_ITEMS = Input((6, 2, 2))
WHITEN = LayerType(
    "Whiten",
    __doc__,
    setup,
    forward,
    backward,
    param="whiten_param",
    own=Param(optional("whiten_param", 1180, "WhitenParameter", origin="netc"), (_MESSAGE,)),
    origin="netc",
    codes=(BAD_KEEP, TOO_WIDE),
    role=Role("normalization", doubt=_doubt, fit=Fit(_Estimate, missing=_missing)),
    examples=(
        Example("whiten_param { method: PCA keep: 3 }", inputs=(_ITEMS,)),
        Example("whiten_param { method: ZCA }", inputs=(_ITEMS,)),
        Example("whiten_param { method: ZCA keep: 2 eps: 0.1 }", inputs=(_ITEMS,)),
        Example("", inputs=(Input((5, 4)),)),
    ),
    refuses=(
        Refused(BAD_BOTTOM_SHAPE, bottoms=((3,),)),
        Refused(BAD_KEEP, "whiten_param { method: PCA keep: 7 }", ((4, 6),)),
        Refused(BAD_KEEP, "whiten_param { keep: 2 }", ((4, 6),)),
        Refused(TOO_WIDE, "whiten_param { method: PCA }", ((2, 8193),)),
    ),
)
