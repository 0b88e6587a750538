"""Measures that compare the class of each position with its label: their bottoms, fields, and how they count."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from netc.kernels.confusion import Classes, Confused, matrix_of
from netc.kernels.labels import class_labels
from netc.layer import BAD_BOTTOM_SHAPE, Array, Call, Setup, Shape, Site, flat, format_shape
from netc.role import ANYTHING, whole
from netc.schema.declare import Field, optional

FIELDS: tuple[Field, ...] = (
    optional("axis", 1, "int32", 1, "The axis of the classes.", origin="netc"),
    optional("ignore_label", 2, "int32", doc="Positions with this label do not count.", origin="netc"),
    optional("threshold", 3, "float", 0.5, "Of one score a position: class 1 above it.", origin="netc"),
)
"""What each of their messages begins with."""


@dataclass(frozen=True, slots=True)
class Compared:
    """The axis of the scores, how many a position has, of how many classes, and what `ignore_label` says."""

    axis: int
    scores: int
    classes: int
    ignore: int | None


def compared(site: Site, tops: Callable[[int], Sequence[Shape]]) -> Setup:
    """The setup of such a measure. tops: their shapes, from the number of classes."""
    p, (scores, labels) = site.p, site.bottoms
    axis = site.axis(p.axis)
    if prod(labels) * scores[axis] != prod(scores):
        message = f"scores of shape {format_shape(scores)} need {prod(scores) // scores[axis]} labels, one a position, "
        site.refuse(BAD_BOTTOM_SHAPE, message + f"but the labels are {format_shape(labels)}", "bottom", "axis")
    classes = max(scores[axis], 2)
    return Setup(
        tops=tuple(tops(classes))[: site.top_count],
        reads=(),
        holds=(ANYTHING, whole(classes)),
        geometry=Compared(axis, scores[axis], classes, p.ignore_label if p.has("ignore_label") else None),
    )


def confused(made: Callable[[Classes], Sequence[Any]]) -> Callable[[Call], Confused]:
    """How such a measure counts a batch: the class of the largest score, the first of equal ones, for each label."""

    def count(call: Call) -> Confused:
        at = call.known(Compared)
        scores = flat(call.bottoms[0], at.axis)
        given: Array = scores.argmax(axis=1) if at.scores > 1 else (scores[:, 0] > call.p.threshold).astype(np.int64)
        wanted = class_labels(call.record, call.bottoms[1], at.classes, at.ignore)
        return Confused(matrix_of(given.reshape(-1), wanted, at.classes), made)

    return count
