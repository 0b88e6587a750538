"""LSTM. A row of gates is i, f, o, g, each in whole vectors; cells have such rows, one step more than there are."""

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

GATES = 4
DEPTH = 256  # gates whose part of the state's gradient is summed at a time

# ---------------------------------------------------------------- one stream of a step


@intrinsic
def _cell(
    _context: Any, gates: Any, sums: Any, cont: Any, before: Any, c: Any, h: Any, part: Any, size: Any
) -> Any:  # fmt: skip
    """Gates become what their functions give of them and of `sums` together; part: bytes from gate to gate."""

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        part, flag = arguments[6], b.load(b.inttoptr(arguments[2], POINTER), typ=F32)
        kept = splat(b, flag)
        begins = b.fcmp_ordered("==", kept, constant(0))

        def one(places: list[Any], left: Any) -> None:
            gates, sums, before, c, h = places
            x = [b.fadd(load(b, gate(b, gates, part, k)), load(b, gate(b, sums, part, k))) for k in range(GATES)]
            i, f, o = (logistic(b, value) for value in x[:3])
            f, g = b.select(begins, constant(0), b.fmul(kept, f)), hyperbolic_tangent(b, x[3])
            for k, value in enumerate((i, f, o, g)):
                store(b, value, gate(b, gates, part, k))
            cell = multiply_add(b, f, load(b, before), b.fmul(i, g))
            store(b, cell, c)
            store_some(b, b.fmul(o, hyperbolic_tangent(b, cell)), h, left)

        starts = pointers(b, (*arguments[:2], *arguments[3:6]))
        over(b, arguments[7], starts, one)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 8), codegen


@intrinsic
def _cell_gradient(
    _context: Any, gates: Any, before: Any, c: Any, dh: Any, after: Any, dc: Any, dgates: Any, part: Any, size: Any
) -> Any:
    """Gradients of the gates; dc: of the cell, then of that before; after: what comes from the step after."""

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        part = arguments[7]

        def rest(value: Any) -> Any:
            return b.fsub(constant(1), value)

        def one(places: list[Any], left: Any) -> None:
            gates, before, c, dh, after, dc, dgates = places
            i, f, o, g = (load(b, gate(b, gates, part, k)) for k in range(GATES))
            squashed, given = hyperbolic_tangent(b, load(b, c)), b.fadd(load_some(b, dh, left), load(b, after))
            slope = b.fmul(b.fmul(given, o), rest(b.fmul(squashed, squashed)))
            through = b.fadd(load(b, dc), slope)
            found = (
                b.fmul(b.fmul(b.fmul(through, g), i), rest(i)),
                b.fmul(b.fmul(b.fmul(through, load(b, before)), f), rest(f)),
                b.fmul(b.fmul(b.fmul(given, squashed), o), rest(o)),
                b.fmul(b.fmul(through, i), rest(b.fmul(g, g))),
            )
            for k, value in enumerate(found):
                store(b, value, gate(b, dgates, part, k))
            store(b, b.fmul(through, f), dc)

        over(b, arguments[8], pointers(b, arguments[:7]), one)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 9), codegen


# ---------------------------------------------------------------- all steps


def forward_room(size: int, streams: int, threads: int) -> int:
    """Bytes of workspace of a thread: what is multiplied, and what comes out."""
    return 4 * lanes(streams, threads) * (size + GATES * padded(size))


