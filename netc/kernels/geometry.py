"""What a layer's setup works out for its kernels, where others read it, too: compiled steps, converters, benchmarks.

Geometry of windows stands beside what slides them: `ConvolutionGeometry` (gemm_convolution), `Planes` (pooling). What
only a layer's own kernels read stands in the layer's file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from numpy.typing import NDArray

Array = NDArray[Any]

# ---------------------------------------------------------------- how a blob's axes are taken


@dataclass(frozen=True, slots=True)
class Along:
    """The axis that a layer works along, counted from 0: Concat, Slice, Softmax, Maxout, CosineSimilarity."""

    axis: int


class Matrix(NamedTuple):
    """The shape of a blob whose first axes are taken as one, and the others as another."""

    rows: int
    columns: int


class Folded(NamedTuple):
    """The shape of a blob whose axes are taken as three: those before, those that the layer works along, those after.

    Of Scale, Bias and BatchNorm the middle is what has a parameter each (mostly channels).
    """

    outer: int
    middle: int
    inner: int


# ---------------------------------------------------------------- layer types


@dataclass(frozen=True, slots=True)
class AccuracyGeometry:
    """The axis of the classes, and what `ignore_label` says."""

    axis: int
    ignore: int | None


@dataclass(frozen=True, slots=True)
class AttentionGeometry:
    """Number of heads, and the factor of the products."""

    heads: int
    scale: float


@dataclass(frozen=True, slots=True)
class BatchNormGeometry:
    """The bottom seen as (num, channels, inner); whether stored statistics are used, and scale and bias there."""

    view: Folded
    stored: bool
    affine: bool


@dataclass(frozen=True, slots=True)
class BnGeometry:
    """Where mean and variance come from: the batch, the stored blobs, or nowhere (x' = x). epsilon: what is added.

    statistics: "batch", "stored" or "none". momentum: the share of the stored statistics that stays, None where they do
    not change. centred: dx is that of batch statistics.
    """

    statistics: str
    epsilon: float
    momentum: float | None
    centred: bool


@dataclass(frozen=True, slots=True)
class CropGeometry:
    """The part of the bottom that is the top, for each axis: `slice(None)` where all of it is."""

    parts: tuple[slice, ...]


@dataclass(frozen=True, slots=True)
class DropoutGeometry:
    """What kept values are multiplied by, and below which 32-bit word a value is dropped (0: none is)."""

    factor: float
    threshold: int


@dataclass(frozen=True, slots=True)
class EltwiseGeometry:
    """What each bottom is multiplied by in a sum."""

    factors: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class ExpGeometry:
    """y = factor exp(rate x)."""

    rate: float
    factor: float


@dataclass(frozen=True, slots=True)
class InnerProductGeometry:
    """The product's sizes: M rows, K values each, N outputs. transpose: the weights lie as K x N, else as N x K."""

    rows: int
    inputs: int
    outputs: int
    transpose: bool


@dataclass(frozen=True, slots=True)
class LogGeometry:
    """y = factor ln(scale x + shift): 1 over the base's natural logarithm."""

    factor: float


@dataclass(frozen=True, slots=True)
class LrnGeometry:
    """Neighbours on either side, whether they are channels, the plane, and the constants of s = k + alpha sum(x^2)."""

    reach: int
    across: bool
    height: int
    width: int
    k: float
    alpha: float


@dataclass(frozen=True, eq=False, slots=True)
class NegativeSamplingGeometry:
    """Rows of the batch, classes that each looks at, values of a vector, all classes.

    cumulated: of each class the sum of its weight and of those before it, in float64; None: all classes are alike.
    """

    rows: int
    columns: int
    size: int
    classes: int
    cumulated: Array | None


@dataclass(frozen=True, slots=True)
class PermuteGeometry:
    """The bottom's axis for each axis of the top."""

    order: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PowerGeometry:
    """Whether the top is the same whatever the bottom holds: the power or the scale is 0."""

    constant: bool


@dataclass(frozen=True, slots=True)
class SoftmaxLossGeometry:
    """The axis of the classes, what the loss is divided by, and the weights of the classes (empty: 1)."""

    axis: int
    mode: str
    ignore: int | None
    weights: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class UpsampleGeometry:
    """Sizes of both planes, and how often a cell is repeated, down and across."""

    height: int
    width: int
    top_height: int
    top_width: int
    scale: tuple[int, int]
