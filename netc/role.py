"""What the rest of netc asks of a layer type besides its shapes and kernels.

No file outside `netc/layers/` and the fast families knows a layer type by its name. Whoever treats some types otherwise
(the net that predicts, drawings, sanity checks, advice, made-up data) asks the type's `Role` and what its `Setup` says
its bottoms hold, so that a user's own layer (`--layers FILE`) is treated like netc's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

Family = Literal[
    "activation",
    "arithmetic",
    "convolution",
    "detection",
    "loss",
    "measure",
    "normalization",
    "pooling",
    "product",
    "recurrent",
    "shape",
    "source",
]
Kind = Literal[
    "normal", "uniform", "labels", "distinct", "probabilities", "values", "binary", "regions", "boxes", "image"
]


@dataclass(frozen=True, slots=True)
class Holds:
    """What a bottom may hold, beyond any number at all.

    kind: "normal" (any number), "uniform" (low..high), "labels" (whole numbers low..high-1), "binary" (0 or 1),
    "probabilities" (at least 0, their sum over axis 1 is 1), "regions" (rows of [image, x1, y1, x2, y2], with images
    0..high-1 and corners within `width` x `height`), "boxes" (rows of [image, class, instance, x1, y1, x2, y2,
    difficult], with images 0..high-1, classes 1..classes-1 and corners within 0..1), "image" (an image's `height`,
    `width` and scales, which are 1). "distinct" and "values" are kinds of examples only.
    """

    kind: Kind = "normal"
    low: float = 0.0
    high: float = 1.0
    width: float = 1.0
    height: float = 1.0
    classes: int = 2


ANYTHING = Holds()


def regions(features: tuple[int, ...], scale: float) -> Holds:
    """Regions of the images that features (num x channels x height x width) were made from, `scale` times as small."""
    return Holds("regions", high=features[0], width=features[3] / scale, height=features[2] / scale)


def whole(high: int, low: int = 0) -> Holds:
    """Labels or indices: whole numbers low..high-1, as floats."""
    return Holds("labels", low, high)


@dataclass(frozen=True, slots=True)
class Guess:
    """The loss of a net that knows nothing, and of how many classes it then guesses one."""

    loss: float
    classes: int


class Statistics(Protocol):
    """What a layer gathers of the data, pass by pass."""

    def begin(self, blobs: Sequence[Any]) -> None:
        """Before a pass: the layer's parameter blobs, which may be set for it."""

    def add(self, blobs: Sequence[Any], bottom: Any) -> None:
        """After a pass: the parameter blobs, and of a layer that is chained the items of its bottom that count."""

    def blobs(self) -> tuple[Any, ...]:
        """What the first of the layer's parameter blobs become."""


@dataclass(frozen=True, slots=True)
class Fit:
    """How a layer's statistics are estimated from the data, in one pass that changes nothing else.

    start: from the type's own record and the layer's setup. missing: from the layer's parameter blobs, whether it has
    no statistics yet; then they are estimated before training. chained: from the setup, whether what it gives depends
    on them: then they are of its bottom, and layers after it wait. Else its own passes leave them in its blobs.
    """

    start: Callable[[Any, Any], Statistics]
    missing: Callable[[Sequence[Any]], bool] = lambda blobs: False
    chained: Callable[[Any], bool] = lambda setup: True


@dataclass(frozen=True, slots=True)
class Role:
    """What a layer type is to the rest of netc.

    family: what a drawing colours it by, and a list groups it under.
    called: what others call it, in lower case and without `_`, and how it is then written, beyond its type ("" if that
        is all); told to who writes such a type.
    judges: of a loss, the type that makes of its scores what it judges (SoftmaxWithLoss judges a Softmax's output).
    judged_by: the loss that takes scores, and labels, in place of this type.
    probabilities: its top holds probabilities, so no activation follows it in a net that predicts.
    picks: its top holds numbers of classes (ArgMax).
    rows: the names of the columns of its first top, a row for each thing found, any number an image: the first column
        is the image.
    drops: in training it sets a part of its top to zero at random (Dropout).
    end: nothing that predicts follows it: "measure" (Accuracy) compares with labels, "sink" (Silence) reads and drops.
    tallies: of a measure, that the figures of a test are not a mean of those of its batches (`netc/kernels/tally.py`).
    sequence: its bottoms' first axis is time and it carries state, so a net's first sizes are not a batch.
    apart: the bottoms that are rows of their own, not one an image (regions): a batch size does not reach them.
    bends: an activation that stands after a layer that learns; right after another one it is one too many.
    rectifies: an output that is zero for every sample has died.
    samples: of a source, from the layer's record, the axis of its tops that counts samples; the first without it.
    fed: of a source, by what else than a data source: "caller" (Input), "push" (MemoryData), "fillers" (DummyData).
    foreign: its kernels are the methods of a user's object (Python): it may do anything, so it never runs again.
    joins: its top is its bottoms one after the other, so that a planner may let these live in it (Concat).
    space: how its top's positions relate to its bottom's: "same", "window", "transposed", "crop"; "" if they do not.
    advice: what usually helps when its top stops being finite.
    guess: for a loss: from the layer's record and its bottoms' shapes, the loss of a guess, if that can be told.
    running: from the type's own record and the layer's setup, of the blobs that forward writes, by position, which part
        f of them it keeps: S = f S + what it has seen. None of a type that writes none.
    writes: the field that names the file that the layer writes, if it writes one.
    fit: how its statistics are estimated from the data, if it has some.
    doubt: from parameter blobs that were loaded, what makes them unlikely to be what training left, or "".
    current: from the parameter blobs of a file, these as the type has them now: older programs wrote others.
    misfit: from how many parameter blobs the layer has, and a file's layer, what to write so that they fit, or "".
    """

    family: Family = "arithmetic"
    called: Mapping[str, str] = field(default_factory=dict)
    judges: str = ""
    judged_by: str = ""
    probabilities: bool = False
    picks: bool = False
    drops: bool = False
    rows: tuple[str, ...] = ()
    end: Literal["", "measure", "sink"] = ""
    tallies: bool = False
    sequence: bool = False
    apart: tuple[int, ...] = ()
    bends: bool = False
    rectifies: bool = False
    samples: Callable[[Any], int] | None = None
    fed: Literal["", "caller", "push", "fillers"] = ""
    foreign: bool = False
    joins: bool = False
    space: Literal["", "same", "window", "transposed", "crop"] = ""
    advice: str = ""
    guess: Callable[[Any, Sequence[tuple[int, ...]]], Guess | None] | None = None
    fit: Fit | None = None
    doubt: Callable[[Sequence[Any]], str] | None = None
    current: Callable[[tuple[Any, ...]], tuple[Any, ...]] | None = None
    misfit: Callable[[int, int], str] | None = None
    running: Callable[[Any, Any], Mapping[int, float]] | None = None
    writes: str = ""


ORDINARY = Role()
