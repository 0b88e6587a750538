"""Random numbers of one record at one step of the walk: the same for any number of threads, and after a resume."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

from netc.data.order import Ticket, philox

_COUNT = 16

# Purposes of further numbers (`normal`, `words`, `uniforms`), one for each use; augment.py has 1 and 2.
RESIZE, NOISE, COLOURS, EXPAND, PICK, SAMPLES = 3, 4, 5, 6, 7, 16
_local = threading.local()


class Draws:
    """Draw `index` is a function of (seed, stream, epoch, position, index); each use has an index of its own, so that
    switching one kind of augmentation on does not change what another draws."""

    __slots__ = ("_key", "_place", "_words")

    def __init__(self, stream: int, ticket: Ticket) -> None:
        self._key = (ticket.seed, stream)
        self._place = (ticket.position + 1, ticket.epoch)
        self._words: list[int] = _raw(self._key, (0, 0, *self._place), _COUNT).tolist()

    def below(self, index: int, count: int) -> int:
        """An integer from 0 to count - 1."""
        return self._words[index] % count

    def uniform(self, index: int, low: float = 0.0, high: float = 1.0) -> float:
        """A number in [low, high)."""
        return low + (high - low) * (self._words[index] >> 11) * 2.0**-53

    def symmetric(self, index: int, most: float) -> float:
        """A number in [-most, most)."""
        return self.uniform(index, -most, most)

    def words(self, purpose: int, count: int) -> NDArray[np.uint64]:
        """Whole numbers of 64 random bits; another `purpose` (1 or more), other numbers."""
        return _raw(self._key, (0, purpose, *self._place), count)

    def uniforms(self, purpose: int, count: int) -> NDArray[np.float64]:
        """Numbers in [0, 1); another `purpose` (1 or more), other numbers."""
        return (self.words(purpose, count) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def normal(self, purpose: int, count: int) -> NDArray[np.float32]:
        """Numbers of the normal distribution (Box & Muller 1958); another `purpose` (1 or more), other numbers."""
        pairs = (count + 1) // 2
        words = _raw(self._key, (0, purpose, *self._place), pairs)
        radius = ((words >> np.uint64(40)).astype(np.float32) + np.float32(0.5)) * np.float32(2.0**-24)
        angle = (words & np.uint64(0xFFFFFF)).astype(np.float32) * np.float32(2 * np.pi * 2.0**-24)
        length = np.sqrt(np.float32(-2) * np.log(radius))
        return np.concatenate([length * np.cos(angle), length * np.sin(angle)])[:count]


def _raw(key: tuple[int, int], counter: tuple[int, int, int, int], count: int) -> NDArray[np.uint64]:
    """Raw words of `philox(*key, counter)`. Making a generator takes ten times as long as setting one."""
    if not hasattr(_local, "bits"):
        _local.bits = philox(0, 0, (0, 0, 0, 0))
        _local.state = _local.bits.state
    state = _local.state
    mask = 2**64 - 1
    state["state"]["key"][:] = [word & mask for word in key]
    state["state"]["counter"][:] = [word & mask for word in counter]
    _local.bits.state = state
    words: NDArray[np.uint64] = _local.bits.random_raw(count)
    return words
