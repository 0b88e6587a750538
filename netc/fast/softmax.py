"""Softmax and its gradient: across the channels of a blocked blob, or along the lines of a plain matrix.

Either way a position is vectors of 16 classes some distance apart, of which the last may be cut. Its sum goes over the
vectors in order, then over the lanes, halves to halves. With few classes 16 positions are turned to vectors, one for
each class, in whose order the sums go.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from math import prod
from typing import Any

from netc.fast.machine.access import Access, Mode, box, of
from netc.fast.machine.emit import (
    I8,
    I64,
    LANES,
    POINTER,
    VECTOR,
    VECTOR_BYTES,
    Loop,
    constant,
    lanes_below,
    load,
    load_masked,
    multiply_add,
    pointers,
    store,
    store_masked,
    transpose_block,
    variable,
)
from netc.fast.machine.launch import Ref, Region
from netc.fast.machine.layout import Blocked, Halo, blocks
from netc.fast.machine.lines import line_at, share
from netc.fast.machine.maths import exponential_of_any
from netc.fast.machine.operands import Entry, Read, Scratch, Write, entry
from netc.fast.machine.vectors import across
from netc.fast.program.builder import Builder
from netc.fast.program.family import Family
from netc.fast.program.lowered import Layout
from netc.jit import intrinsic, ir
from netc.jit import numba_types as types
from netc.kernels.geometry import Along
from netc.layer import Shape
from netc.plan.model import Step

LOWEST = -3.4028234663852886e38
FEW = 64  # classes: turned they are 4 KiB, which stay in the first-level cache


# ---------------------------------------------------------------- one position


def _larger(b: Any, x: Any, y: Any) -> Any:
    return b.select(b.fcmp_ordered(">", y, x), y, x)


class _Classes:
    """The vectors of a position: whole ones in a loop, then the last, with what lies behind it as `rest`."""

    def __init__(self, b: Any, whole: Any, mask: Any, flat: int) -> None:
        self.b, self.whole, self.mask, self.flat = b, whole, mask, flat

    def over(self, starts: list[Any], steps: list[Any], body: Any) -> None:
        """body(pointers, last): for each vector; `last` says whether it is the cut one."""
        b = self.b
        slots = [variable(b, start) for start in starts]
        with Loop(b, self.whole, slots, steps):
            body([b.load(slot, typ=POINTER) for slot in slots], False)
        ends = [b.gep(s, [b.mul(self.whole, step)], source_etype=I8) for s, step in zip(starts, steps, strict=True)]
        body(ends, True)

    def read(self, pointer: Any, last: bool, rest: float = 0) -> Any:
        b = self.b
        if not last:
            return load(b, pointer)
        found = load_masked(b, pointer, self.mask) if self.flat else load(b, pointer)
        return b.select(self.mask, found, constant(rest))

    def write(self, vector: Any, pointer: Any, last: bool) -> None:
        b = self.b
        if last and self.flat:
            store_masked(b, vector, pointer, self.mask)
        else:
            store(b, b.select(self.mask, vector, constant(0)) if last else vector, pointer)


def _emit_forward(b: Any, classes: _Classes, places: list[Any], steps: list[Any]) -> None:
    (x, _, y), (x_step, _, y_step) = places, steps
    most, total = variable(b, constant(LOWEST)), variable(b, constant(0))

    def largest(at: list[Any], last: bool) -> None:
        value = classes.read(at[0], last, LOWEST)
        b.store(_larger(b, b.load(most, typ=VECTOR), value), most)

    classes.over([x], [x_step], largest)
    top = across(b, b.load(most, typ=VECTOR), lambda p, q: _larger(b, p, q))

    def powers(at: list[Any], last: bool) -> None:
        power = exponential_of_any(b, b.fsub(classes.read(at[0], last), top))
        if last:
            power = b.select(classes.mask, power, constant(0))
        b.store(b.fadd(b.load(total, typ=VECTOR), power), total)
        classes.write(power, at[1], last)

    classes.over([x, y], [x_step, y_step], powers)
    whole = across(b, b.load(total, typ=VECTOR), b.fadd)

    def shares(at: list[Any], last: bool) -> None:
        classes.write(b.fdiv(classes.read(at[0], last), whole), at[0], last)

    classes.over([y], [y_step], shares)


def _emit_gradient(b: Any, classes: _Classes, places: list[Any], steps: list[Any]) -> None:
    total = variable(b, constant(0))

    def products(at: list[Any], last: bool) -> None:
        y, dy = (classes.read(pointer, last) for pointer in at)
        b.store(multiply_add(b, y, dy, b.load(total, typ=VECTOR)), total)

    classes.over(places[:2], steps[:2], products)
    mean = across(b, b.load(total, typ=VECTOR), b.fadd)

    def slopes(at: list[Any], last: bool) -> None:
        y, dy = (classes.read(pointer, last) for pointer in at[:2])
        classes.write(b.fmul(y, b.fsub(dy, mean)), at[2], last)

    classes.over(places, steps, slopes)


@intrinsic
def _position(
    _context: Any, back: Any, flat: Any, a: Any, d: Any, y: Any, a_step: Any, d_step: Any, y_step: Any, count: Any
) -> Any:
    """`count` classes, in vectors that are a step apart."""
    literals = back.literal_value, flat.literal_value
    sig = types.void(*[types.IntegerLiteral(v) for v in literals], *[types.intp] * 7)

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        count = arguments[8]
        whole = b.sdiv(b.sub(count, ir.Constant(I64, 1)), ir.Constant(I64, LANES))
        mask = lanes_below(b, b.sub(count, b.mul(whole, ir.Constant(I64, LANES))))
        emit = _emit_gradient if literals[0] else _emit_forward
        emit(b, _Classes(b, whole, mask, literals[1]), pointers(b, arguments[2:5]), list(arguments[5:8]))
        return context.get_dummy_value()

    return sig, codegen


# ---------------------------------------------------------------- all positions


@functools.cache
def forward_of(flat: bool) -> Entry[...]:
    """y = e^x / (sum of e^x over the classes), position by position; y may be x.

    flat: the blobs are the lines of a matrix (`matrix`).
    """
    number = int(flat)

    @entry
    def _softmax(tid: int, nth: int, x: Read[Blocked], y: Write[Blocked]) -> None:
        for item in share(y.n * y.h, tid, nth):
            at = item // y.h, 0, item % y.h
            for pixel in range(y.w):
                source, target = line_at(x, at) + pixel * 64, line_at(y, at) + pixel * 64
                _position(0, number, source, source, target, x.plane, x.plane, y.plane, y.c)

    if flat:
        _softmax.touches(lambda o: [_lines("read", o.x), _lines("write", o.y)])
    return _softmax


@intrinsic
def _turned(_context: Any, place: Any, count: Any) -> Any:
    """Softmax of `count` vectors one after the other, lane by lane, in place."""

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        place, count = b.inttoptr(arguments[0], POINTER), arguments[1]
        most, total, slot = variable(b, constant(LOWEST)), variable(b, constant(0)), variable(b, place)
        with Loop(b, count, [slot], [VECTOR_BYTES]):
            b.store(_larger(b, b.load(most, typ=VECTOR), load(b, b.load(slot, typ=POINTER))), most)
        top = b.load(most, typ=VECTOR)
        with Loop(b, count, [slot], [VECTOR_BYTES]):
            here = b.load(slot, typ=POINTER)
            power = exponential_of_any(b, b.fsub(load(b, here), top))
            b.store(b.fadd(b.load(total, typ=VECTOR), power), total)
            store(b, power, here)
        whole = b.load(total, typ=VECTOR)
        with Loop(b, count, [slot], [VECTOR_BYTES]):
            here = b.load(slot, typ=POINTER)
            store(b, b.fdiv(load(b, here), whole), here)
        return context.get_dummy_value()

    return types.void(types.intp, types.intp), codegen


@functools.cache
def few_of(flat: bool) -> Entry[...]:
    """`forward_of` for at most `FEW` classes. scratch: for each thread a vector for each class, of whole blocks."""

    @entry
    def _few(tid: int, nth: int, x: Read[Blocked], y: Write[Blocked], scratch: Scratch[Region]) -> None:
        blocks = (x.c + 15) // 16
        space = scratch + tid * blocks * 1024
        lines, across, from_step, to_step = (1, x.n, x.image, y.image) if flat else (x.n * x.h, x.w, 64, 64)
        runs = (across + 15) // 16
        for item in share(lines * runs, tid, nth):
            first = item % runs * 16
            at, here = (item // runs // x.h, 0, item // runs % x.h), min(16, across - first)
            source, target = line_at(x, at) + first * from_step, line_at(y, at) + first * to_step
            for block in range(blocks):
                classes, place = min(16, x.c - block * 16), space + block * 1024
                transpose_block(source + block * x.plane, from_step, place, 64, here, classes, 16)
            _turned(space, x.c)
            for block in range(blocks):
                classes, place = min(16, x.c - block * 16), space + block * 1024
                lanes = classes if flat else 16
                transpose_block(place, 64, target + block * y.plane, to_step, classes, here, lanes)

    if flat:
        _few.touches(lambda o: [_lines("read", o.x), _lines("write", o.y), of("scratch", o.scratch)])
    return _few


def scratch_bytes(classes: int, threads: int) -> int:
    """What `few_of` needs."""
    return threads * blocks(classes) * LANES * VECTOR_BYTES


@intrinsic
def _planes(_context: Any, x: Any, y: Any, step: Any, count: Any, here: Any) -> Any:
    """Softmax of 16 positions at once, of which the first `here` are there; their `count` classes are a step apart."""

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        (x, y), (step, count), mask = pointers(b, arguments[:2]), arguments[2:4], lanes_below(b, arguments[4])
        most, total, slots = variable(b, constant(LOWEST)), variable(b, constant(0)), [variable(b, x), variable(b, y)]
        with Loop(b, count, slots, [step, step]):
            value = load_masked(b, b.load(slots[0], typ=POINTER), mask)
            b.store(_larger(b, b.load(most, typ=VECTOR), value), most)
        top = b.load(most, typ=VECTOR)
        with Loop(b, count, slots, [step, step]):
            power = exponential_of_any(b, b.fsub(load_masked(b, b.load(slots[0], typ=POINTER), mask), top))
            b.store(b.fadd(b.load(total, typ=VECTOR), power), total)
            store_masked(b, power, b.load(slots[1], typ=POINTER), mask)
        whole = b.load(total, typ=VECTOR)
        with Loop(b, count, slots, [step, step]):
            here = b.load(slots[1], typ=POINTER)
            store_masked(b, b.fdiv(load_masked(b, here, mask), whole), here, mask)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 5), codegen


@entry
def planes(tid: int, nth: int, x: Read[Region], y: Write[Region], groups: int, classes: int, inner: int) -> None:
    """Softmax over the middle axis of plain arrays of groups x classes x inner values; y may be x."""
    runs, step = (inner + 15) // 16, inner * 4
    for item in share(groups * runs, tid, nth):
        group, first = item // runs, item % runs * 16
        place = (group * classes * inner + first) * 4
        _planes(x + place, y + place, step, classes, min(16, inner - first))


@functools.cache
def gradient_of(flat: bool) -> Entry[...]:
    """dx = y (dy - sum of y dy); dx may be dy."""
    number = int(flat)

    @entry
    def _softmax_gradient(tid: int, nth: int, y: Read[Blocked], dy: Read[Blocked], dx: Write[Blocked]) -> None:
        for item in share(y.n * y.h, tid, nth):
            at = item // y.h, 0, item % y.h
            for pixel in range(y.w):
                made, given, target = line_at(y, at), line_at(dy, at), line_at(dx, at)
                move = pixel * 64
                _position(1, number, made + move, given + move, target + move, y.plane, dy.plane, dx.plane, y.c)

    if flat:
        _softmax_gradient.touches(lambda o: [_lines("read", o.y), _lines("read", o.dy), _lines("write", o.dx)])
    return _softmax_gradient


def matrix(base: Ref, lines: int, classes: int) -> Blocked:
    """The lines of a plain matrix as images of one pixel, whose last vector is cut."""
    return Blocked(base, lines, classes, 1, 1, Halo(), classes * 4)


def _lines(mode: Mode, lines: Blocked) -> Access:
    return box(mode, lines.inner, lines.c * 4, (lines.n, lines.image))


def touched_positions(mode: Mode, blob: Blocked) -> Access:
    """A blob, or the lines of a `matrix`."""
    return _lines(mode, blob) if blob.image < blob.blocks * blob.plane else of(mode, blob)


# ---------------------------------------------------------------- the layer


def accepts(b: Builder, layer: int) -> Layout | None:
    bottom, axis = b.plan.graph.nodes[layer].bottoms[0], b.planned(layer).setup.known(Along).axis
    shape = b.plan.shapes[bottom]
    if 0 in shape:
        return None
    if b.native.get(bottom) == "blocked" and axis == 1 and len(shape) == 4:
        return "blocked"
    return "plain" if prod(shape[axis + 1 :]) == 1 or b.backward_of(layer) is None else None


def _ways(b: Builder, layer: int) -> tuple[bool, Callable[[int], Blocked], Callable[[int], Blocked]]:
    """Whether the blobs are the lines of a matrix, and how slots are read and written."""
    if b.native[b.plan.graph.nodes[layer].tops[0]] == "blocked":
        return False, b.read, b.write
    shape, axis = b.shape(b.bottom(layer)), b.planned(layer).setup.known(Along).axis
    sizes = _split(shape, axis)[:2]
    return (
        True,
        lambda slot: matrix(b.read_plain(slot).base, *sizes),
        lambda slot: matrix(b.write_plain(slot).base, *sizes),
    )


def _split(shape: Shape, axis: int) -> tuple[int, int, int]:
    """What lies before the axis, its size, and what lies behind it."""
    return prod(shape[:axis]), shape[axis], prod(shape[axis + 1 :])


def forward(b: Builder, layer: int) -> None:
    bottom, axis = b.bottom(layer), b.planned(layer).setup.known(Along).axis
    outer, classes, inner = _split(b.shape(bottom), axis)
    if b.native[b.plan.graph.nodes[layer].tops[0]] == "plain" and inner > 1:
        given, made = b.read_plain(bottom).flat, b.write_plain(b.top(layer)).flat
        b.emit(planes(x=given, y=made, groups=outer, classes=classes, inner=inner), "softmax")
        return
    flat, read, write = _ways(b, layer)
    x = read(b.bottom(layer))
    y = write(b.top(layer))
    if x.c <= FEW:
        scratch = b.new("scratch", scratch_bytes(x.c, b.threads))
        b.emit(few_of(flat)(x=x, y=y, scratch=scratch), "softmax")
    else:
        b.emit(forward_of(flat)(x=x, y=y), "softmax")


def backward(b: Builder, step: Step) -> None:
    target = step.bottom_diffs[0]
    if target is None:
        return
    flat, read, write = _ways(b, step.layer)
    y, dy = read(b.top(step.layer)), read(step.top_diffs[0])
    b.emit(gradient_of(flat)(y=y, dy=dy, dx=write(target)), "softmax gradient")


FAMILY = Family(("Softmax",), accepts, forward, backward)
