"""LayerNorm on plain arrays: rows that are normalized each on its own, with a gain and a bias for each column.

Sums over a row are float64s: over its vectors in order, lane by lane, then over the lanes in order. The gradients of
gain and bias are float32 sums over the rows, in order. Threads share rows, and columns where sums are over rows.
"""

from __future__ import annotations

import functools
from math import sqrt
from typing import Any

from netc.fast.machine.addresses import doubles, floats
from netc.fast.machine.emit import (
    LANES,
    POINTER,
    VECTOR,
    Loop,
    broadcast,
    multiply_add,
    pointers,
    splat,
    variable,
)
from netc.fast.machine.launch import NOTHING, Region
from netc.fast.machine.lines import share
from netc.fast.machine.operands import Entry, Read, Scratch, Update, Write, entry
from netc.fast.machine.vectors import add_doubles, double_sums, load_some, over, store_some
from netc.fast.program.builder import Builder
from netc.fast.program.family import Family
from netc.fast.program.lowered import Layout
from netc.jit import intrinsic
from netc.jit import numba_types as types
from netc.kernels.geometry import Matrix
from netc.plan.model import Step

SUMS_BYTES = 2 * 8 * LANES  # of a thread: two float64s for each lane


# ---------------------------------------------------------------- one row


@intrinsic
def _sums(_context: Any, x: Any, sums: Any, count: Any) -> Any:
    """Sums, for each lane, of a row and of its squares."""

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        (x, sums), count = pointers(b, arguments[:2]), arguments[2]
        with double_sums(b, sums, 2) as totals:

            def add(places: list[Any], left: Any) -> None:
                value = load_some(b, places[0], left)
                add_doubles(b, totals, value, value)

            over(b, count, [x], add)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 3), codegen


def _normal(b: Any, x: Any, mean: Any, inverse: Any) -> Any:
    return b.fmul(b.fsub(x, mean), inverse)


@intrinsic
def _normalize(
    _context: Any, affine: Any, x: Any, y: Any, gain: Any, bias: Any, mean: Any, inverse: Any, count: Any
) -> Any:
    """A row of y; affine, a literal: whether there are a gain and a bias. mean, inverse: addresses of one float."""
    is_affine = affine.literal_value

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        x, y, gain, bias, mean, inverse = pointers(b, arguments[1:7])
        middle, scale = broadcast(b, mean), broadcast(b, inverse)

        def one(places: list[Any], left: Any) -> None:
            found = _normal(b, load_some(b, places[0], left), middle, scale)
            if is_affine:
                found = multiply_add(b, found, load_some(b, places[2], left), load_some(b, places[3], left))
            store_some(b, found, places[1], left)

        over(b, arguments[7], [x, y, gain, bias] if is_affine else [x, y], one)
        return context.get_dummy_value()

    return types.void(types.IntegerLiteral(is_affine), *[types.intp] * 7), codegen


@intrinsic
def _gradient_sums(
    _context: Any, affine: Any, x: Any, dy: Any, gain: Any, mean: Any, inverse: Any, sums: Any, count: Any
) -> Any:
    """Sums, for each lane, of e = g dy, and of e n, n being the normalized row."""
    is_affine = affine.literal_value

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        x, dy, gain, mean, inverse, sums = pointers(b, arguments[1:7])
        middle, scale = broadcast(b, mean), broadcast(b, inverse)
        with double_sums(b, sums, 2) as totals:

            def add(places: list[Any], left: Any) -> None:
                e = load_some(b, places[1], left)
                if is_affine:
                    e = b.fmul(e, load_some(b, places[2], left))
                add_doubles(b, totals, e, _normal(b, load_some(b, places[0], left), middle, scale))

            over(b, arguments[7], [x, dy, gain] if is_affine else [x, dy], add)
        return context.get_dummy_value()

    return types.void(types.IntegerLiteral(is_affine), *[types.intp] * 7), codegen


