"""AdaGrad (Duchi, Hazan & Singer 2011).

h = h + g^2;  w = w - rate g / (sqrt(h) + delta).
"""

import math

from netc.jit import kernel
from netc.layer import Array
from netc.solve.ranges import NONE, QUOTIENT
from netc.solve.rule import Moment, Rule


@kernel
def update(data: Array, diff: Array, h: Array, numbers: Array) -> None:
    rate, delta = numbers[0], numbers[1]
    for i in range(data.size):
        h[i] += diff[i] * diff[i]
        diff[i] = rate * (diff[i] / (math.sqrt(h[i]) + delta))
        data[i] -= diff[i]


def numbers(m: Moment) -> tuple[float, ...]:
    return m.rate, m.p.delta


ADAGRAD = Rule("AdaGrad", __doc__, update, numbers, ranges={"momentum": NONE, "delta": QUOTIENT})
