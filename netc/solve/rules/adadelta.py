"""AdaDelta (Zeiler 2012).

h1 = momentum h1 + (1 - momentum) g^2;  u = g sqrt((h2 + delta) / (h1 + delta));
h2 = momentum h2 + (1 - momentum) u^2;  w = w - rate u.
"""

import math

from netc.jit import kernel
from netc.layer import Array
from netc.solve.rule import Rule, Update


@kernel
def _update(data: Array, diff: Array, h1: Array, h2: Array, rate: float, keep: float, take: float, d: float) -> None:
    for i in range(data.size):
        h1[i] = take * (diff[i] * diff[i]) + keep * h1[i]
        u = diff[i] * math.sqrt((h2[i] + d) / (h1[i] + d))
        h2[i] = take * (u * u) + keep * h2[i]
        diff[i] = rate * u
        data[i] -= diff[i]


def update(u: Update) -> None:
    keep, take = u.number(u.p.momentum), u.number(1 - u.p.momentum)
    _update(u.data, u.diff, u.history[0], u.history[1], u.number(u.rate), keep, take, u.number(u.p.delta))


ADADELTA = Rule("AdaDelta", __doc__, update, histories=2)
