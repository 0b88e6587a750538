"""AdaGrad (Duchi, Hazan & Singer 2011).

h = h + g^2;  w = w - rate g / (sqrt(h) + delta).
"""

import math

from netc.jit import kernel
from netc.layer import Array
from netc.solve.rule import Limit, Rule, Update


@kernel
def _update(data: Array, diff: Array, h: Array, rate: float, delta: float) -> None:
    for i in range(data.size):
        h[i] += diff[i] * diff[i]
        diff[i] = rate * (diff[i] / (math.sqrt(h[i]) + delta))
        data[i] -= diff[i]


def update(u: Update) -> None:
    _update(u.data, u.diff, u.history[0], u.number(u.rate), u.number(u.p.delta))


ADAGRAD = Rule("AdaGrad", __doc__, update, limits=(Limit("momentum", 0, 1e-38),))
