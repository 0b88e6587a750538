"""GRU. A row of gates is r, z, n, each in whole vectors. A step has two products: that of n is of what r has reset."""

from __future__ import annotations

import functools
from typing import Any

from netc.fast.machine.emit import (
    F32,
    POINTER,
    constant,
    load,
    multiply_add,
    pointers,
    splat,
    store,
    tile,
)
from netc.fast.machine.launch import Region
from netc.fast.machine.maths import hyperbolic_tangent, logistic
from netc.fast.machine.operands import Entry, Read, Scratch, Update, Write, entry
from netc.fast.machine.products import vectors
from netc.fast.machine.vectors import load_some, over, store_some
from netc.fast.program.builder import Builder
from netc.fast.program.family import Family
from netc.fast.recurrent.layer import Recurrent, absorb, accepts
from netc.fast.recurrent.steps import (
    Sizes,
    clear_lanes,
    copy,
    gate,
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

GATES = 3
DEPTH = 256  # gates whose part of the state's gradient is summed at a time


def _rest(b: Any, value: Any) -> Any:
    return b.fsub(constant(1), value)


def _flag(b: Any, address: Any) -> Any:
    return splat(b, b.load(b.inttoptr(address, POINTER), typ=F32))


# ---------------------------------------------------------------- one stream of a step


@intrinsic
def _reset(_context: Any, gates: Any, sums: Any, before: Any, reset: Any, part: Any, size: Any) -> Any:
    """r and z of a row; reset = r times the state before."""

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        part = arguments[4]

        def one(places: list[Any], left: Any) -> None:
            gates, sums, before, reset = places
            x = (b.fadd(load(b, gate(b, gates, part, k)), load(b, gate(b, sums, part, k))) for k in range(2))
            r, z = (logistic(b, value) for value in x)
            store(b, r, gates)
            store(b, z, gate(b, gates, part, 1))
            store(b, b.fmul(r, load_some(b, before, left)), reset)

        over(b, arguments[5], pointers(b, arguments[:4]), one)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 6), codegen


@intrinsic
def _state(_context: Any, gates: Any, sums: Any, cont: Any, before: Any, h: Any, part: Any, size: Any) -> Any:
    """n of a row, and the state."""

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        part, kept = arguments[5], _flag(b, arguments[2])

        def one(places: list[Any], left: Any) -> None:
            gates, sums, before, h = places
            place, z = gate(b, gates, part, 2), load(b, gate(b, gates, part, 1))
            n = hyperbolic_tangent(b, b.fadd(load(b, place), load(b, gate(b, sums, part, 2))))
            store(b, n, place)
            s = b.fmul(kept, load_some(b, before, left))
            store_some(b, multiply_add(b, z, s, b.fmul(_rest(b, z), n)), h, left)

        over(b, arguments[6], pointers(b, (*arguments[:2], *arguments[3:5])), one)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 7), codegen


@intrinsic
def _state_gradient(
    _context: Any, gates: Any, cont: Any, before: Any, dh: Any, after: Any, dgates: Any, part: Any, size: Any
) -> Any:
    """Of z and n; after: what comes from the step after, then what of it goes to the state before past the gates."""

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        part, kept = arguments[6], _flag(b, arguments[1])

        def one(places: list[Any], left: Any) -> None:
            gates, before, dh, after, dgates = places
            z, n = (load(b, gate(b, gates, part, k)) for k in (1, 2))
            s, given = b.fmul(kept, load_some(b, before, left)), b.fadd(load_some(b, dh, left), load(b, after))
            dz = b.fmul(b.fmul(b.fmul(given, b.fsub(s, n)), z), _rest(b, z))
            dn = b.fmul(b.fmul(given, _rest(b, z)), _rest(b, b.fmul(n, n)))
            store(b, dz, gate(b, dgates, part, 1))
            store(b, dn, gate(b, dgates, part, 2))
            store(b, b.fmul(kept, b.fmul(given, z)), after)

        over(b, arguments[7], pointers(b, (arguments[0], *arguments[2:6])), one)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 8), codegen


