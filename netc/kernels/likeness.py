"""How much alike vectors are, and how often the one that is most alike is of the right class."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netc.kernels.tally import Tally

Array = NDArray[Any]


def likeness(vectors: Array, how: str) -> NDArray[np.float64]:
    """Of vectors (N x ...), each with each (N x N), the larger the more alike.

    how: "EUCLIDEAN", the distance with a minus sign, or "COSINE", of which a vector of zeros has 0.
    """
    rows = vectors.reshape(len(vectors), -1).astype(np.float64)
    if how == "EUCLIDEAN":
        found = [-np.sqrt(((rows - row) ** 2).sum(axis=1)) for row in rows]
        return np.stack(found) if found else np.zeros((0, 0))
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit = rows / np.where(lengths > 0, lengths, 1)
    alike: NDArray[np.float64] = unit @ unit.T
    return alike


@dataclass(frozen=True)
class OneShots(Tally):
    """How many items were asked about, and the sum of their chances to be given the right class."""

    count: int
    right: float

    def plus(self, other: OneShots) -> OneShots:
        return OneShots(self.count + other.count, self.right + other.right)

    def figures(self) -> tuple[float]:
        """The share of right answers; NaN if nothing could be asked."""
        return (self.right / self.count if self.count else math.nan,)


def one_shots(alike: Array, classes: Array) -> OneShots:
    """How often the nearest of one example of each class is of an item's own class, from each item's likeness to all.

    Over all choices of the examples among the other items, each as likely as any other, the chance for an item is the
    mean, over the examples of its class, of the product over the other classes of the share of their items that are
    less alike; equal ones count half. An item that is alone in its class asks nothing, nor does a batch of one class.
    Likeness that is no number makes the figure NaN.
    """
    names = np.unique(classes)
    total = OneShots(0, 0.0)
    if len(names) < 2:
        return total
    for item, row in enumerate(alike):
        own = classes == classes[item]
        own[item] = False
        if not own.any():
            continue
        chances = np.ones(int(own.sum()))
        for name in names[names != classes[item]]:
            others = np.sort(row[classes == name])
            below = np.searchsorted(others, row[own], "left") + np.searchsorted(others, row[own], "right")
            chances *= below / (2 * len(others))
        total = total.plus(OneShots(1, float(chances.mean()) if np.isfinite(row).all() else math.nan))
    return total
