"""Adam (Kingma & Ba 2015), and AdamW with weight decay apart from the gradient (Loshchilov & Hutter 2019).

m = momentum m + (1 - momentum) g;  v = momentum2 v + (1 - momentum2) g^2;
w = w - rate sqrt(1 - momentum2^t) / (1 - momentum^t) m / (sqrt(v) + delta), with t = iteration + 1.
AdamW also subtracts rate * weight_decay * w, and its g does not contain the decay.
"""

import math
from typing import Any

from netc.jit import kernel
from netc.layer import Array
from netc.solve.rule import Limit, Rule, Update


@kernel
def _update(data: Array, diff: Array, m: Array, v: Array, rates: Any, shares: Any) -> None:
    rate, decay, delta = rates
    keep1, take1, keep2, take2 = shares
    for i in range(data.size):
        m[i] = take1 * diff[i] + keep1 * m[i]
        v[i] = take2 * (diff[i] * diff[i]) + keep2 * v[i]
        diff[i] = rate * (m[i] / (math.sqrt(v[i]) + delta)) + decay * data[i]
        data[i] -= diff[i]


def _adam(u: Update, decay: float) -> None:
    beta1, beta2, t = u.p.momentum, u.p.momentum2, u.iteration + 1
    correction = math.sqrt(1 - beta2**t) / (1 - beta1**t)
    rates = tuple(u.number(x) for x in (u.rate * correction, decay, u.p.delta))
    shares = tuple(u.number(x) for x in (beta1, 1 - beta1, beta2, 1 - beta2))
    _update(u.data, u.diff, u.history[0], u.history[1], rates, shares)


def update(u: Update) -> None:
    _adam(u, 0.0)


def update_decoupled(u: Update) -> None:
    _adam(u, u.rate * u.decay)


_LIMITS = (Limit("momentum", 0, 1), Limit("momentum2", 0, 1))
ADAM = Rule("Adam", __doc__, update, histories=2, limits=_LIMITS)
ADAMW = Rule("AdamW", __doc__, update_decoupled, histories=2, decoupled=True, limits=_LIMITS)
