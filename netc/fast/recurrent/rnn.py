"""RNN. States lie in rows of whole vectors, that before the first step in front; the outputs are one product of all."""

from __future__ import annotations

import functools
from typing import Any

from netc.fast.machine.emit import constant, load, pointers, store, tile
from netc.fast.machine.launch import Region
from netc.fast.machine.lines import share
from netc.fast.machine.maths import hyperbolic_tangent
from netc.fast.machine.operands import Entry, Read, Scratch, Update, Write, entry
from netc.fast.machine.products import Lines, packed, packed_bytes, product, room_bytes, vectors
from netc.fast.machine.products import Sizes as Product
from netc.fast.machine.vectors import load_some, over, store_some
from netc.fast.program.builder import Builder
from netc.fast.program.family import Family
from netc.fast.recurrent.layer import Recurrent, absorb, accepts
from netc.fast.recurrent.steps import (
    Sizes,
    clear_lanes,
    copy,
    in_panels,
    lanes,
    lanes_of,
    padded,
    panelled,
    rows_of,
    spread,
    turn,
    wide,
)
from netc.jit import intrinsic
from netc.jit import numba_types as types
from netc.plan.model import Step

GATES = 1
DEPTH = 256  # values whose part of the state's gradient is summed at a time

# ---------------------------------------------------------------- one row


@intrinsic
def _tangent(_context: Any, x: Any, sums: Any, y: Any, size: Any) -> Any:
    """y = tanh(x + sums), in whole vectors of which only y may be cut; without sums tanh(x) of x, cut like y."""

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        def one(places: list[Any], left: Any) -> None:
            x, sums, y = places
            store(b, hyperbolic_tangent(b, b.fadd(load(b, x), load(b, sums))), y)

        over(b, arguments[3], pointers(b, arguments[:3]), one)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 4), codegen


@intrinsic
def _output(_context: Any, y: Any, size: Any) -> Any:
    """y = tanh(y)."""

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        def one(places: list[Any], left: Any) -> None:
            store_some(b, hyperbolic_tangent(b, load_some(b, places[0], left)), places[0], left)

        over(b, arguments[1], pointers(b, arguments[:1]), one)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 2), codegen


@intrinsic
def _slope(_context: Any, y: Any, dy: Any, more: Any, dx: Any, size: Any, cut: Any) -> Any:
    """dx = (dy + more) (1 - y^2) in whole vectors; cut (a literal): y and dy end with the size, there is no more."""
    is_cut = cut.literal_value

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        def one(places: list[Any], left: Any) -> None:
            y, dy, more, dx = places
            if is_cut:
                made, given = load_some(b, y, left), load_some(b, dy, left)
            else:
                made, given = load(b, y), b.fadd(load(b, dy), load(b, more))
            store(b, b.fmul(given, b.fsub(constant(1), b.fmul(made, made))), dx)

        over(b, arguments[4], pointers(b, arguments[:4]), one)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 5, types.IntegerLiteral(is_cut)), codegen


# ---------------------------------------------------------------- all steps


@entry
def _outputs(tid: int, nth: int, y: Update[Region], count: int) -> None:
    """y = tanh(y)."""
    pieces = (count + 1023) // 1024
    for item in share(pieces, tid, nth):
        _output(y + item * 4096, min(1024, count - item * 1024))


@entry
def _output_slopes(
    tid: int, nth: int, y: Read[Region], dy: Read[Region], slopes: Write[Region], rows: int, size: int
) -> None:  # fmt: skip
    """Slopes (rows of whole vectors) = dy (1 - y^2)."""
    for row in share(rows, tid, nth):
        there = y + row * size * 4
        _slope(there, dy + row * size * 4, there, slopes + row * wide(size) * 4, size, 1)


def forward_room(size: int, streams: int, threads: int) -> int:
    """Bytes of workspace of a thread: what is multiplied, and what comes out."""
    return 4 * lanes(streams, threads) * (size + in_panels(size))


