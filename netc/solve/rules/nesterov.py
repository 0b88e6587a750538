"""Nesterov's accelerated gradient, as in Sutskever et al. 2013.

h' = rate g + momentum h;  w = w - ((1 + momentum) h' - momentum h).
"""

from netc.jit import kernel
from netc.layer import Array
from netc.solve.rule import Rule, Update


@kernel
def _update(data: Array, diff: Array, h: Array, rate: float, momentum: float, ahead: float) -> None:
    for i in range(data.size):
        before = h[i]
        h[i] = rate * diff[i] + momentum * before
        diff[i] = ahead * h[i] - momentum * before
        data[i] -= diff[i]


def update(u: Update) -> None:
    momentum = u.number(u.p.momentum)
    _update(u.data, u.diff, u.history[0], u.number(u.rate), momentum, u.number(1 + u.p.momentum))


NESTEROV = Rule("Nesterov", __doc__, update)
