"""RMSProp (Tieleman & Hinton 2012).

h = rms_decay h + (1 - rms_decay) g^2;  w = w - rate g / (sqrt(h) + delta).
"""

import math

from netc.jit import kernel
from netc.layer import Array
from netc.solve.rule import Limit, Rule, Update


@kernel
def _update(data: Array, diff: Array, h: Array, rate: float, keep: float, take: float, delta: float) -> None:
    for i in range(data.size):
        h[i] = take * (diff[i] * diff[i]) + keep * h[i]
        diff[i] = rate * (diff[i] / (math.sqrt(h[i]) + delta))
        data[i] -= diff[i]


def update(u: Update) -> None:
    keep, take = u.number(u.p.rms_decay), u.number(1 - u.p.rms_decay)
    _update(u.data, u.diff, u.history[0], u.number(u.rate), keep, take, u.number(u.p.delta))


RMSPROP = Rule("RMSProp", __doc__, update, limits=(Limit("momentum", 0, 1e-38), Limit("rms_decay", 0, 1)))
