"""Going over runs of floats, vector by vector, of which the last may be cut."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from netc.fast.machine.emit import (
    I64,
    LANES,
    POINTER,
    VECTOR,
    VECTOR_BYTES,
    Loop,
    at,
    constant,
    lanes_below,
    load,
    load_masked,
    shuffle,
    store,
    store_masked,
    variable,
)
from netc.jit import cgutils, ir


def over(b: Any, size: Any, starts: list[Any], body: Callable[[list[Any], Any], None]) -> None:
    """body(pointers, left) for each vector of `size` floats, at `starts`; left: how many floats there are from there
    on, as `load_some` and `store_some` take it."""
    slots, left = [variable(b, start) for start in starts], variable(b, size)
    trips = b.sdiv(b.add(size, ir.Constant(I64, LANES - 1)), ir.Constant(I64, LANES))
    with Loop(b, trips, slots, [VECTOR_BYTES] * len(slots)):
        here = b.load(left, typ=I64)
        body([b.load(slot, typ=POINTER) for slot in slots], here)
        b.store(b.sub(here, ir.Constant(I64, LANES)), left)


def _whole(b: Any, left: Any) -> Any:
    """Whether no mask is needed, with which AVX2 stores ten times as slowly."""
    return b.icmp_signed(">=", left, ir.Constant(I64, LANES))


def load_some(b: Any, pointer: Any, left: Any, rest: float = 0) -> Any:
    """A vector, of which the first `left` floats are there; `rest` in the lanes behind."""
    slot = variable(b, constant(rest))
    with b.if_else(_whole(b, left)) as (whole, cut):
        with whole:
            b.store(load(b, pointer), slot)
        with cut:
            mask = lanes_below(b, left)
            found = load_masked(b, pointer, mask)
            b.store(found if rest == 0 else b.select(mask, found, constant(rest)), slot)
    return b.load(slot, typ=VECTOR)


def store_some(b: Any, vector: Any, pointer: Any, left: Any) -> None:
    """The first `left` lanes of a vector."""
    with b.if_else(_whole(b, left)) as (whole, cut):
        with whole:
            store(b, vector, pointer)
        with cut:
            store_masked(b, vector, pointer, lanes_below(b, left))


def across(b: Any, vector: Any, join: Callable[[Any, Any], Any]) -> Any:
    """All lanes joined, halves with halves, in every lane."""
    for half in (8, 4, 2, 1):
        vector = join(vector, shuffle(b, vector, vector, [lane ^ half for lane in range(LANES)]))
    return vector


# ---------------------------------------------------------------- sums of float64s

DOUBLES = ir.VectorType(ir.DoubleType(), LANES)


@contextmanager
def double_sums(b: Any, place: Any, count: int) -> Iterator[list[Any]]:
    """`count` vectors of float64s, zero at first, in the stack; afterwards one behind the other at `place`."""
    zeros = ir.Constant(DOUBLES, [0.0] * LANES)
    slots = [variable(b, zeros) for _ in range(count)]
    yield slots
    for i, slot in enumerate(slots):
        b.store(b.load(slot, typ=DOUBLES), at(b, place, 8 * LANES * i)).align = 8


def add_doubles(b: Any, slots: list[Any], first: Any, second: Any) -> None:
    """slots[0] += first, slots[1] += first * second, in float64."""
    wide, other = b.fpext(first, DOUBLES), b.fpext(second, DOUBLES)
    kind = ir.FunctionType(DOUBLES, [DOUBLES] * 3)
    fused = cgutils.get_or_insert_function(b.module, kind, f"llvm.fmuladd.v{LANES}f64")
    b.store(b.fadd(b.load(slots[0], typ=DOUBLES), wide), slots[0])
    b.store(b.call(fused, [wide, other, b.load(slots[1], typ=DOUBLES)]), slots[1])