@intrinsic
def _gradient(
    _context: Any, affine: Any, x: Any, dy: Any, dx: Any, gain: Any, mean: Any, inverse: Any, first: Any, second: Any,
    count: Any,
) -> Any:  # fmt: skip
    """A row of dx; first, second: the means of e and of e n."""
    is_affine = affine.literal_value

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        x, dy, dx, gain, mean, inverse = pointers(b, arguments[1:7])
        middle, scale = broadcast(b, mean), broadcast(b, inverse)
        first, second = (splat(b, value) for value in arguments[7:9])

        def one(places: list[Any], left: Any) -> None:
            e = load_some(b, places[1], left)
            if is_affine:
                e = b.fmul(e, load_some(b, places[3], left))
            n = _normal(b, load_some(b, places[0], left), middle, scale)
            found = b.fsub(b.fsub(e, first), b.fmul(n, second))
            store_some(b, b.fmul(found, scale), places[2], left)

        over(b, arguments[9], [x, dy, dx, gain] if is_affine else [x, dy, dx], one)
        return context.get_dummy_value()

    integers, numbers = [types.intp] * 6, [types.float32] * 2
    return types.void(types.IntegerLiteral(is_affine), *integers, *numbers, types.intp), codegen


@intrinsic
def _column_sums(
    _context: Any, x: Any, dy: Any, means: Any, inverses: Any, step: Any, rows: Any, gains: Any, biases: Any, left: Any
) -> Any:
    """gains += the sum of dy n and biases += that of dy over the rows, `step` bytes apart, of 16 columns; `left` of
    them are there."""

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        starts, (gains, biases) = pointers(b, arguments[:4]), pointers(b, arguments[6:8])
        step, rows, left = arguments[4], arguments[5], arguments[8]
        totals = [variable(b, load_some(b, place, left)) for place in (gains, biases)]
        slots = [variable(b, start) for start in starts]
        with Loop(b, rows, slots, [step, step, 4, 4]):
            x, dy, mean, inverse = (b.load(slot, typ=POINTER) for slot in slots)
            given = load_some(b, dy, left)
            n = _normal(b, load_some(b, x, left), broadcast(b, mean), broadcast(b, inverse))
            b.store(multiply_add(b, given, n, b.load(totals[0], typ=VECTOR)), totals[0])
            b.store(b.fadd(b.load(totals[1], typ=VECTOR), given), totals[1])
        for total, place in zip(totals, (gains, biases), strict=True):
            store_some(b, b.load(total, typ=VECTOR), place, left)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 9), codegen


# ---------------------------------------------------------------- all rows


@functools.cache
def forward_of(affine: bool) -> Entry[...]:
    number = int(affine)

    @entry
    def normalized(
        tid: int, nth: int, x: Read[Region], gain: Read[Region], bias: Read[Region], y: Write[Region],
        means: Write[Region], inverses: Write[Region], sums: Scratch[Region], shape: Matrix, eps: float,
    ) -> None:  # fmt: skip
        rows, columns, place = shape.rows, shape.columns, sums + tid * 256
        totals = doubles(place, 32)
        middles, scales = floats(means, rows), floats(inverses, rows)
        for row in share(rows, tid, nth):
            line = row * columns * 4
            _sums(x + line, place, columns)
            first, second = 0.0, 0.0
            for lane in range(16):
                first += totals[lane]
                second += totals[16 + lane]
            mean = first / columns
            variance = max(second / columns - mean * mean, 0.0)
            middles[row], scales[row] = mean, 1.0 / sqrt(variance + eps)
            _normalize(number, x + line, y + line, gain, bias, means + row * 4, inverses + row * 4, columns)

    return normalized