@functools.cache
def forward_of(rows: int, vectors: int) -> Entry[...]:
    @entry
    def body(
        tid: int, nth: int, gates: Update[Region], static: Read[Region], weights: Read[Region], cont: Read[Region],
        h_0: Read[Region], c_0: Read[Region], h: Write[Region], first: Write[Region], cells: Write[Region],
        h_last: Write[Region], c_last: Write[Region], room: Scratch[Region], sizes: Sizes,
    ) -> None:  # fmt: skip
        """static: what the static input adds to each step's gates, in rows like theirs; first: where h_0 is kept."""
        size, streams = sizes.size, sizes.streams
        part, begin = wide(size) * 4, streams * tid // nth
        count = streams * (tid + 1) // nth - begin
        row, cell, value = part * 4, part, size * 4
        state = room + tid * sizes.room
        sums, step = state + size * lanes_of(count) * 4, lanes_of(count) * 4
        clear_lanes(state, count, size)
        for n in range(begin, begin + count):
            copy(h_0 + n * value, first + n * value, size)
            spread(c_0 + n * value, cells + n * cell, size)
        for t in range(sizes.steps):
            line = t * streams + begin
            before = h + (line - streams) * value if t > 0 else first + begin * value
            turn(before, value, cont + line * 4, state, count, size)
            for panel in range(row // 128):
                for start in range(0, count, rows):
                    out = sums + start * row + panel * 128
                    add = static + (begin + start) * row + panel * 128 - out if static else -1
                    for half in range(0, 2, vectors):
                        tile(
                            rows, vectors, 1, 4, state + start * 4, weights + panel * size * 128 + half * 64,
                            out + half * 64, 0, add, 0, row, 64, 64,
                            1, 0, 0, 1, 0, 0, size, step, 128,
                        )  # fmt: skip
            for n in range(count):
                at = line + n
                _cell(
                    gates + at * row, sums + n * row, cont + at * 4, cells + at * cell,
                    cells + (at + streams) * cell, h + at * value, part, size,
                )  # fmt: skip
        last = sizes.steps * streams
        for n in range(begin, begin + count):
            copy(h + (last - streams + n) * value, h_last + n * value, size)
            copy(cells + (last + n) * cell, c_last + n * value, size)

    return body


def backward_room(size: int, streams: int, threads: int) -> int:
    """Bytes of workspace of a thread: what is multiplied, what comes out, and the gradient of the cells."""
    return 4 * lanes(streams, threads) * (GATES * padded(size) + in_panels(size) + padded(size))


@functools.cache
def backward_of(rows: int, vectors: int) -> Entry[...]:
    @entry
    def body(
        tid: int, nth: int, gates: Read[Region], weights: Read[Region], cont: Read[Region], cells: Read[Region],
        dh: Read[Region], dh_last: Read[Region], dc_last: Read[Region], dgates: Write[Region], dh_0: Write[Region],
        dc_0: Write[Region], room: Scratch[Region], sizes: Sizes,
    ) -> None:  # fmt: skip
        size, streams = sizes.size, sizes.streams
        part, begin = wide(size) * 4, streams * tid // nth
        count = streams * (tid + 1) // nth - begin
        row, cell, value, wanted = part * 4, part, size * 4, panelled(size) * 4
        slopes = room + tid * sizes.room
        after, step = slopes + part * lanes_of(count) * 4, lanes_of(count) * 4
        dc = after + lanes_of(count) * wanted
        clear_lanes(slopes, count, row // 4)
        for n in range(count):
            spread(dh_last + (begin + n) * value if dh_last else 0, after + n * wanted, size)
            spread(dc_last + (begin + n) * value if dc_last else 0, dc + n * cell, size)
        for back in range(sizes.steps):
            line = (sizes.steps - 1 - back) * streams + begin
            for n in range(count):
                at = line + n
                _cell_gradient(
                    gates + at * row, cells + at * cell, cells + (at + streams) * cell, dh + at * value,
                    after + n * wanted, dc + n * cell, dgates + at * row, part, size,
                )  # fmt: skip
            turn(dgates + line * row, row, cont + line * 4, slopes, count, row // 4)
            for deep in range(0, row // 4, DEPTH):
                depth, add = min(DEPTH, row // 4 - deep), 0 if deep > 0 else -1
                for panel in range(wanted // 128):
                    for start in range(0, count, rows):
                        for half in range(0, 2, vectors):
                            tile(
                                rows, vectors, 1, 4, slopes + deep * step + start * 4,
                                weights + (panel * (row // 4) + deep) * 128 + half * 64,
                                after + start * wanted + panel * 128 + half * 64, 0, add, 0, wanted, 64, 64,
                                1, 0, 0, 1, 0, 0, depth, step, 128,
                            )  # fmt: skip
        for n in range(count):
            if dh_0:
                copy(after + n * wanted, dh_0 + (begin + n) * value, size)
            if dc_0:
                copy(dc + n * cell, dc_0 + (begin + n) * value, size)

    return body


# ---------------------------------------------------------------- the layer


def forward(b: Builder, layer: int) -> None:
    r = Recurrent.of(b, layer, GATES)
    at = r.at
    gates, static = r.transformed_input()
    weights = r.weights()
    (h_0, c_0), (h_last, c_last) = r.states("h_0", "c_0")
    room = forward_room(at.outputs, at.streams, b.threads)
    launch = forward_of(rows_of(at.streams, b.threads), vectors())(
        gates=gates, static=static, weights=weights, cont=r.cont, h_0=h_0, c_0=c_0, h=r.top(),
        first=r.keep("h_0", at.streams * at.outputs), cells=r.keep("cells", (at.rows + at.streams) * r.part),
        h_last=h_last, c_last=c_last, room=b.new("steps", b.threads * room), sizes=r.sizes(room),
    )  # fmt: skip
    b.emit(launch, "lstm steps")


def backward(b: Builder, step: Step) -> None:
    r = Recurrent.of(b, step.layer, GATES)
    at = r.at
    dgates = b.new("gradient of gates", r.gates_bytes)
    dh_last, dc_last = r.last_gradients(step)
    dh_first, dc_first = r.first_gradients(step)
    weights = r.weights_back(at.hidden, at.outputs)
    room = backward_room(at.outputs, at.streams, b.threads)
    launch = backward_of(rows_of(at.streams, b.threads), vectors())(
        gates=r.kept("gates"), weights=weights, cont=r.cont, cells=r.kept("cells"),
        dh=b.read_plain(step.top_diffs[0]).flat, dh_last=dh_last, dc_last=dc_last, dgates=dgates, dh_0=dh_first,
        dc_0=dc_first,
        room=b.new("steps", b.threads * room), sizes=r.sizes(room),
    )  # fmt: skip
    b.emit(launch, "lstm steps gradient")
    if b.param_gradient(step.layer, at.hidden) is not None:
        h = b.read_plain(b.top(step.layer)).flat
        states = r.states_before(h, r.kept("h_0"), at.outputs)
        r.weight_gradient(at.hidden, dgates, at.rows, states, at.outputs)
    r.input_gradients(step, dgates)


FAMILY = Family(("LSTM",), accepts, forward, backward, absorb, both_ways=True)
