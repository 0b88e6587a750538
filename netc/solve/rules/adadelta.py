"""AdaDelta (Zeiler 2012).

h1 = momentum h1 + (1 - momentum) g^2;  u = g sqrt((h2 + delta) / (h1 + delta));
h2 = momentum h2 + (1 - momentum) u^2;  w = w - rate u.
"""

import math

from netc.jit import kernel
from netc.layer import Array
from netc.solve.ranges import QUOTIENT, SHARE
from netc.solve.rule import Moment, Rule


@kernel
def update(data: Array, diff: Array, h1: Array, h2: Array, numbers: Array) -> None:
    rate, keep, take, delta = numbers[0], numbers[1], numbers[2], numbers[3]
    for i in range(data.size):
        h1[i] = take * (diff[i] * diff[i]) + keep * h1[i]
        u = diff[i] * math.sqrt((h2[i] + delta) / (h1[i] + delta))
        h2[i] = take * (u * u) + keep * h2[i]
        diff[i] = rate * u
        data[i] -= diff[i]


def numbers(m: Moment) -> tuple[float, ...]:
    return m.rate, m.p.momentum, 1 - m.p.momentum, m.p.delta


ADADELTA = Rule("AdaDelta", __doc__, update, numbers, histories=2, ranges={"momentum": SHARE, "delta": QUOTIENT})
