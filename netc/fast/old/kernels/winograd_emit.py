"""The transforms of Winograd's convolutions as vector code: 16 channels at a time.

A transform multiplies a small square of values by a matrix from the left and by its transpose from the right; the
matrices are in `winograd_lines`. Squares that reach over the edge of a blob are cut: cells outside are read as zeros
and not written. `size` is always the kernel's, 3 or 5, a literal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from netc.fast.machine.emit import (
    I64,
    VECTOR_BYTES,
    at,
    clip_below,
    constant,
    load,
    pointers,
    signature,
    store,
    variable,
)
from netc.fast.old.kernels.winograd_lines import BOTTOMS, KERNEL, KERNEL_GRADIENT, TOPS, TOPS_GRADIENT, Line
from netc.jit import intrinsic, ir

SIDE = 4  # tops that a tile has each way


def square(size: int) -> int:
    """Bottoms that a tile reads each way, and the side of a transformed square."""
    return SIDE + size - 1


def points(size: int) -> int:
    return square(size) ** 2


# ---------------------------------------------------------------- squares


def _transform(
    b: Any, line: Line, size: int, read: Callable[[int, int], Any], write: Callable[[int, int, Any], None]
) -> None:
    """Write line X line^T of the `size` x `size` square X: columns first, then rows."""
    columns = [line(b, [read(i, j) for i in range(size)]) for j in range(size)]
    for i in range(len(columns[0])):
        for j, vector in enumerate(line(b, [column[i] for column in columns])):
            write(i, j, vector)


def _points(b: Any, size: int, first: Any, step: Any) -> list[list[Any]]:
    """Pointers to the values of a transformed square, `step` bytes apart."""
    found, wide = [first], square(size)
    while len(found) < points(size):
        found.append(at(b, found[-1], step))
    return [found[wide * i : wide * (i + 1)] for i in range(wide)]


def _cells(b: Any, first: Any, row: Any, size: int, inside: Sequence[Any], least: int, outside: Any) -> list[Any]:
    """Pointers to a square of pixels; `outside` for those beyond the first (rows, columns), at least `least` each."""
    lines = [first]
    while len(lines) < size:
        lines.append(at(b, lines[-1], row))
    row_in, column_in = ([b.icmp_signed("<", ir.Constant(I64, i), n) for i in range(size)] for n in inside)
    found = []
    for i, start in enumerate(lines):
        line = [at(b, start, VECTOR_BYTES * j) for j in range(size)]
        for j in range(size):
            if i >= least:
                line[j] = b.select(row_in[i], line[j], outside)
            if j >= least:
                line[j] = b.select(column_in[j], line[j], outside)
        found.append(line)
    return found


@intrinsic
def bottom_square(
    _context: Any, size: Any, source: Any, source_row: Any, rows: Any, columns: Any, target: Any, target_step: Any
) -> Any:
    """target = B^T d B of a square of pixels, of which only rows x columns (at least `size` each) are read."""
    kernel = size.literal_value

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        _emit_points(b, BOTTOMS[kernel], kernel, (square(kernel), kernel), arguments[1:])
        return context.get_dummy_value()

    return signature(1, 6, [size]), codegen


@intrinsic
def top_gradient_square(
    _context: Any, size: Any, source: Any, source_row: Any, rows: Any, columns: Any, target: Any, target_step: Any
) -> Any:
    """target = A y A^T of 4 x 4 pixels, of which only rows x columns are read."""
    kernel = size.literal_value

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        _emit_points(b, TOPS_GRADIENT[kernel], kernel, (SIDE, 1), arguments[1:])
        return context.get_dummy_value()

    return signature(1, 6, [size]), codegen


def _emit_points(b: Any, line: Line, size: int, cells: tuple[int, int], arguments: Sequence[Any]) -> None:
    """cells: how many pixels each way, and how many of them are always there."""
    source, target = pointers(b, (arguments[0], arguments[4]))
    pixels = _cells(b, source, arguments[1], cells[0], arguments[2:4], cells[1], variable(b, constant(0)))
    found = _points(b, size, target, arguments[5])
    _transform(b, line, cells[0], lambda i, j: load(b, pixels[i][j]), lambda i, j, v: store(b, v, found[i][j]))


@intrinsic
def top_square(
    _context: Any, size: Any, source: Any, source_step: Any, target: Any, target_row: Any, rows: Any, columns: Any,
    bias: Any, add: Any, relu: Any,
) -> Any:  # fmt: skip
    """A^T m A to the first rows x columns of 4 x 4 pixels.

    bias: the address of a vector to add (0: none); add: how many bytes from the target lies what else is to be added
    (-1: nothing); relu: whether to clip at 0.
    """
    kernel = size.literal_value

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        _emit_tops(b, kernel, arguments[1:])
        return context.get_dummy_value()

    return signature(1, 9, [size]), codegen


def _emit_tops(b: Any, size: int, arguments: Sequence[Any]) -> None:
    source, target, bias = pointers(b, (arguments[0], arguments[2], arguments[6]))
    (step, row, rows, columns), (add, relu) = [arguments[i] for i in (1, 3, 4, 5)], arguments[7:9]
    zeros, nowhere = variable(b, constant(0)), variable(b, constant(0))
    found = _points(b, size, source, step)
    cells = _cells(b, target, row, SIDE, (rows, columns), 1, nowhere)
    added = b.icmp_signed("!=", add, ir.Constant(I64, -1))
    start = b.select(added, at(b, target, add), zeros)
    here = [b.select(added, n, ir.Constant(I64, 1)) for n in (rows, columns)]  # without, all read `zeros`
    more = _cells(b, start, b.select(added, row, ir.Constant(I64, 0)), SIDE, here, 1, zeros)
    shift = load(b, b.select(b.icmp_signed("!=", arguments[6], ir.Constant(I64, 0)), bias, zeros))
    wanted = b.icmp_signed("!=", relu, ir.Constant(I64, 0))
    floor = b.select(wanted, constant(0), constant(float("-inf")))

    def write(i: int, j: int, vector: Any) -> None:
        total = b.fadd(b.fadd(vector, shift), load(b, more[i][j]))
        store(b, clip_below(b, total, floor), cells[i][j])

    _transform(b, TOPS[size], square(size), lambda i, j: load(b, found[i][j]), write)


@intrinsic
def kernel_square(_context: Any, size: Any, source: Any, target: Any, target_step: Any) -> Any:
    """target = G g G^T of the size x size vectors (a literal) at `source`."""
    cells = size.literal_value

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        source, target = pointers(b, arguments[1:3])
        found = _points(b, cells, target, arguments[3])
        _transform(
            b, KERNEL[cells], cells, lambda i, j: load(b, source, VECTOR_BYTES * (cells * i + j)),
            lambda i, j, v: store(b, v, found[i][j]),
        )  # fmt: skip
        return context.get_dummy_value()

    return signature(1, 3, [size]), codegen


@intrinsic
def kernel_gradient_square(_context: Any, size: Any, source: Any, source_step: Any, target: Any) -> Any:
    """The size x size vectors (a literal) at `target` = G^T u G of a square of values."""
    cells = size.literal_value

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        source, target = pointers(b, (arguments[1], arguments[3]))
        found = _points(b, cells, source, arguments[2])
        _transform(
            b, KERNEL_GRADIENT[cells], square(cells), lambda i, j: load(b, found[i][j]),
            lambda i, j, v: store(b, v, target, VECTOR_BYTES * (cells * i + j)),
        )  # fmt: skip
        return context.get_dummy_value()

    return signature(1, 3, [size]), codegen