@functools.cache
def forward_of(rows: int, vectors: int) -> Entry[...]:
    @entry
    def body(
        tid: int, nth: int, gates: Read[Region], static: Read[Region], weights: Read[Region], cont: Read[Region],
        h_0: Read[Region], states: Write[Region], h_last: Write[Region], room: Scratch[Region], sizes: Sizes,
    ) -> None:  # fmt: skip
        """static: what the static input adds to each step's gates, in rows as wide as `sums`."""
        size, streams = sizes.size, sizes.streams
        part, begin = wide(size) * 4, streams * tid // nth
        count = streams * (tid + 1) // nth - begin
        value, out_row = size * 4, panelled(size) * 4
        state = room + tid * sizes.room
        sums, step = state + size * lanes_of(count) * 4, lanes_of(count) * 4
        clear_lanes(state, count, size)
        for n in range(begin, begin + count):
            spread(h_0 + n * value, states + n * part, size)
        for t in range(sizes.steps):
            line = t * streams + begin
            turn(states + line * part, part, cont + line * 4, state, count, size)
            for panel in range(out_row // 128):
                for start in range(0, count, rows):
                    out = sums + start * out_row + panel * 128
                    add = static + (begin + start) * out_row + panel * 128 - out if static else -1
                    for half in range(0, 2, vectors):
                        tile(
                            rows, vectors, 1, 4, state + start * 4, weights + panel * size * 128 + half * 64,
                            out + half * 64, 0, add, 0, out_row, 64, 64,
                            1, 0, 0, 1, 0, 0, size, step, 128,
                        )  # fmt: skip
            for n in range(count):
                _tangent(gates + (line + n) * part, sums + n * out_row, states + (line + n + streams) * part, size)
        last = sizes.steps * streams
        for n in range(begin, begin + count):
            copy(states + (last + n) * part, h_last + n * value, size)

    return body


def backward_room(size: int, streams: int, threads: int) -> int:
    """Bytes of workspace of a thread: what is multiplied, and what comes out."""
    return 4 * lanes(streams, threads) * (padded(size) + in_panels(size))


@functools.cache
def backward_of(rows: int, vectors: int) -> Entry[...]:
    @entry
    def body(
        tid: int, nth: int, states: Read[Region], weights: Read[Region], cont: Read[Region], dh: Read[Region],
        dh_last: Read[Region], dgates: Write[Region], dh_0: Write[Region], room: Scratch[Region], sizes: Sizes,
    ) -> None:  # fmt: skip
        size, streams = sizes.size, sizes.streams
        part, begin = wide(size) * 4, streams * tid // nth
        count = streams * (tid + 1) // nth - begin
        value, out_row = size * 4, panelled(size) * 4
        slopes, step = room + tid * sizes.room, lanes_of(count) * 4
        after = slopes + part * lanes_of(count)
        clear_lanes(slopes, count, part // 4)
        for n in range(count):
            spread(dh_last + (begin + n) * value if dh_last else 0, after + n * out_row, size)
        for back in range(sizes.steps):
            line = (sizes.steps - 1 - back) * streams + begin
            for n in range(count):
                at = (line + n) * part
                _slope(states + at + streams * part, dh + at, after + n * out_row, dgates + at, size, 0)
            turn(dgates + line * part, part, cont + line * 4, slopes, count, part // 4)
            for deep in range(0, part // 4, DEPTH):
                depth, add = min(DEPTH, part // 4 - deep), 0 if deep > 0 else -1
                for panel in range(out_row // 128):
                    for start in range(0, count, rows):
                        for half in range(0, 2, vectors):
                            tile(
                                rows, vectors, 1, 4, slopes + deep * step + start * 4,
                                weights + (panel * (part // 4) + deep) * 128 + half * 64,
                                after + start * out_row + panel * 128 + half * 64, 0, add, 0, out_row, 64, 64,
                                1, 0, 0, 1, 0, 0, depth, step, 128,
                            )  # fmt: skip
        for n in range(count):
            if dh_0:
                copy(after + n * out_row, dh_0 + (begin + n) * value, size)

    return body


# ---------------------------------------------------------------- the layer


def forward(b: Builder, layer: int) -> None:
    r = Recurrent.of(b, layer, GATES)
    at, outputs = r.at, r.at.hidden + 1
    gates, static = r.transformed_input()
    weights, states = r.weights(), r.keep("states", (at.rows + at.streams) * r.part)
    (h_0,), (h_last,) = r.states("h_0")
    room = forward_room(at.outputs, at.streams, b.threads)
    launch = forward_of(rows_of(at.streams, b.threads), vectors())(
        gates=gates, static=static, weights=weights, cont=r.cont, h_0=h_0, states=states, h_last=h_last,
        room=b.new("steps", b.threads * room), sizes=r.sizes(room),
    )  # fmt: skip
    b.emit(launch, "rnn steps")
    _, after = states.cut(4 * at.streams * r.part)
    o, shift, weights = r.top(), r.packed_bias(outputs + 1), r.packed_turned(outputs, at.outputs)
    sizes, room_of = Product(at.rows, at.outputs, at.outputs), b.new("product", room_bytes(b.threads))
    b.emit(product(after, Lines(4 * r.part), weights, o, 4 * at.outputs, sizes, room_of, bias=shift), "product")
    b.emit(_outputs(y=o, count=at.rows * at.outputs), "tanh")


def backward(b: Builder, step: Step) -> None:
    r = Recurrent.of(b, step.layer, GATES)
    at, outputs, states = r.at, r.at.hidden + 1, r.kept("states")
    slopes, dh, dgates = (b.new(name, r.gates_bytes) for name in ("slopes", "gradient of states", "gradient of gates"))
    o, do = b.read_plain(b.top(step.layer)).flat, b.read_plain(step.top_diffs[0]).flat
    b.emit(_output_slopes(y=o, dy=do, slopes=slopes, rows=at.rows, size=at.outputs), "tanh gradient")
    before, after = states.part(0, r.gates_bytes), states.part(4 * at.streams * r.part, r.gates_bytes)
    r.bias_gradient(outputs + 1, slopes, at.rows)
    if b.param_gradient(step.layer, outputs) is not None:
        x = b.new("packed states", packed_bytes(at.outputs, at.rows))
        b.emit(packed(after, Lines(4 * r.part), x, at.outputs, at.rows), "pack")
        r.weight_gradient(outputs, slopes, at.rows, x, at.outputs)
    weights, room_of = r.weights_back(outputs, at.outputs), b.new("product", room_bytes(b.threads))
    sizes = Product(at.rows, r.part, r.part)
    b.emit(product(slopes, Lines(4 * r.part), weights, dh, 4 * r.part, sizes, room_of), "product gradient")
    (dh_last,), (dh_first,) = r.last_gradients(step), r.first_gradients(step)
    weights = r.weights_back(at.hidden, at.outputs)
    room = backward_room(at.outputs, at.streams, b.threads)
    launch = backward_of(rows_of(at.streams, b.threads), vectors())(
        states=states, weights=weights, cont=r.cont, dh=dh, dh_last=dh_last, dgates=dgates, dh_0=dh_first,
        room=b.new("steps", b.threads * room), sizes=r.sizes(room),
    )  # fmt: skip
    b.emit(launch, "rnn steps gradient")
    if b.param_gradient(step.layer, at.hidden) is not None:
        _, later = states.cut(4 * at.streams * r.part)
        r.weight_gradient(at.hidden, dgates, at.rows, r.states_before(later, before, r.part), at.outputs)
    r.input_gradients(step, dgates)


FAMILY = Family(("RNN",), accepts, forward, backward, absorb, both_ways=True)
