"""The matrices of Winograd's F(4x4, 3x3), F(4x4, 4x4) and F(4x4, 5x5), each as the function that multiplies vectors by
it.

All make 4 x 4 tops of a square of bottoms: 6 x 6 for a 3 x 3 kernel, interpolating at 0, 1, -1, 2, -2 and infinity,
7 x 7 for a piece of 4 x 4, at 1/2 as well, 8 x 8 for a 5 x 5 kernel, at -1/2, too. Rounding errors are alike: 2e-6 of
the largest value. The functions (`bottoms_N` is B^T, `tops_N` A^T, `kernel_N` G, and their transposes for the
gradients; N is the kernel's size) are written out as sums that share their parts, which halves the operations. (S.
Winograd, Arithmetic complexity of computations, 1980; A. Lavin, S. Gray, Fast Algorithms for Convolutional Neural
Networks, 2015.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from netc.fast.machine.emit import constant, multiply_add

Matrix = Callable[[Any, Sequence[Any]], list[Any]]


def _fma(b: Any, factor: float, x: Any, y: Any) -> Any:
    return multiply_add(b, constant(factor), x, y)


def _times(b: Any, factor: float, x: Any) -> Any:
    return b.fmul(constant(factor), x)


def _both(b: Any, x: Any, y: Any) -> tuple[Any, Any]:
    """Sum and difference."""
    return b.fadd(x, y), b.fsub(x, y)


def _pair(b: Any, factor: float, x: Any, y: Any) -> tuple[Any, Any]:
    """y plus and minus a multiple of x."""
    return _fma(b, factor, x, y), _fma(b, -factor, x, y)


# ---------------------------------------------------------------- 3 x 3 kernels


def _bottoms_3(b: Any, d: Sequence[Any]) -> list[Any]:
    """B^T d: 6 to 6."""
    ones = _both(b, _fma(b, -4, d[2], d[4]), _fma(b, -4, d[1], d[3]))
    near, far = b.fsub(d[4], d[2]), b.fsub(d[3], d[1])
    first, last = (_fma(b, 4, x, _fma(b, -5, y, z)) for x, y, z in (d[0::2], d[1::2]))
    return [first, *ones, *_pair(b, 2, far, near), last]


def _tops_3(b: Any, m: Sequence[Any]) -> list[Any]:
    """A^T m: 6 to 4."""
    sum_1, difference_1 = _both(b, m[1], m[2])
    sum_2, difference_2 = _both(b, m[3], m[4])
    return [
        b.fadd(b.fadd(m[0], sum_1), sum_2),
        _fma(b, 2, difference_2, difference_1),
        _fma(b, 4, sum_2, sum_1),
        b.fadd(_fma(b, 8, difference_2, difference_1), m[5]),
    ]


def _tops_gradient_3(b: Any, y: Sequence[Any]) -> list[Any]:
    """A y: 4 to 6."""
    even, odd = b.fadd(y[0], y[2]), b.fadd(y[1], y[3])
    even_2, odd_2 = _fma(b, 4, y[2], y[0]), _fma(b, 4, y[3], y[1])
    return [y[0], *_both(b, even, odd), *_pair(b, 2, odd_2, even_2), y[3]]


def _kernel_3(b: Any, g: Sequence[Any]) -> list[Any]:
    """G g: 3 to 6."""
    even = _times(b, -1 / 6, b.fadd(g[0], g[2]))
    even_2 = _fma(b, 1 / 24, g[0], _times(b, 1 / 6, g[2]))
    return [_times(b, 1 / 4, g[0]), *_pair(b, -1 / 6, g[1], even), *_pair(b, 1 / 12, g[1], even_2), g[2]]


def _kernel_gradient_3(b: Any, u: Sequence[Any]) -> list[Any]:
    """G^T u: 6 to 3."""
    sum_1, difference_1 = b.fadd(u[1], u[2]), b.fsub(u[2], u[1])
    sum_2, difference_2 = b.fadd(u[3], u[4]), b.fsub(u[3], u[4])
    return [
        _fma(b, 1 / 4, u[0], _fma(b, -1 / 6, sum_1, _times(b, 1 / 24, sum_2))),
        _fma(b, 1 / 6, difference_1, _times(b, 1 / 12, difference_2)),
        _fma(b, 1 / 6, b.fsub(sum_2, sum_1), u[5]),
    ]


# ---------------------------------------------------------------- pieces of 4 x 4


def _bottoms_4(b: Any, d: Sequence[Any]) -> list[Any]:
    """B^T d: 7 to 7."""
    both = [_fma(b, 4, x, _fma(b, -5, y, z)) for x, y, z in zip(d, d[2:], d[4:], strict=False)]  # +-1 and +-2 out
    without_2 = [_fma(b, -4, x, y) for x, y in zip(d[1:4], d[3:6], strict=True)]
    without_1 = [b.fsub(y, x) for x, y in zip(d[1:4], d[3:6], strict=True)]
    ones = [_fma(b, -1 / 2, x, y) for x, y in pairwise(without_2)]
    twos = [_fma(b, -1 / 2, x, y) for x, y in pairwise(without_1)]
    return [
        _fma(b, -1 / 2, both[0], both[1]),
        *_both(b, ones[1], ones[0]),
        *_pair(b, 2, twos[0], twos[1]),
        both[1],
        _fma(b, -1 / 2, both[1], both[2]),
    ]


def _tops_4(b: Any, m: Sequence[Any]) -> list[Any]:
    """A^T m: 7 to 4."""
    sum_1, difference_1 = _both(b, m[1], m[2])
    sum_2, difference_2 = _both(b, m[3], m[4])
    return [
        b.fadd(b.fadd(m[0], sum_1), b.fadd(sum_2, m[5])),
        _fma(b, 2, difference_2, _fma(b, 1 / 2, m[5], difference_1)),
        _fma(b, 4, sum_2, _fma(b, 1 / 4, m[5], sum_1)),
        b.fadd(_fma(b, 8, difference_2, _fma(b, 1 / 8, m[5], difference_1)), m[6]),
    ]


def _kernel_4(b: Any, g: Sequence[Any]) -> list[Any]:
    """G g: 4 to 7."""
    even, odd = b.fadd(g[0], g[2]), b.fadd(g[1], g[3])
    even_2, odd_2 = _fma(b, 4, g[2], g[0]), _fma(b, 8, g[3], _times(b, 2, g[1]))
    half = _fma(b, 1 / 8, g[3], _fma(b, 1 / 4, g[2], _fma(b, 1 / 2, g[1], g[0])))
    sum_1, difference_1 = _both(b, even, odd)
    sum_2, difference_2 = _both(b, even_2, odd_2)
    factors = -1 / 2, -1 / 3, 1 / 9, 1 / 36, -1 / 60, 32 / 45
    values = g[0], sum_1, difference_1, sum_2, difference_2, half
    return [*(_times(b, factor, x) for factor, x in zip(factors, values, strict=True)), g[3]]


# ---------------------------------------------------------------- 5 x 5 kernels


def _bottoms_5(b: Any, d: Sequence[Any]) -> list[Any]:
    """B^T d: 8 to 8."""
    ones = _both(b, _fma(b, -17 / 4, d[4], b.fadd(d[2], d[6])), _fma(b, -17 / 4, d[3], b.fadd(d[1], d[5])))
    even = _fma(b, 1 / 4, d[2], _fma(b, -5 / 4, d[4], d[6]))
    odd = _fma(b, 1 / 2, d[1], _fma(b, -5 / 2, d[3], _times(b, 2, d[5])))
    even_half = _fma(b, 4, d[2], _fma(b, -5, d[4], d[6]))
    odd_half = _fma(b, 2, d[1], _fma(b, -5 / 2, d[3], _times(b, 1 / 2, d[5])))
    return [
        _fma(b, 21 / 4, b.fsub(d[4], d[2]), b.fsub(d[0], d[6])),
        *ones,
        *_both(b, even, odd),
        *_both(b, even_half, odd_half),
        _fma(b, 21 / 4, b.fsub(d[3], d[5]), b.fsub(d[7], d[1])),
    ]


def _tops_5(b: Any, m: Sequence[Any]) -> list[Any]:
    """A^T m: 8 to 4."""
    sum_1, difference_1 = _both(b, m[1], m[2])
    sum_2, difference_2 = _both(b, m[3], m[4])
    sum_half, difference_half = _both(b, m[5], m[6])
    return [
        b.fadd(b.fadd(m[0], sum_1), b.fadd(sum_2, sum_half)),
        _fma(b, 2, difference_2, _fma(b, 1 / 2, difference_half, difference_1)),
        _fma(b, 4, sum_2, _fma(b, 1 / 4, sum_half, sum_1)),
        b.fadd(_fma(b, 8, difference_2, _fma(b, 1 / 8, difference_half, difference_1)), m[7]),
    ]


def _tops_gradient_5(b: Any, y: Sequence[Any]) -> list[Any]:
    """A y: 4 to 8."""
    return [
        y[0],
        *_both(b, b.fadd(y[0], y[2]), b.fadd(y[1], y[3])),
        *_both(b, _fma(b, 4, y[2], y[0]), _fma(b, 8, y[3], _times(b, 2, y[1]))),
        *_both(b, _fma(b, 1 / 4, y[2], y[0]), _fma(b, 1 / 8, y[3], _times(b, 1 / 2, y[1]))),
        y[3],
    ]


def _kernel_5(b: Any, g: Sequence[Any]) -> list[Any]:
    """G g: 5 to 8."""
    even, odd = b.fadd(b.fadd(g[0], g[2]), g[4]), b.fadd(g[1], g[3])
    even_2 = _fma(b, 16, g[4], _fma(b, 4, g[2], g[0]))
    odd_2 = _fma(b, 8, g[3], _times(b, 2, g[1]))
    even_half = _fma(b, 16, g[0], _fma(b, 4, g[2], g[4]))
    odd_half = _fma(b, 8, g[1], _times(b, 2, g[3]))
    return [
        g[0],
        *(_times(b, -2 / 9, x) for x in _both(b, even, odd)),
        *(_times(b, 1 / 90, x) for x in _both(b, even_2, odd_2)),
        *(_times(b, 2 / 45, x) for x in _both(b, even_half, odd_half)),
        g[4],
    ]


def _kernel_gradient_5(b: Any, u: Sequence[Any]) -> list[Any]:
    """G^T u: 8 to 5."""
    sum_1, difference_1 = (_times(b, -2 / 9, x) for x in _both(b, u[1], u[2]))
    sum_2, difference_2 = _both(b, u[3], u[4])
    sum_half, difference_half = _both(b, u[5], u[6])
    return [
        _fma(b, 1 / 90, sum_2, _fma(b, 32 / 45, sum_half, b.fadd(u[0], sum_1))),
        _fma(b, 1 / 45, difference_2, _fma(b, 16 / 45, difference_half, difference_1)),
        _fma(b, 2 / 45, sum_2, _fma(b, 8 / 45, sum_half, sum_1)),
        _fma(b, 4 / 45, difference_2, _fma(b, 4 / 45, difference_half, difference_1)),
        _fma(b, 8 / 45, sum_2, _fma(b, 2 / 45, sum_half, b.fadd(u[7], sum_1))),
    ]


# by the size of the kernel or its pieces; the gradient of weights in pieces is not made here
BOTTOMS: dict[int, Matrix] = {3: _bottoms_3, 4: _bottoms_4, 5: _bottoms_5}
TOPS: dict[int, Matrix] = {3: _tops_3, 4: _tops_4, 5: _tops_5}
TOPS_GRADIENT: dict[int, Matrix] = {3: _tops_gradient_3, 5: _tops_gradient_5}
KERNEL: dict[int, Matrix] = {3: _kernel_3, 4: _kernel_4, 5: _kernel_5}
KERNEL_GRADIENT: dict[int, Matrix] = {3: _kernel_gradient_3, 5: _kernel_gradient_5}
