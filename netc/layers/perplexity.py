"""Perplexity: between how many tokens a language model is undecided.

Computes:
    exp of the mean of -log p(label), p = softmax of the scores along `axis`, over the positions whose label is not
    `ignore_label`. A second top gives the same in bits: the mean of -log2 p(label).

Shapes:
    Bottoms: scores, and as many labels as scores divided by classes. Tops: scalars.

Gradient:
    None.

Caffe notes:
    Caffe has no such layer. A test gives the perplexity of all of its tokens together, which is not the mean of that of
    its batches. `axis` is the last unless given. NaN if nothing counts. A label that is not a class is an error.
"""

import math
from dataclasses import dataclass
from math import prod

import numpy as np

from netc.kernels.labels import LABEL_OUT_OF_RANGE, class_labels
from netc.kernels.softmax import picked
from netc.kernels.tally import Tally, counting
from netc.layer import (
    BAD_BOTTOM_SHAPE,
    Arity,
    Call,
    Example,
    Input,
    LayerType,
    Param,
    Refused,
    Setup,
    Site,
    flat,
    format_shape,
)
from netc.role import ANYTHING, Role, whole
from netc.schema.declare import Message, optional

PARAMETER = Message(
    "PerplexityParameter",
    (
        optional("axis", 1, "int32", -1, "The axis of the classes.", origin="netc"),
        optional("ignore_label", 2, "int32", doc="Positions with this label do not count.", origin="netc"),
    ),
    doc="Fields of Perplexity.",
    origin="netc",
)


@dataclass(frozen=True, slots=True)
class Geometry:
    """The axis of the classes, and what `ignore_label` says."""

    axis: int
    ignore: int | None


@dataclass(frozen=True, slots=True)
class Surprise(Tally):
    """The sum of -log p, in nats, and of how many tokens."""

    nats: float
    tokens: int

    def plus(self, other: "Surprise") -> "Surprise":
        return Surprise(self.nats + other.nats, self.tokens + other.tokens)

    def figures(self) -> tuple[float, float]:
        mean = self.nats / self.tokens if self.tokens else math.nan
        return float(np.exp(mean)), mean / math.log(2)


def setup(site: Site) -> Setup:
    p, (scores, labels) = site.p, site.bottoms
    axis = site.axis(p.axis)
    if prod(labels) * scores[axis] != prod(scores):
        message = f"scores of shape {format_shape(scores)} need {prod(scores) // scores[axis]} labels, one a position, "
        site.refuse(BAD_BOTTOM_SHAPE, message + f"but the labels are {format_shape(labels)}", "bottom", "axis")
    return Setup(
        tops=((), ())[: site.top_count],
        reads=(),
        holds=(ANYTHING, whole(scores[axis])),
        geometry=Geometry(axis, p.ignore_label if p.has("ignore_label") else None),
    )


def count(call: Call) -> Surprise:
    g = call.known(Geometry)
    scores = flat(call.bottoms[0], g.axis)
    classes = class_labels(call.record, call.bottoms[1], scores.shape[1], g.ignore)
    classes = classes.reshape(scores.shape[0], scores.shape[2])
    largest = scores.max(axis=1)
    total = np.exp(scores - largest[:, None]).sum(axis=1, dtype=np.float64)
    surprise = np.log(total) + largest - picked(scores, classes)
    valid = classes >= 0
    return Surprise(float(surprise[valid].sum()), int(valid.sum()))


_INPUTS = (Input((5, 4, 7)), Input((5, 4), "labels", 0, 7))

PERPLEXITY = LayerType(
    "Perplexity",
    __doc__,
    setup,
    counting(count),
    param="perplexity_param",
    own=Param(
        optional("perplexity_param", 2171, "PerplexityParameter", doc="Fields of Perplexity.", origin="netc"),
        (PARAMETER,),
    ),
    origin="netc",
    bottoms=Arity(2, 2),
    tops=Arity(1, 2),
    differentiable=False,
    codes=(LABEL_OUT_OF_RANGE,),
    role=Role("measure", end="measure", tallies=True),
    examples=(
        Example(inputs=_INPUTS, phase="TEST"),
        Example(
            "perplexity_param { ignore_label: 0 axis: 1 }", tops=2, inputs=(_INPUTS[0], Input((5, 7), "labels", 0, 4))
        ),
    ),
    refuses=(Refused(BAD_BOTTOM_SHAPE, bottoms=((4, 3), (3,))),),
)
