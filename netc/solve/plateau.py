"""The policy "plateau" of SSD's solver: the learning rate falls when the smoothed loss has not for some iterations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

START = float(np.finfo(np.float32).max)


@dataclass
class Plateau:
    """Where the policy is.

    minimum: the smallest smoothed loss so far (in single precision, as in the fork). since: the iteration of the last
    minimum or step. steps: how often the rate has been multiplied by gamma.
    """

    minimum: float = START
    since: int = 0
    steps: int = 0

    def look(self, iteration: int, smoothed: float, windows: Sequence[int]) -> None:
        """Before the update of an iteration: a new minimum, or the end of the window `windows[steps]` without one."""
        loss = float(np.float32(smoothed))
        if loss < self.minimum:
            self.minimum, self.since = loss, iteration
        if self.steps < len(windows) and iteration - self.since >= windows[self.steps]:
            self.steps, self.since = self.steps + 1, iteration