@functools.cache
def gradient_of(affine: bool) -> Entry[...]:
    """dx; it may be dy."""
    number = int(affine)

    @entry
    def normalized_gradient(
        tid: int, nth: int, x: Read[Region], dy: Read[Region], gain: Read[Region], means: Read[Region],
        inverses: Read[Region], dx: Write[Region], sums: Scratch[Region], shape: Matrix,
    ) -> None:  # fmt: skip
        columns, place = shape.columns, sums + tid * 256
        totals = doubles(place, 32)
        for row in share(shape.rows, tid, nth):
            line, mean, inverse = row * columns * 4, means + row * 4, inverses + row * 4
            _gradient_sums(number, x + line, dy + line, gain, mean, inverse, place, columns)
            first, second = 0.0, 0.0
            for lane in range(16):
                first += totals[lane]
                second += totals[16 + lane]
            _gradient(
                number, x + line, dy + line, dx + line, gain, mean, inverse, first / columns, second / columns, columns
            )

    return normalized_gradient


@entry
def gain_gradient(
    tid: int, nth: int, x: Read[Region], dy: Read[Region], means: Read[Region], inverses: Read[Region],
    gains: Update[Region], biases: Update[Region], shape: Matrix,
) -> None:  # fmt: skip
    """gains += the sum of dy n, biases += that of dy, over the rows."""
    columns = shape.columns
    for block in share((columns + 15) // 16, tid, nth):
        start = block * 64
        _column_sums(
            x + start, dy + start, means, inverses, columns * 4, shape.rows, gains + start, biases + start,
            columns - block * 16,
        )  # fmt: skip


# ---------------------------------------------------------------- the layer


def accepts(b: Builder, layer: int) -> Layout | None:
    return None if 0 in b.shape(b.bottom(layer)) else "plain"


def _shape(b: Builder, layer: int) -> Matrix:
    return b.planned(layer).setup.known(Matrix)


def _params(b: Builder, layer: int) -> tuple[Region, Region]:
    affine = len(b.planned(layer).params) > 0
    return (b.param(layer, 0), b.param(layer, 1)) if affine else (NOTHING, NOTHING)


def forward(b: Builder, layer: int) -> None:
    shape, (gain, bias) = _shape(b, layer), _params(b, layer)
    x, y = b.read_plain(b.bottom(layer)).flat, b.write_plain(b.top(layer)).flat
    means, inverses = (b.new(name, 4 * shape.rows) for name in ("means", "inverses"))
    b.kept[layer, "means"], b.kept[layer, "inverses"] = means, inverses
    launch = forward_of(bool(gain))(
        x=x, gain=gain, bias=bias, y=y, means=means, inverses=inverses, sums=_room(b), shape=shape,
        eps=b.plan.graph.nodes[layer].record.layer_norm_param.eps,
    )  # fmt: skip
    b.emit(launch, "normalize")


def _room(b: Builder) -> Region:
    return b.new("sums", b.threads * SUMS_BYTES)


def backward(b: Builder, step: Step) -> None:
    layer, shape = step.layer, _shape(b, step.layer)
    x, dy, gain = b.read_plain(b.bottom(layer)).flat, b.read_plain(step.top_diffs[0]).flat, _params(b, layer)[0]
    means, inverses = b.kept[layer, "means"], b.kept[layer, "inverses"]
    if gain:
        _param_gradients(b, layer, {"x": x, "dy": dy, "means": means, "inverses": inverses, "shape": shape})
    if (target := step.bottom_diffs[0]) is not None:
        dx = b.write_plain(target).flat
        launch = gradient_of(bool(gain))(
            x=x, dy=dy, gain=gain, means=means, inverses=inverses, dx=dx, sums=_room(b), shape=shape
        )
        b.emit(launch, "normalize gradient")


def _param_gradients(b: Builder, layer: int, operands: dict[str, Any]) -> None:
    """One that is not learned is summed all the same, beside."""
    found = [b.param_gradient(layer, position) for position in range(2)]
    if any(found):
        size = 4 * operands["shape"].columns
        gains, biases = (b.new("gradient", size) if region is None else region for region in found)
        b.emit(gain_gradient(gains=gains, biases=biases, **operands), "gain gradient")


FAMILY = Family(("LayerNorm",), accepts, forward, backward)
