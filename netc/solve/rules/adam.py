"""Adam (Kingma & Ba 2015), and AdamW with weight decay apart from the gradient (Loshchilov & Hutter 2019).

m = momentum m + (1 - momentum) g;  v = momentum2 v + (1 - momentum2) g^2;
w = w - rate sqrt(1 - momentum2^t) / (1 - momentum^t) m / (sqrt(v) + delta), where this is update t.
AdamW also subtracts rate * weight_decay * w, and its g does not contain the decay.
"""

import math

from netc.jit import kernel
from netc.layer import Array
from netc.solve.ranges import QUOTIENT, SHARE
from netc.solve.rule import Moment, Rule


@kernel
def update(data: Array, diff: Array, m: Array, v: Array, numbers: Array) -> None:
    rate, decay, delta = numbers[0], numbers[1], numbers[2]
    keep1, take1, keep2, take2 = numbers[3], numbers[4], numbers[5], numbers[6]
    for i in range(data.size):
        m[i] = take1 * diff[i] + keep1 * m[i]
        v[i] = take2 * (diff[i] * diff[i]) + keep2 * v[i]
        diff[i] = rate * (m[i] / (math.sqrt(v[i]) + delta)) + decay * data[i]
        data[i] -= diff[i]


def _numbers(m: Moment, decay: float) -> tuple[float, ...]:
    beta1, beta2, t = m.p.momentum, m.p.momentum2, m.done + 1
    correction = math.sqrt(1 - beta2**t) / (1 - beta1**t)
    return m.rate * correction, decay, m.p.delta, beta1, 1 - beta1, beta2, 1 - beta2


def numbers(m: Moment) -> tuple[float, ...]:
    return _numbers(m, 0.0)


def numbers_decoupled(m: Moment) -> tuple[float, ...]:
    return _numbers(m, m.rate * m.decay)


_RANGES = {"momentum": SHARE, "momentum2": SHARE, "delta": QUOTIENT}
ADAM = Rule("Adam", __doc__, update, numbers, histories=2, ranges=_RANGES)
ADAMW = Rule("AdamW", __doc__, update, numbers_decoupled, histories=2, decoupled=True, ranges=_RANGES)
