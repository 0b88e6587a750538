"""Functions of one value and their gradients, 16 values at once: Sigmoid, TanH, ELU, AbsVal, BNLL, Clip, Exp, Power...

A function that is not 0 at 0 must not fill the channels beyond the last: those lanes are written as 0.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from netc.fast.machine import maths
from netc.fast.machine.emit import (
    LANES,
    POINTER,
    Loop,
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
from netc.fast.machine.layout import PIXEL, Blocked, as_lines
from netc.fast.machine.lines import Spot, line_at, lines_of, share, spot
from netc.fast.machine.operands import Entry, Read, Write, entry
from netc.fast.program.builder import Builder
from netc.fast.program.family import Family
from netc.fast.program.lowered import Layout
from netc.jit import intrinsic, kernel
from netc.jit import numba_types as types
from netc.kernels.geometry import ExpGeometry, LogGeometry, PowerGeometry
from netc.layer import Setup
from netc.plan.model import Step


@dataclass(frozen=True, slots=True)
class Function:
    """forward(b, x, constants) emits y; gradient(b, x or y, dy, constants) emits dx."""

    forward: Callable[[Any, Any, Sequence[Any]], Any]
    gradient: Callable[[Any, Any, Any, Sequence[Any]], Any]


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


def forward_of(name: str, x: Blocked, y: Blocked, constants: Sequence[float] = ()) -> Launch:
    """y = f(x); constants: at most two numbers that f takes."""
    x, y = as_lines(x, y)
    first, second = (*constants, 0.0, 0.0)[:2]
    return _forward(_NAMES.index(name))(x=x, y=y, first=first, second=second)


def gradient_of(name: str, kept: Blocked, dy: Blocked, dx: Blocked, constants: Sequence[float] = ()) -> Launch:
    """dx = f'(x) dy; kept is x or y, whichever the layer's backward reads."""
    kept, dy, dx = as_lines(kept, dy, dx)
    first, second = (*constants, 0.0, 0.0)[:2]
    return _gradient(_NAMES.index(name))(kept=kept, dy=dy, dx=dx, first=first, second=second)


@intrinsic
def _apply(
    _context: Any, kind: Any, back: Any, first: Any, second: Any, a: Any, d: Any, y: Any, pixels: Any, lanes: Any
) -> Any:
    """One line: `pixels` vectors, of which the first `lanes` lanes are kept."""
    literals = kind.literal_value, back.literal_value
    floats = [types.float32] * 2
    sig = types.void(*[types.IntegerLiteral(v) for v in literals], *floats, *[types.intp] * 5)

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        function = _FUNCTIONS[_NAMES[literals[0]]]
        constants = [splat(b, number) for number in arguments[2:4]]
        slots = [variable(b, pointer) for pointer in pointers(b, arguments[4:7])]
        mask = lanes_below(b, arguments[8])
        with Loop(b, arguments[7], slots, [PIXEL] * 3):
            x, given, place = (b.load(slot, typ=POINTER) for slot in slots)
            if literals[1]:
                found = function.gradient(b, load(b, x), load(b, given), constants)
            else:
                found = function.forward(b, load(b, x), constants)
            store(b, b.select(mask, found, constant(0)), place)
        return context.get_dummy_value()

    return sig, codegen


@kernel(inline="always")
def _lanes(blob: Blocked, at: Spot) -> int:
    """How many channels a line's block has."""
    return blob.c - (blob.blocks - 1) * LANES if at[1] == blob.blocks - 1 else LANES


@functools.cache
def _forward(kind: int) -> Entry[...]:
    @entry
    def body(tid: int, nth: int, x: Read[Blocked], y: Write[Blocked], first: float, second: float) -> None:
        for item in share(lines_of(y), tid, nth):
            at = spot(y, item)
            source, target = line_at(x, at), line_at(y, at)
            _apply(kind, 0, first, second, source, source, target, y.w, _lanes(y, at))

    return body


@functools.cache
def _gradient(kind: int) -> Entry[...]:
    @entry
    def body(
        tid: int, nth: int, kept: Read[Blocked], dy: Read[Blocked], dx: Write[Blocked], first: float, second: float
    ) -> None:
        for item in share(lines_of(dx), tid, nth):
            at = spot(dx, item)
            lanes = _lanes(dx, at)
            _apply(kind, 1, first, second, line_at(kept, at), line_at(dy, at), line_at(dx, at), dx.w, lanes)

    return body


# ---------------------------------------------------------------- the layers

POWERS = {1.0: "linear", 2.0: "square", 3.0: "cube", 0.5: "root", -1.0: "inverse"}


@dataclass(frozen=True, slots=True)
class Known:
    """The function of a layer, and its constants."""

    name: str
    constants: tuple[float, ...] = ()


def _known_elu(p: Any, _setup: Setup) -> Known | None:
    return Known("elu", (p.alpha,)) if p.alpha >= 0 else None


def _known_power(p: Any, setup: Setup) -> Known | None:
    name = POWERS.get(p.power)
    return Known(name, (p.scale, p.shift)) if name and not setup.known(PowerGeometry).constant else None


def _known_log(p: Any, setup: Setup) -> Known | None:
    return Known("log", (p.scale, p.shift)) if setup.known(LogGeometry).factor == 1 else None


def _known_exp(_p: Any, setup: Setup) -> Known | None:
    g = setup.known(ExpGeometry)
    return Known("exp", (g.rate, g.factor))


FUNCTIONS: dict[str, Callable[[Any, Setup], Known | None]] = {
    "AbsVal": lambda _p, _setup: Known("absolute"),
    "BNLL": lambda _p, _setup: Known("softplus"),
    "Clip": lambda p, _setup: Known("clip", (p.min, p.max)),
    "ELU": _known_elu,
    "Exp": _known_exp,
    "Log": _known_log,
    "Power": _known_power,
    "ReLU6": lambda p, _setup: Known("relu6") if not p.negative_slope else None,
    "Sigmoid": lambda _p, _setup: Known("sigmoid"),
    "Swish": lambda p, _setup: Known("swish", (p.beta,)),
    "TanH": lambda _p, _setup: Known("tanh"),
}


def _known(b: Builder, layer: int) -> Known | None:
    node = b.plan.graph.nodes[layer]
    fields = getattr(node.record, node.type.param) if node.type.param else node.record
    return FUNCTIONS[node.type.name](fields, b.planned(layer).setup)


def accepts(b: Builder, layer: int) -> Layout | None:
    return b.any_layout(layer) if _known(b, layer) is not None else None


def forward(b: Builder, layer: int) -> None:
    read, write = b.by_value(layer)
    known = _known(b, layer)
    assert known is not None
    x = read(b.bottom(layer))
    b.emit(forward_of(known.name, x, write(b.top(layer)), known.constants), known.name)


def backward(b: Builder, step: Step) -> None:
    layer, target = step.layer, step.bottom_diffs[0]
    if target is None:
        return
    read, write = b.by_value(layer)
    known, reads = _known(b, layer), b.planned(layer).setup.reads
    assert known is not None
    dy = read(step.top_diffs[0])
    kept = read(b.top(layer) if "y" in reads else b.bottom(layer)) if reads else dy
    b.emit(gradient_of(known.name, kept, dy, write(target), known.constants), f"{known.name} gradient")


FAMILY = Family(tuple(FUNCTIONS), accepts, forward, backward)
