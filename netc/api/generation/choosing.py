"""The next token: drawn from what a net gives, or the most likely ones. Log-probabilities are float64."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def log_probabilities(values: Array, are_probabilities: bool) -> Array:
    """Of rows of probabilities, or of scores; -inf where a probability is 0."""
    rows = values.astype(np.float64)
    with np.errstate(divide="ignore"):
        scores = np.log(rows) if are_probabilities else rows
    largest = scores.max(axis=-1, keepdims=True)
    scores = scores - np.where(np.isfinite(largest), largest, 0)
    with np.errstate(divide="ignore"):
        return np.asarray(scores - np.log(np.exp(scores).sum(axis=-1, keepdims=True)))


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a token is drawn: log p / temperature; of the `top_k` most likely only (0: all); of the most likely whose
    probabilities add up to `top_p` only. Temperature 0 is the most likely token."""

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0

    def probabilities(self, log_p: Array) -> Array:
        """What is drawn from: the log-probabilities of one row, changed so. Of equal ones the first count first."""
        if self.temperature > 0 and not self.top_k and self.top_p >= 1:
            p = np.exp((log_p - log_p.max()) / self.temperature)
            return np.asarray(p / p.sum())
        order = np.argsort(-log_p, kind="stable")
        if self.temperature == 0:
            order = order[:1]
        elif self.top_k:
            order = order[: self.top_k]
        scores = log_p[order] / (self.temperature or 1.0)
        p = np.exp(scores - scores[0])
        p /= p.sum()
        if self.top_p < 1:
            kept = int(np.searchsorted(np.cumsum(p), self.top_p, side="left")) + 1
            order, p = order[:kept], p[:kept] / p[:kept].sum()
        found = np.zeros(len(log_p))
        found[order] = p
        return found

    def draw(self, log_p: Array, number: float) -> int:
        """The token at which the cumulated probabilities pass a number in [0, 1)."""
        p = self.probabilities(log_p)
        cumulated = np.cumsum(p)
        token = int(np.searchsorted(cumulated, number * cumulated[-1], side="right"))
        return token if token < len(p) and p[token] else int(np.flatnonzero(p)[-1])
