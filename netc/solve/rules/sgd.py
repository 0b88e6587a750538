"""Stochastic gradient descent with momentum.

h = rate g + momentum h;  w = w - h.
"""

from netc.jit import kernel
from netc.layer import Array
from netc.solve.rule import Moment, Rule


@kernel
def update(data: Array, diff: Array, h: Array, numbers: Array) -> None:
    rate, momentum = numbers[0], numbers[1]
    for i in range(data.size):
        h[i] = rate * diff[i] + momentum * h[i]
        diff[i] = h[i]
        data[i] -= h[i]


def numbers(m: Moment) -> tuple[float, ...]:
    return m.rate, m.p.momentum


SGD = Rule("SGD", __doc__, update, numbers)
