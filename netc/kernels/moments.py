"""Mean and (co)variance of rows that come batch after batch, in one pass (Chan, Golub & LeVeque 1983), in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Moments:
    """Of rows with `size` values: their number, mean, and sums of (products of) distances from it.

    together: products of every two values, for a covariance matrix; else of each value with itself, for variances.
    """

    def __init__(self, size: int, together: bool = False) -> None:
        self.count = 0
        self.mean = np.zeros(size)
        self.sums = np.zeros((size, size) if together else size)
        self._together = together

    def add(self, rows: Array) -> None:
        """More rows: count x size."""
        count = len(rows)
        if not count:
            return
        x = rows.astype(np.float64)
        mean = x.mean(0)
        x -= mean
        self.join(count, mean, x.T @ x if self._together else np.einsum("ij,ij->j", x, x))

    def join(self, count: int, mean: Array, sums: Array) -> None:
        """More rows of which these are known."""
        apart, total = mean - self.mean, self.count + count
        share = self.count * count / total
        self.sums += sums + share * (np.outer(apart, apart) if self._together else apart * apart)
        self.mean += apart * (count / total)
        self.count = total

    @property
    def variance(self) -> Array:
        """The variances, or the covariance matrix, divided by the number of rows less one; of one row, zero."""
        return self.sums / max(1, self.count - 1)