@intrinsic
def _reset_gradient(_context: Any, gates: Any, before: Any, reset: Any, after: Any, dgates: Any, size: Any) -> Any:
    """Of r; reset: the gradient of r times the state before, times cont. Its part of the state goes to `after`."""

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        def one(places: list[Any], left: Any) -> None:
            gates, before, reset, after, dgates = places
            r, given = load(b, gates), load(b, reset)
            store(b, b.fmul(b.fmul(b.fmul(given, load_some(b, before, left)), r), _rest(b, r)), dgates)
            store(b, multiply_add(b, given, r, load(b, after)), after)

        over(b, arguments[5], pointers(b, arguments[:5]), one)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 6), codegen


# ---------------------------------------------------------------- all steps


def forward_room(size: int, streams: int, threads: int) -> int:
    """Bytes of workspace of a thread: what is multiplied, what comes out, and the state as far as it is not reset."""
    return 4 * lanes(streams, threads) * (size + in_panels(GATES * padded(size)) + padded(size))


@functools.cache
def forward_of(rows: int, vectors: int) -> Entry[...]:
    @entry
    def body(
        tid: int, nth: int, gates: Update[Region], static: Read[Region], weights: Read[Region], cont: Read[Region],
        h_0: Read[Region], h: Write[Region], first: Write[Region], h_last: Write[Region], room: Scratch[Region],
        sizes: Sizes,
    ) -> None:  # fmt: skip
        """static: what the static input adds to each step's gates, in rows as wide as `sums`; first: h_0, kept."""
        size, streams = sizes.size, sizes.streams
        part, begin = wide(size) * 4, streams * tid // nth
        count = streams * (tid + 1) // nth - begin
        row, value, out_row, resets = part * 3, size * 4, panelled(part // 4 * 3) * 4, part // 64
        state = room + tid * sizes.room
        sums, step = state + size * lanes_of(count) * 4, lanes_of(count) * 4
        clear_lanes(state, count, size)
        kept = sums + lanes_of(count) * out_row
        for n in range(begin, begin + count):
            copy(h_0 + n * value, first + n * value, size)
        for t in range(sizes.steps):
            line = t * streams + begin
            before = h + (line - streams) * value if t > 0 else first + begin * value
            for turn_of in range(2):  # r and z, then n
                if turn_of == 0:
                    turn(before, value, cont + line * 4, state, count, size)
                else:
                    turn(kept, part, cont + line * 4, state, count, size)
                for panel in range(resets * turn_of, resets if turn_of == 0 else out_row // 128):
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
                    there, given, old = gates + (line + n) * row, sums + n * out_row, before + n * value
                    if turn_of == 0:
                        _reset(there, given, old, kept + n * part, part, size)
                    else:
                        _state(there, given, cont + (line + n) * 4, old, h + (line + n) * value, part, size)
        last = (sizes.steps - 1) * streams
        for n in range(begin, begin + count):
            copy(h + (last + n) * value, h_last + n * value, size)

    return body


def backward_room(size: int, streams: int, threads: int) -> int:
    """Bytes of workspace of a thread: what is multiplied, and two rows of what comes out."""
    return 4 * lanes(streams, threads) * (2 * padded(size) + 2 * in_panels(size))


@functools.cache
def backward_of(rows: int, vectors: int) -> Entry[...]:
    @entry
    def body(
        tid: int, nth: int, gates: Read[Region], weights: Read[Region], cont: Read[Region], h: Read[Region],
        first: Read[Region], dh: Read[Region], dh_last: Read[Region], dgates: Write[Region], dh_0: Write[Region],
        room: Scratch[Region], sizes: Sizes,
    ) -> None:  # fmt: skip
        size, streams = sizes.size, sizes.streams
        part, begin = wide(size) * 4, streams * tid // nth
        count = streams * (tid + 1) // nth - begin
        row, value, out_row = part * 3, size * 4, panelled(size) * 4
        slopes, step = room + tid * sizes.room, lanes_of(count) * 4
        after = slopes + part * 2 * lanes_of(count)
        reset = after + lanes_of(count) * out_row
        clear_lanes(slopes, count, part // 2)
        for n in range(count):
            spread(dh_last + (begin + n) * value if dh_last else 0, after + n * out_row, size)
        for back in range(sizes.steps):
            t = sizes.steps - 1 - back
            line = t * streams + begin
            before = h + (line - streams) * value if t > 0 else first + begin * value
            for turn_of in range(2):  # the product of n's gradient, then that of r's and z's
                for n in range(count):
                    there, old = gates + (line + n) * row, before + n * value
                    to, given = dgates + (line + n) * row, after + n * out_row
                    if turn_of == 0:
                        _state_gradient(
                            there, cont + (line + n) * 4, old, dh + (line + n) * value, given, to, part, size
                        )  # fmt: skip
                    else:
                        _reset_gradient(there, old, reset + n * out_row, given, to, size)
                skipped = 0 if turn_of else part // 4 * 2  # gates that are not multiplied
                deepest = part // 4 * 2 if turn_of else part // 4
                turn(dgates + line * row + skipped * 4, row, cont + line * 4, slopes, count, deepest)
                target = after if turn_of else reset
                for deep in range(0, deepest, DEPTH):
                    depth, add = min(DEPTH, deepest - deep), 0 if deep + turn_of > 0 else -1
                    for panel in range(out_row // 128):
                        for start in range(0, count, rows):
                            for half in range(0, 2, vectors):
                                tile(
                                    rows, vectors, 1, 4, slopes + deep * step + start * 4,
                                    weights + (panel * (row // 4) + skipped + deep) * 128 + half * 64,
                                    target + start * out_row + panel * 128 + half * 64, 0, add, 0, out_row, 64, 64,
                                    1, 0, 0, 1, 0, 0, depth, step, 128,
                                )  # fmt: skip
        for n in range(count):
            if dh_0:
                copy(after + n * out_row, dh_0 + (begin + n) * value, size)

    return body


# ---------------------------------------------------------------- the layer


def forward(b: Builder, layer: int) -> None:
    r = Recurrent.of(b, layer, GATES)
    at = r.at
    gates, static = r.transformed_input()
    weights = r.weights()
    (h_0,), (h_last,) = r.states("h_0")
    room = forward_room(at.outputs, at.streams, b.threads)
    launch = forward_of(rows_of(at.streams, b.threads), vectors())(
        gates=gates, static=static, weights=weights, cont=r.cont, h_0=h_0, h=r.top(),
        first=r.keep("h_0", at.streams * at.outputs), h_last=h_last, room=b.new("steps", b.threads * room),
        sizes=r.sizes(room),
    )  # fmt: skip
    b.emit(launch, "gru steps")


def backward(b: Builder, step: Step) -> None:
    r = Recurrent.of(b, step.layer, GATES)
    at, gates, first = r.at, r.kept("gates"), r.kept("h_0")
    dgates = b.new("gradient of gates", r.gates_bytes)
    h, (dh_last,), (dh_first,) = b.read_plain(b.top(step.layer)).flat, r.last_gradients(step), r.first_gradients(step)
    weights = r.weights_back(at.hidden, at.outputs)
    room = backward_room(at.outputs, at.streams, b.threads)
    launch = backward_of(rows_of(at.streams, b.threads), vectors())(
        gates=gates, weights=weights, cont=r.cont, h=h, first=first, dh=b.read_plain(step.top_diffs[0]).flat,
        dh_last=dh_last, dgates=dgates, dh_0=dh_first, room=b.new("steps", b.threads * room), sizes=r.sizes(room),
    )  # fmt: skip
    b.emit(launch, "gru steps gradient")
    if b.param_gradient(step.layer, at.hidden) is not None:
        states, reset = r.states_before(h, first, at.outputs), r.states_before(h, first, at.outputs, gates)
        r.weight_gradient(at.hidden, dgates, at.rows, states, at.outputs, 0, 2)
        r.weight_gradient(at.hidden, dgates, at.rows, reset, at.outputs, 2, 1)
    r.input_gradients(step, dgates)


FAMILY = Family(("GRU",), accepts, forward, backward, absorb, both_ways=True)
