"""The samples that a classifier gets wrong and is surest of: with their images, to look at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netc.api.confusion import Confusion
from netc.layer import Array, flat
from netc.run import Net

MOST = 48


@dataclass(frozen=True, slots=True)
class Mistake:
    """A sample that was given another class than its label.

    sure: the probability of the class that it was given; right: that of its label. image: channels x height x width, as
    the net got it, or None.
    """

    label: int
    given: int
    sure: float
    right: float
    image: Array | None


class Mistakes:
    """Keeps the mistakes that a net is surest of, batch by batch; of a net planned with `keep`, one label a sample."""

    def __init__(self, net: Net, compared: Confusion, most: int = MOST) -> None:
        self.net, self.compared, self.most = net, compared, most
        self.found: list[Mistake] = []
        self._image = _image_value(net)

    def add(self) -> None:
        """Look at the batch that has just gone through the net."""
        if self.compared.positions:
            return
        scores, labels = self.compared.blobs()
        shares = probabilities(flat(scores, self.compared.axis).reshape(len(scores), -1))
        wanted, given = labels.reshape(-1).astype(np.int64), shares.argmax(axis=1)
        known = (wanted >= 0) & (wanted < shares.shape[1]) & (wanted != given)
        if self.compared.ignore is not None:
            known &= wanted != self.compared.ignore
        images = self.net.executor.value(self._image) if self._image >= 0 else None
        for row in np.flatnonzero(known):
            image = images[row].copy() if images is not None and len(images) == len(wanted) else None
            sure, right = float(shares[row, given[row]]), float(shares[row, wanted[row]])
            self.found.append(Mistake(int(wanted[row]), int(given[row]), sure, right, image))
        self.found.sort(key=lambda mistake: -mistake.sure)
        del self.found[self.most :]


def _image_value(net: Net) -> int:
    """The value that holds the images that a data layer gives; -1 without one."""
    for node in net.graph.nodes:
        for value in node.tops if node.type.source else ():
            shape = net.plan.shapes[value]
            if len(shape) == 4 and shape[1] in (1, 3):
                return value
    return -1


def probabilities(scores: Array) -> Array:
    """Rows as probabilities: as they are, if they are some, else their softmax."""
    rows: Array = scores.astype(np.float64)
    if (rows >= 0).all() and np.allclose(rows.sum(axis=1), 1, atol=1e-3):
        return rows
    rows = np.exp(rows - rows.max(axis=1, keepdims=True))
    return np.asarray(rows / rows.sum(axis=1, keepdims=True))
