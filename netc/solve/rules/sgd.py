"""Stochastic gradient descent with momentum.

h = rate g + momentum h;  w = w - h.
"""

from netc.jit import kernel
from netc.layer import Array
from netc.solve.rule import Rule, Update


@kernel
def _update(data: Array, diff: Array, h: Array, rate: float, momentum: float) -> None:
    for i in range(data.size):
        h[i] = rate * diff[i] + momentum * h[i]
        diff[i] = h[i]
        data[i] -= h[i]


def update(u: Update) -> None:
    _update(u.data, u.diff, u.history[0], u.number(u.rate), u.number(u.p.momentum))


SGD = Rule("SGD", __doc__, update)
