"""In which order the records of a source come: as they are, or shuffled anew in every epoch; without end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MASK = 2**64 - 1


def permutation(count: int, seed: int, stream: int, epoch: int = 0) -> NDArray[np.intp]:
    """A shuffled 0..count-1: a function of its arguments only, the same on every machine and with every numpy."""
    bits = np.random.Philox(key=np.array([seed & _MASK, stream & _MASK], np.uint64), counter=epoch)
    keys: NDArray[np.uint64] = bits.random_raw(count)
    return np.argsort(keys, kind="stable")


class Order:
    """An endless walk over `count` records. Epoch e of a shuffled walk is `permutation(count, seed, stream, e)`."""

    def __init__(self, count: int, *, shuffle: bool = False, seed: int = 0, stream: int = 0) -> None:
        self.count = count
        self.shuffle = shuffle
        self.seed = seed
        self.stream = stream
        self.epoch = 0
        self.position = 0
        self._records = self._of_epoch()

    def take(self, size: int) -> NDArray[np.intp]:
        """The next `size` records' numbers; walks on into further epochs where one ends."""
        parts, missing = [], size
        while missing:
            part = self._records[self.position : self.position + missing]
            parts.append(part)
            missing -= len(part)
            self.position += len(part)
            if self.position == self.count:
                self.epoch, self.position = self.epoch + 1, 0
                self._records = self._of_epoch()
        return np.concatenate(parts) if parts else np.empty(0, np.intp)

    def state(self) -> dict[str, Any]:
        return {"epoch": self.epoch, "position": self.position}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.epoch, self.position = int(state["epoch"]), int(state["position"])
        self._records = self._of_epoch()

    def _of_epoch(self) -> NDArray[np.intp]:
        return permutation(self.count, self.seed, self.stream, self.epoch) if self.shuffle else np.arange(self.count)
