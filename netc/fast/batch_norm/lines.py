"""Lines of pixels in the passes of batch normalization: what is summed of them, and what becomes of them.

Lines are addresses of 16 floats a pixel; means, factors and the like of 16 floats, sums of 2 x 16 float64s.
"""

from __future__ import annotations

from typing import Any

from netc.fast.machine.emit import (
    LANES,
    POINTER,
    VECTOR_BYTES,
    Loop,
    clip_below,
    constant,
    load,
    pointers,
    store,
    variable,
)
from netc.fast.machine.layout import PIXEL
from netc.fast.machine.vectors import DOUBLES, add_doubles
from netc.jit import intrinsic, ir
from netc.jit import numba_types as types


def _masked(b: Any, given: Any, x_hat: Any, factor: Any, shift: Any, relu: int) -> Any:
    """dy where x_hat * factor + shift is positive."""
    if not relu:
        return given
    passed = b.fcmp_ordered(">", b.fadd(b.fmul(x_hat, factor), shift), constant(0))
    return b.select(passed, given, constant(0))


def _double_slots(b: Any, sums: Any) -> tuple[list[Any], list[Any]]:
    """The two vectors of sums in memory, and stack slots that start with them."""
    places = [sums, b.gep(sums, [ir.Constant(ir.IntType(64), 8 * LANES)], source_etype=ir.IntType(8))]
    slots = []
    for place in places:
        value = b.load(place, typ=DOUBLES)
        value.align = 8
        slots.append(variable(b, value))
    return places, slots


def _keep(b: Any, places: list[Any], slots: list[Any]) -> None:
    for place, slot in zip(places, slots, strict=True):
        b.store(b.load(slot, typ=DOUBLES), place).align = 8


@intrinsic
def add_moments(_context: Any, x: Any, pixels: Any, sums: Any) -> Any:
    """sums += x and x^2 over pixels."""

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        source, total = pointers(b, (arguments[0], arguments[2]))
        places, slots = _double_slots(b, total)
        slot = variable(b, source)
        with Loop(b, arguments[1], [slot], [PIXEL]):
            value = load(b, b.load(slot, typ=POINTER))
            add_doubles(b, slots, value, value)
        _keep(b, places, slots)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 3), codegen


@intrinsic
def add_gradients(
    _context: Any, relu: Any, x_hat: Any, dy: Any, pixels: Any, sums: Any, factor: Any, shift: Any
) -> Any:
    """sums += g and g x_hat over pixels; g: dy, with relu where x_hat * factor + shift is positive, else 0."""
    literal = relu.literal_value

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        hat, given, total, scale, bias = pointers(b, (arguments[1], arguments[2], *arguments[4:]))
        places, slots = _double_slots(b, total)
        scale, bias = load(b, scale), load(b, bias)
        hats, diffs = variable(b, hat), variable(b, given)
        with Loop(b, arguments[3], [hats, diffs], [PIXEL, PIXEL]):
            value = load(b, b.load(hats, typ=POINTER))
            add_doubles(b, slots, _masked(b, load(b, b.load(diffs, typ=POINTER)), value, scale, bias, literal), value)
        _keep(b, places, slots)
        return context.get_dummy_value()

    return types.void(types.IntegerLiteral(literal), *[types.intp] * 6), codegen


@intrinsic
def normalize_line(
    _context: Any, x: Any, x_hat: Any, y: Any, pixels: Any, mean: Any, inverse: Any, factor: Any, shift: Any, relu: Any
) -> Any:
    """x_hat = (x - mean) * inverse, and y = x_hat * factor + shift if there is a y (an address that is not 0)."""

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        source, hat, top, *vectors = pointers(b, (*arguments[:3], *arguments[4:8]))
        middle, inverse, scale, bias = (load(b, v) for v in vectors)
        zero = ir.Constant(ir.IntType(64), 0)
        floor = b.select(b.icmp_signed("!=", arguments[8], zero), constant(0), constant(float("-inf")))
        slots = [variable(b, p) for p in (source, hat, top)]
        with Loop(b, arguments[3], slots, [PIXEL] * 3):
            places = [b.load(slot, typ=POINTER) for slot in slots]
            value = b.fmul(b.fsub(load(b, places[0]), middle), inverse)
            store(b, value, places[1])
            with b.if_then(b.icmp_signed("!=", arguments[2], zero)):
                store(b, clip_below(b, b.fadd(b.fmul(value, scale), bias), floor), places[2])
        return context.get_dummy_value()

    return types.void(*[types.intp] * 9), codegen


@intrinsic
def gradient_line(
    _context: Any, relu: Any, x_hat: Any, dy: Any, dx: Any, pixels: Any, means: Any, factor: Any, shift: Any
) -> Any:
    """dx = slope * (g - mean of g - x_hat * mean of g x_hat); means: the two of them, then the slope."""
    literal = relu.literal_value

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        hat, given, target, means, scale_at, bias_at = pointers(b, (*arguments[1:4], *arguments[5:]))
        constant_part, linear, slope = (load(b, means, i * VECTOR_BYTES) for i in range(3))
        scale, bias = load(b, scale_at), load(b, bias_at)
        slots = [variable(b, p) for p in (hat, given, target)]
        with Loop(b, arguments[4], slots, [PIXEL] * 3):
            places = [b.load(slot, typ=POINTER) for slot in slots]
            value = load(b, places[0])
            g = _masked(b, load(b, places[1]), value, scale, bias, literal)
            rest = b.fsub(b.fsub(g, constant_part), b.fmul(value, linear))
            store(b, b.fmul(slope, rest), places[2])
        return context.get_dummy_value()

    return types.void(types.IntegerLiteral(literal), *[types.intp] * 7), codegen


@intrinsic
def slope_line(
    _context: Any, relu: Any, x: Any, dy: Any, dx: Any, pixels: Any, slopes: Any, factor: Any, shift: Any
) -> Any:
    """dx = slope * g; g: dy, with relu where x * factor + shift is positive, else 0. Without relu, x may be 0."""
    literal = relu.literal_value

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        source, given, target, slope_at, scale_at, bias_at = pointers(b, (*arguments[1:4], *arguments[5:]))
        slope, scale, bias = (load(b, place) for place in (slope_at, scale_at, bias_at))
        slots = [variable(b, p) for p in (source, given, target)]
        with Loop(b, arguments[4], slots, [PIXEL] * 3):
            places = [b.load(slot, typ=POINTER) for slot in slots]
            value = load(b, places[0]) if literal else constant(0)
            store(b, b.fmul(slope, _masked(b, load(b, places[1]), value, scale, bias, literal)), places[2])
        return context.get_dummy_value()

    return types.void(types.IntegerLiteral(literal), *[types.intp] * 7), codegen
