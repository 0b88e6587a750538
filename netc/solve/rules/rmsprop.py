"""RMSProp (Tieleman & Hinton 2012).

h = rms_decay h + (1 - rms_decay) g^2;  w = w - rate g / (sqrt(h) + delta).
"""

import math

from netc.jit import kernel
from netc.layer import Array
from netc.solve.ranges import NONE, QUOTIENT, SHARE
from netc.solve.rule import Moment, Rule


@kernel
def update(data: Array, diff: Array, h: Array, numbers: Array) -> None:
    rate, keep, take, delta = numbers[0], numbers[1], numbers[2], numbers[3]
    for i in range(data.size):
        h[i] = take * (diff[i] * diff[i]) + keep * h[i]
        diff[i] = rate * (diff[i] / (math.sqrt(h[i]) + delta))
        data[i] -= diff[i]


def numbers(m: Moment) -> tuple[float, ...]:
    return m.rate, m.p.rms_decay, 1 - m.p.rms_decay, m.p.delta


RMSPROP = Rule("RMSProp", __doc__, update, numbers, ranges={"momentum": NONE, "rms_decay": SHARE, "delta": QUOTIENT})
