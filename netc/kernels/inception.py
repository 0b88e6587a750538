"""Scores of generated images by what a trained classifier says of them (Salimans et al. 2016)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from netc.kernels.tally import Tally


@dataclass(frozen=True)
class Marginal(Tally):
    """Of distributions over classes: how many, their sum (of each class), the sum of p log p, and p log p of each mean.

    sure: sum over items and classes of p log p, in nats; it is what each item is sure of, the more the nearer to 0.
    """

    count: int
    total: NDArray[np.float64]
    sure: float

    def plus(self, other: Marginal) -> Marginal:
        return Marginal(self.count + other.count, self.total + other.total, self.sure + other.sure)

    def figures(self) -> tuple[float, NDArray[np.float64]]:
        """exp of the mean of KL(p(y|x) || p(y)), and p(y), the mean of all."""
        if not self.count:
            return math.nan, np.full_like(self.total, math.nan)
        mean = self.total / self.count
        return math.exp(self.sure / self.count - _sum_p_log_p(mean)), mean


def marginal_of(given: ArrayLike) -> Marginal:
    """The tally of distributions, N x classes. A class of probability 0 adds nothing, as in the limit."""
    p = np.asarray(given, np.float64)
    return Marginal(len(p), p.sum(axis=0), _sum_p_log_p(p))


def _sum_p_log_p(p: NDArray[np.float64]) -> float:
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.where(p == 0, 0.0, p * np.log(p)).sum())
