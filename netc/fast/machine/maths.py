"""Powers, logarithms and exponentials of 16 floats: there is no vector library to call.

log2 splits off the exponent and takes a polynomial of the mantissa, exp2 puts it back; both follow the scheme of the
Cephes library (S. Moshier, logf and expf): about 2 units in the last place over the whole range.
"""

from __future__ import annotations

from typing import Any

from netc.fast.machine.emit import I32, LANES, VECTOR, clip_below, constant, multiply_add, square_root
from netc.jit import ir

_INTEGERS = ir.VectorType(I32, LANES)
_LOG = (
    7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
    -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
)  # fmt: skip
_EXP = (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1)
LOG2_HIGH, LOG2_LOW = 0.693359375, -2.12194440e-4


def _integers(value: int) -> Any:
    return ir.Constant(_INTEGERS, [value] * LANES)


def _polynomial(b: Any, x: Any, factors: tuple[float, ...]) -> Any:
    total = constant(factors[0])
    for factor in factors[1:]:
        total = multiply_add(b, total, x, constant(factor))
    return total


def logarithm(b: Any, x: Any) -> Any:
    """ln x for normal positive x."""
    raw = b.bitcast(x, _INTEGERS)
    exponent = b.sitofp(b.sub(b.lshr(raw, _integers(23)), _integers(126)), VECTOR)
    mantissa = b.bitcast(b.or_(b.and_(raw, _integers(0x007FFFFF)), _integers(0x3F000000)), VECTOR)
    small = b.fcmp_ordered("<", mantissa, constant(0.70710678))
    exponent = b.select(small, b.fsub(exponent, constant(1)), exponent)
    m = b.fsub(b.select(small, b.fadd(mantissa, mantissa), mantissa), constant(1))
    square = b.fmul(m, m)
    y = b.fmul(b.fmul(_polynomial(b, m, _LOG), m), square)
    y = multiply_add(b, exponent, constant(LOG2_LOW), y)
    y = multiply_add(b, square, constant(-0.5), y)
    return multiply_add(b, exponent, constant(LOG2_HIGH), b.fadd(m, y))


def exponential(b: Any, x: Any) -> Any:
    """e^x, clipped to normal floats: between e^-87 and e^88."""
    x = clip_below(b, x, constant(-87.0))
    high = constant(88.0)
    x = b.select(b.fcmp_ordered(">", x, high), high, x)
    scaled = multiply_add(b, x, constant(1.44269504088896341), constant(0.5))
    truncated = b.fptosi(scaled, _INTEGERS)
    whole = b.sitofp(truncated, VECTOR)
    above = b.fcmp_ordered(">", whole, scaled)
    whole = b.select(above, b.fsub(whole, constant(1)), whole)
    r = multiply_add(b, whole, constant(-LOG2_HIGH), x)
    r = multiply_add(b, whole, constant(-LOG2_LOW), r)
    y = multiply_add(b, _polynomial(b, r, _EXP), b.fmul(r, r), b.fadd(r, constant(1)))
    power = b.shl(b.add(b.fptosi(whole, _INTEGERS), _integers(127)), _integers(23))
    return b.fmul(y, b.bitcast(power, VECTOR))


def power(b: Any, x: Any, exponent: Any) -> Any:
    """x^exponent for normal positive x; exponent is a vector."""
    return exponential(b, b.fmul(exponent, logarithm(b, x)))


def inverse_three_quarters(b: Any, x: Any) -> Any:
    """x^-0.75 by two square roots."""
    root = square_root(b, x)
    return b.fdiv(constant(1), b.fmul(root, square_root(b, root)))


# ---------------------------------------------------------------- for all floats: infinities and NaN as they should be

_TANH = (-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1)
SMALLEST = 1.17549435e-38  # normal float
LN2_24 = 16.635532333438686  # 24 ln 2


def absolute(b: Any, x: Any) -> Any:
    return b.bitcast(b.and_(b.bitcast(x, _INTEGERS), _integers(0x7FFFFFFF)), VECTOR)


def exponential_of_any(b: Any, x: Any) -> Any:
    """e^x, infinite above 88.7 and 0 far below 0."""
    root = exponential(b, b.fmul(x, constant(0.5)))
    return b.fmul(root, root)


def exponential_minus_one(b: Any, x: Any) -> Any:
    """e^x - 1 for x up to 88, exact near 0."""
    near = multiply_add(b, _polynomial(b, x, _EXP), b.fmul(x, x), x)
    far = b.fsub(exponential(b, x), constant(1))
    return b.select(b.fcmp_ordered("<", absolute(b, x), constant(0.34)), near, far)


def logarithm_of_any(b: Any, x: Any) -> Any:
    """ln x: minus infinity at 0, NaN below."""
    tiny = b.fcmp_ordered("<", x, constant(SMALLEST))
    scaled = b.select(tiny, b.fmul(x, constant(2.0**24)), x)
    y = b.fsub(logarithm(b, scaled), b.select(tiny, constant(LN2_24), constant(0)))
    y = b.select(b.fcmp_ordered("==", x, constant(0)), constant(float("-inf")), y)
    y = b.select(b.fcmp_ordered("==", x, constant(float("inf"))), x, y)
    return b.select(b.fcmp_unordered("<", x, constant(0)), constant(float("nan")), y)


def sigmoid(b: Any, x: Any) -> Any:
    """1 / (1 + e^-x)."""
    return b.fdiv(constant(1), b.fadd(constant(1), exponential_of_any(b, b.fneg(x))))


def logistic(b: Any, x: Any) -> Any:
    """The same by one exponential that is clipped: from 1 to e^-88, never 0."""
    return b.fdiv(constant(1), b.fadd(constant(1), exponential(b, b.fneg(x))))


def hyperbolic_tangent(b: Any, x: Any) -> Any:
    """By a polynomial near 0, as in the Cephes library (tanhf)."""
    square, size = b.fmul(x, x), absolute(b, x)
    near = multiply_add(b, b.fmul(_polynomial(b, square, _TANH), square), x, x)
    e = exponential(b, b.fadd(size, size))
    far = b.fsub(constant(1), b.fdiv(constant(2), b.fadd(e, constant(1))))
    far = b.select(b.fcmp_ordered("<", x, constant(0)), b.fneg(far), far)
    return b.select(b.fcmp_ordered("<", size, constant(0.625)), near, far)
