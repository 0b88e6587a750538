"""What the steps of all recurrent kernels are made of.

A step multiplies the states of a thread's streams with weights that are packed (`products.packed`). What is multiplied
lies turned, [value][stream], so that a tile takes its rows side by side; what comes out lies [stream][value], in rows
of whole vectors. Threads share streams, so none waits for another before all steps are done, and a stream's numbers
are the same whoever has it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from netc.fast.machine.addresses import floats, zero
from netc.fast.machine.emit import (
    I64,
    LANES,
    at,
    copy_lanes,
    lanes_below,
    load_masked,
    load_rows,
    pointers,
    spaced_rows,
    store_rows,
    tile_budget,
    transpose,
)
from netc.fast.machine.launch import Region
from netc.fast.machine.lines import share
from netc.fast.machine.operands import Read, Write, entry
from netc.fast.machine.products import WIDTH, vectors
from netc.fast.machine.tiles import FEW, LEAST_CHAINS
from netc.jit import intrinsic, ir, kernel
from netc.jit import numba_types as types


class Sizes(NamedTuple):
    """T steps of N streams, D values of a state; room: bytes of workspace that each thread has."""

    steps: int
    streams: int
    size: int
    room: int


@kernel(inline="always")
def wide(size: int) -> int:
    """Floats of a row of `size` values, in whole vectors: so much room has a gate."""
    return (size + 15) // 16 * 16


@kernel(inline="always")
def panelled(size: int) -> int:
    """Floats of a row of `size` values, in whole panels: so much room has the row of a product."""
    return (size + 31) // 32 * 32


@kernel(inline="always")
def lanes_of(streams: int) -> int:
    """Floats of a row of what is multiplied: the streams, and what the last tile reads behind them."""
    return (streams + 31) // 16 * 16


def padded(size: int) -> int:
    """`wide`, before there are kernels."""
    return -(-size // LANES) * LANES


def in_panels(size: int) -> int:
    """`panelled`, before there are kernels."""
    return -(-size // WIDTH) * WIDTH


def lanes(streams: int, threads: int) -> int:
    """`lanes_of` the most streams that a thread has, before there are kernels."""
    return (-(-streams // threads) + 31) // LANES * LANES


def rows_of(streams: int, threads: int) -> int:
    """Rows of a tile: a few kinds, of which each has machine code of its own; as few in vain as possible."""
    count, wide = -(-streams // threads), vectors()

    def cost(rows: int) -> tuple[int, int, int]:
        tiles = -(-count // rows)
        return tiles * max(rows * wide, LEAST_CHAINS), tiles * rows, -rows

    return min((rows for rows in FEW if rows * wide <= tile_budget()), key=cost)


# ---------------------------------------------------------------- what is multiplied


@intrinsic
def _turned_block(
    _context: Any, source: Any, step: Any, factors: Any, target: Any, target_step: Any, rows: Any, columns: Any
) -> Any:
    """Transpose at most 16 x 16 floats, each row times its factor; each target row gets 16, zeros beyond `rows`."""

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        source, factors, target = pointers(b, (arguments[0], arguments[2], arguments[3]))
        step = arguments[1]
        target_step, rows, columns = arguments[4:]
        scale = load_masked(b, factors, lanes_below(b, rows))
        found = load_rows(b, spaced_rows(b, source, step), rows, columns)
        made = [b.fmul(vector, scale) for vector in transpose(b, found)]
        store_rows(b, made, spaced_rows(b, target, target_step), columns, ir.Constant(I64, LANES))
        return context.get_dummy_value()

    return types.void(*[types.intp] * 7), codegen


@kernel
def clear_lanes(target: int, streams: int, size: int) -> None:
    """Write zeros where `turn` writes nothing and a tile may read: numbers that are left there may be slow ones."""
    lanes, first = lanes_of(streams), (streams + 15) // 16 * 16
    for i in range(size):
        zero(target + (i * lanes + first) * 4, (lanes - first) * 4)


@kernel
def turn(source: int, step: int, factors: int, target: int, streams: int, size: int) -> None:
    """target[value][stream] = source[stream][value] times the stream's factor; step: bytes between streams."""
    target_step = lanes_of(streams) * 4
    for first in range(0, streams, 16):
        here = min(16, streams - first)
        for i in range(0, size, 16):
            _turned_block(
                source + first * step + i * 4, step, factors + first * 4, target + i * target_step + first * 4,
                target_step, here, min(16, size - i),
            )  # fmt: skip


# ---------------------------------------------------------------- what is done value by value


def gate(b: Any, pointer: Any, part: Any, number: int) -> Any:
    """Where gate `number` of a row is, `part` bytes wide each."""
    return at(b, pointer, b.mul(part, ir.Constant(I64, number)))


@kernel
def copy(source: int, target: int, size: int) -> None:
    """`size` floats."""
    for i in range(0, size, 16):
        copy_lanes(source + i * 4, target + i * 4, min(16, size - i), min(16, size - i))


@kernel
def spread(source: int, target: int, size: int) -> None:
    """`size` floats, then zeros to the end of the vector; zeros alone where there is no source."""
    for i in range(0, size, 16):
        copy_lanes(source + i * 4, target + i * 4, min(16, size - i) if source else 0, 16)


@entry
def states_in_panels(
    tid: int, nth: int, h: Read[Region], first: Read[Region], cont: Read[Region], gates: Read[Region],
    target: Write[Region], sizes: Sizes, step: int, width: int,
) -> None:  # fmt: skip
    """The state before each step times cont, in panels, as `products.packed` makes them of what lies in memory.

    step: floats from one state to the next. gates: what states are multiplied by, too, in rows of `width` floats.
    """
    size, streams = sizes.size, sizes.streams
    count = sizes.steps * streams
    for row in share(count, tid, nth):
        before = h + (row - streams) * step * 4 if row >= streams else first + row * step * 4
        kept, values, factors = floats(cont, count)[row], floats(before, size), floats(gates + row * width * 4, size)
        for panel in range((size + 31) // 32):
            place = floats(target + (panel * count + row) * 128, 32)
            for i in range(panel * 32, panel * 32 + 32):
                value = values[i] * kept if i < size else 0
                place[i - panel * 32] = value * factors[i] if gates and i < size else value
