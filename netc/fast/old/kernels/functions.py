"""Functions of one value and their gradients, 16 values at once: Sigmoid, TanH, ELU, Exp, Power...

Rows are laid out as those of `pointwise`. A function that is not 0 at 0 must not fill the channels beyond the last:
those lanes are written as 0.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from netc.fast.machine import maths
from netc.fast.machine.emit import (
    F32,
    I32,
    LANES,
    POINTER,
    Loop,
    arg,
    clip_below,
    constant,
    lanes_below,
    load,
    multiply_add,
    pointers,
    splat,
    square_root,
    store,
    variable,
)
from netc.fast.machine.launch import Launch
from netc.fast.machine.layout import PIXEL, Blocked
from netc.fast.old.kernels.pointwise import bits, line_of, places, share
from netc.jit import Entry, entry, intrinsic, ir
from netc.jit import numba_types as types

CONSTANTS = 2


@dataclass(frozen=True, slots=True)
class Function:
    """forward(b, x, constants) emits y; gradient(b, x or y, dy, constants) emits dx."""

    forward: Callable[[Any, Any, Sequence[Any]], Any]
    gradient: Callable[[Any, Any, Any, Sequence[Any]], Any]


def forward(name: str, x: Blocked, y: Blocked, constants: tuple[float, ...] = (), label: str = "") -> list[Launch]:
    """y = f(x)."""
    return [Launch(_values(_NAMES.index(name), 0), _arguments(x, x, y, constants), label)]


def gradient(
    name: str, kept: Blocked, dy: Blocked, dx: Blocked, constants: tuple[float, ...] = (), label: str = ""
) -> list[Launch]:
    """dx = f'(x) dy; kept is x or y, whichever the layer's backward reads."""
    return [Launch(_values(_NAMES.index(name), 1), _arguments(kept, dy, dx, constants), label)]


def _arguments(a: Blocked, b: Blocked, y: Blocked, constants: tuple[float, ...]) -> tuple[Any, ...]:
    given = (*constants, 0.0, 0.0)[:CONSTANTS]
    return (*places(a, b, y), *map(bits, given), y.c - (y.blocks - 1) * LANES)


# ---------------------------------------------------------------- the functions


def _where(b: Any, sign: str, x: Any, y: Any, yes: Any, no: Any) -> Any:
    return b.select(b.fcmp_ordered(sign, x, y), yes, no)


def _absolute_gradient(b: Any, x: Any, dy: Any, _c: Sequence[Any]) -> Any:
    below = _where(b, "<", x, constant(0), b.fneg(dy), b.fmul(dy, constant(0)))
    return _where(b, ">", x, constant(0), dy, below)


def _softplus(b: Any, x: Any, _c: Sequence[Any]) -> Any:
    e = maths.exponential(b, b.fneg(maths.absolute(b, x)))
    return b.fadd(clip_below(b, x, constant(0)), maths.logarithm(b, b.fadd(e, constant(1))))


def _clip(b: Any, x: Any, c: Sequence[Any]) -> Any:
    x = clip_below(b, x, c[0])
    return _where(b, ">", x, c[1], c[1], x)


def _clip_gradient(b: Any, x: Any, dy: Any, c: Sequence[Any]) -> Any:
    inside = b.and_(b.fcmp_ordered(">=", x, c[0]), b.fcmp_ordered("<=", x, c[1]))
    return b.select(inside, dy, b.fmul(dy, constant(0)))


def _relu6_gradient(b: Any, y: Any, dy: Any, _c: Sequence[Any]) -> Any:
    inside = b.and_(b.fcmp_ordered(">", y, constant(0)), b.fcmp_ordered("<", y, constant(6)))
    return b.select(inside, dy, b.fmul(dy, constant(0)))


def _elu(b: Any, x: Any, c: Sequence[Any]) -> Any:
    below = b.fmul(c[0], maths.exponential_minus_one(b, _where(b, ">", x, constant(0), constant(0), x)))
    return _where(b, ">", x, constant(0), x, below)


def _elu_gradient(b: Any, y: Any, dy: Any, c: Sequence[Any]) -> Any:
    return _where(b, ">", y, constant(0), dy, b.fmul(b.fadd(y, c[0]), dy))


def _swish_gradient(b: Any, x: Any, dy: Any, c: Sequence[Any]) -> Any:
    scaled = b.fmul(c[0], x)
    s = maths.sigmoid(b, scaled)
    slope = b.fmul(s, multiply_add(b, scaled, b.fsub(constant(1), s), constant(1)))
    return b.fmul(dy, slope)


def _inner(b: Any, x: Any, c: Sequence[Any]) -> Any:
    """The bottom of Power and Log: scale x + shift, rounded twice as in the reference kernels."""
    return b.fadd(b.fmul(x, c[0]), c[1])


def _whole_power(b: Any, x: Any, exponent: int) -> Any:
    y = x
    for _ in range(exponent - 1):
        y = b.fmul(y, x)
    return y


def _power(exponent: int) -> Function:
    """(scale x + shift) ^ exponent."""

    def slope(b: Any, x: Any, c: Sequence[Any]) -> Any:
        rest = _whole_power(b, _inner(b, x, c), exponent - 1)
        return b.fmul(rest, b.fmul(c[0], constant(exponent)))

    return Function(
        lambda b, x, c: _whole_power(b, _inner(b, x, c), exponent), lambda b, x, dy, c: b.fmul(dy, slope(b, x, c))
    )


def _root_gradient(b: Any, x: Any, dy: Any, c: Sequence[Any]) -> Any:
    slope = b.fdiv(b.fmul(constant(0.5), c[0]), square_root(b, _inner(b, x, c)))
    return b.fmul(dy, slope)


def _inverse_gradient(b: Any, x: Any, dy: Any, c: Sequence[Any]) -> Any:
    inner = _inner(b, x, c)
    return b.fmul(dy, b.fdiv(b.fneg(c[0]), b.fmul(inner, inner)))


_FUNCTIONS = {
    "absolute": Function(lambda b, x, _c: maths.absolute(b, x), _absolute_gradient),
    "sigmoid": Function(
        lambda b, x, _c: maths.sigmoid(b, x),
        lambda b, y, dy, _c: b.fmul(dy, b.fmul(y, b.fsub(constant(1), y))),
    ),
    "tanh": Function(
        lambda b, x, _c: maths.hyperbolic_tangent(b, x),
        lambda b, y, dy, _c: b.fmul(dy, b.fsub(constant(1), b.fmul(y, y))),
    ),
    "softplus": Function(_softplus, lambda b, x, dy, _c: b.fmul(maths.sigmoid(b, x), dy)),
    "clip": Function(_clip, _clip_gradient),  # least, largest
    "relu6": Function(lambda b, x, _c: _clip(b, x, (constant(0), constant(6))), _relu6_gradient),
    "elu": Function(_elu, _elu_gradient),  # alpha
    "swish": Function(lambda b, x, c: b.fmul(x, maths.sigmoid(b, b.fmul(c[0], x))), _swish_gradient),  # beta
    "exp": Function(  # rate, factor
        lambda b, x, c: b.fmul(maths.exponential_of_any(b, b.fmul(x, c[0])), c[1]),
        lambda b, y, dy, c: b.fmul(dy, b.fmul(y, c[0])),
    ),
    "linear": Function(_inner, lambda b, _x, dy, c: b.fmul(dy, c[0])),  # scale, shift
    "square": _power(2),
    "cube": _power(3),
    "root": Function(lambda b, x, c: square_root(b, _inner(b, x, c)), _root_gradient),
    "inverse": Function(lambda b, x, c: b.fdiv(constant(1), _inner(b, x, c)), _inverse_gradient),
    "log": Function(
        lambda b, x, c: maths.logarithm_of_any(b, _inner(b, x, c)),
        lambda b, x, dy, c: b.fmul(dy, b.fdiv(c[0], _inner(b, x, c))),
    ),
}
_NAMES = tuple(_FUNCTIONS)


# ---------------------------------------------------------------- all values


@intrinsic
def _apply(_context: Any, kind: Any, back: Any, row: Any, a: Any, d: Any, y: Any, pixels: Any, lanes: Any) -> Any:
    """One line: `pixels` vectors, of which the first `lanes` lanes are kept."""
    literals = kind.literal_value, back.literal_value
    sig = types.void(*[types.IntegerLiteral(v) for v in literals], *[types.intp] * 6)

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        function = _FUNCTIONS[_NAMES[literals[0]]]
        table, source, diff, target = pointers(b, arguments[2:6])
        constants = [_constant(b, table, 16 + i) for i in range(CONSTANTS)]
        slots = [variable(b, pointer) for pointer in (source, diff, target)]
        mask = lanes_below(b, arguments[7])
        with Loop(b, arguments[6], slots, [PIXEL] * 3):
            x, given, place = (b.load(slot, typ=POINTER) for slot in slots)
            if literals[1]:
                found = function.gradient(b, load(b, x), load(b, given), constants)
            else:
                found = function.forward(b, load(b, x), constants)
            store(b, b.select(mask, found, constant(0)), place)
        return context.get_dummy_value()

    return sig, codegen


def _constant(b: Any, row: Any, index: int) -> Any:
    place = b.gep(row, [ir.Constant(I32, 8 * index)], source_etype=ir.IntType(8))
    return splat(b, b.load(place, typ=F32))


@functools.cache
def _values(kind: int, back: int) -> Entry:
    @entry
    def body(row: int, tid: int, nth: int) -> None:
        pixels, planes, lines, last_lanes = arg(row, 15), arg(row, 13), arg(row, 14), arg(row, 18)
        first, last = share(row, tid, nth)
        for item in range(first, last):
            lanes = last_lanes if item // lines % planes == planes - 1 else 16
            _apply(kind, back, row, line_of(row, 0, item), line_of(row, 1, item), line_of(row, 2, item), pixels, lanes)

    return body
