"""Nesterov's accelerated gradient, as in Sutskever et al. 2013.

h' = rate g + momentum h;  w = w - ((1 + momentum) h' - momentum h).
"""

from netc.jit import kernel
from netc.layer import Array
from netc.solve.rule import Moment, Rule


@kernel
def update(data: Array, diff: Array, h: Array, numbers: Array) -> None:
    rate, momentum, ahead = numbers[0], numbers[1], numbers[2]
    for i in range(data.size):
        before = h[i]
        h[i] = rate * diff[i] + momentum * before
        diff[i] = ahead * h[i] - momentum * before
        data[i] -= diff[i]


def numbers(m: Moment) -> tuple[float, ...]:
    return m.rate, m.p.momentum, 1 + m.p.momentum


NESTEROV = Rule("Nesterov", __doc__, update, numbers)
