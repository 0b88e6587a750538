"""What is done to a gradient before a rule takes it: a kernel of the solver's own update and of those in backward."""

from __future__ import annotations

from netc.jit import kernel
from netc.layer import Array

PREPARED = 4
"""How many numbers `prepare` takes; the rule's follow."""


@kernel
def prepare(data: Array, diff: Array, numbers: Array) -> None:
    """Make the gradient what the rule takes: scaled, clipped, and with that of l2/2 |data|^2 + l1 |data|.

    numbers: the scale, the largest absolute value (negative: any), l2, l1.
    """
    scale, most, l2, l1 = numbers[0], numbers[1], numbers[2], numbers[3]
    if scale != 1:
        for i in range(diff.size):
            diff[i] *= scale
    if most >= 0:
        for i in range(diff.size):
            if diff[i] > most:
                diff[i] = most
            elif diff[i] < -most:
                diff[i] = -most
    if l2 != 0:
        for i in range(diff.size):
            diff[i] += l2 * data[i]
    if l1 != 0:
        for i in range(diff.size):
            if data[i] > 0:
                diff[i] += l1
            elif data[i] < 0:
                diff[i] -= l1
