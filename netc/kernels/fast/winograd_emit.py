"""The transforms of Winograd's F(4x4, 3x3) as vector code: 16 channels at a time, each value in a vector of its own.

A transform multiplies a small square of values by a matrix from the left and by its transpose from the right. The
matrices (`_bottoms` is B^T, `_tops` A^T, `_kernel` G, and their transposes for the gradients) are written out as sums
that share their parts, which halves the operations. Squares that reach over the edge of a blob are cut: cells outside
are read as zeros and not written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from netc.jit import intrinsic, ir
from netc.jit import numba_types as types
from netc.kernels.fast.emit import (
    I64,
    VECTOR_BYTES,
    at,
    clip_below,
    constant,
    load,
    multiply_add,
    pointers,
    store,
    variable,
)

TILE = 4  # tops a tile has each way
SQUARE = 6  # bottoms that they read each way, and the side of a transformed square
POINTS = SQUARE * SQUARE

Line = Callable[[Any, Sequence[Any]], list[Any]]


# ---------------------------------------------------------------- the matrices


def _bottoms(b: Any, d: Sequence[Any]) -> list[Any]:
    """B^T d: 6 to 6."""
    even, odd = _fma(b, -4, d[2], d[4]), _fma(b, -4, d[1], d[3])
    near, far = b.fsub(d[4], d[2]), b.fsub(d[3], d[1])
    return [
        _fma(b, 4, d[0], _fma(b, -5, d[2], d[4])),
        b.fadd(even, odd),
        b.fsub(even, odd),
        _fma(b, 2, far, near),
        _fma(b, -2, far, near),
        _fma(b, 4, d[1], _fma(b, -5, d[3], d[5])),
    ]


def _tops(b: Any, m: Sequence[Any]) -> list[Any]:
    """A^T m: 6 to 4."""
    sum_1, difference_1 = b.fadd(m[1], m[2]), b.fsub(m[1], m[2])
    sum_2, difference_2 = b.fadd(m[3], m[4]), b.fsub(m[3], m[4])
    return [
        b.fadd(b.fadd(m[0], sum_1), sum_2),
        _fma(b, 2, difference_2, difference_1),
        _fma(b, 4, sum_2, sum_1),
        b.fadd(_fma(b, 8, difference_2, difference_1), m[5]),
    ]


def _tops_gradient(b: Any, y: Sequence[Any]) -> list[Any]:
    """A y: 4 to 6."""
    even, odd = b.fadd(y[0], y[2]), b.fadd(y[1], y[3])
    even_2, odd_2 = _fma(b, 4, y[2], y[0]), _fma(b, 4, y[3], y[1])
    return [
        y[0],
        b.fadd(even, odd),
        b.fsub(even, odd),
        _fma(b, 2, odd_2, even_2),
        _fma(b, -2, odd_2, even_2),
        y[3],
    ]


def _kernel(b: Any, g: Sequence[Any]) -> list[Any]:
    """G g: 3 to 6."""
    even = b.fmul(constant(-1 / 6), b.fadd(g[0], g[2]))
    even_2 = _fma(b, 1 / 24, g[0], b.fmul(constant(1 / 6), g[2]))
    return [
        b.fmul(constant(1 / 4), g[0]),
        _fma(b, -1 / 6, g[1], even),
        _fma(b, 1 / 6, g[1], even),
        _fma(b, 1 / 12, g[1], even_2),
        _fma(b, -1 / 12, g[1], even_2),
        g[2],
    ]


def _kernel_gradient(b: Any, u: Sequence[Any]) -> list[Any]:
    """G^T u: 6 to 3."""
    sum_1, difference_1 = b.fadd(u[1], u[2]), b.fsub(u[2], u[1])
    sum_2, difference_2 = b.fadd(u[3], u[4]), b.fsub(u[3], u[4])
    return [
        _fma(b, 1 / 4, u[0], _fma(b, -1 / 6, sum_1, b.fmul(constant(1 / 24), sum_2))),
        _fma(b, 1 / 6, difference_1, b.fmul(constant(1 / 12), difference_2)),
        _fma(b, 1 / 6, b.fsub(sum_2, sum_1), u[5]),
    ]


def _fma(b: Any, factor: float, x: Any, y: Any) -> Any:
    return multiply_add(b, constant(factor), x, y)


# ---------------------------------------------------------------- squares


def _transform(
    b: Any, line: Line, size: int, read: Callable[[int, int], Any], write: Callable[[int, int, Any], None]
) -> None:
    """Write line X line^T of the `size` x `size` square X: columns first, then rows."""
    columns = [line(b, [read(i, j) for i in range(size)]) for j in range(size)]
    for i in range(len(columns[0])):
        for j, vector in enumerate(line(b, [column[i] for column in columns])):
            write(i, j, vector)


def _points(b: Any, first: Any, step: Any) -> list[list[Any]]:
    """Pointers to the 36 values of a transformed square, `step` bytes apart."""
    found = [first]
    while len(found) < POINTS:
        found.append(at(b, found[-1], step))
    return [found[SQUARE * i : SQUARE * (i + 1)] for i in range(SQUARE)]


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
    _context: Any, source: Any, source_row: Any, rows: Any, columns: Any, target: Any, target_step: Any
) -> Any:
    """target[36] = B^T d B of 6 x 6 pixels, of which only rows + 2 by columns + 2 are read (the others count as 0)."""

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        source, target = pointers(b, (arguments[0], arguments[4]))
        rows, columns = (b.add(n, ir.Constant(I64, SQUARE - TILE)) for n in arguments[2:4])
        cells = _cells(b, source, arguments[1], SQUARE, (rows, columns), 3, variable(b, constant(0)))
        points = _points(b, target, arguments[5])
        _transform(
            b, _bottoms, SQUARE, lambda i, j: load(b, cells[i][j]), lambda i, j, v: store(b, v, points[i][j])
        )  # fmt: skip
        return context.get_dummy_value()

    return types.void(*[types.intp] * 6), codegen


@intrinsic
def top_gradient_square(
    _context: Any, source: Any, source_row: Any, rows: Any, columns: Any, target: Any, target_step: Any
) -> Any:
    """target[36] = A y A^T of 4 x 4 pixels, of which only rows by columns are read (the others count as 0)."""

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        source, target = pointers(b, (arguments[0], arguments[4]))
        cells = _cells(b, source, arguments[1], TILE, arguments[2:4], 1, variable(b, constant(0)))
        points = _points(b, target, arguments[5])
        _transform(
            b, _tops_gradient, TILE, lambda i, j: load(b, cells[i][j]), lambda i, j, v: store(b, v, points[i][j])
        )  # fmt: skip
        return context.get_dummy_value()

    return types.void(*[types.intp] * 6), codegen


@intrinsic
def top_square(
    _context: Any, source: Any, source_step: Any, target: Any, target_row: Any, rows: Any, columns: Any,
    bias: Any, add: Any, relu: Any,
) -> Any:  # fmt: skip
    """A^T m A of 36 values, plus a bias vector (0: none) and what lies `add` bytes from the target (-1: nothing),

    clipped at 0 for ReLU, to the first rows x columns of 4 x 4 pixels.
    """

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        _emit_tops(b, arguments)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 9), codegen


def _emit_tops(b: Any, arguments: Sequence[Any]) -> None:
    source, target, bias = pointers(b, (arguments[0], arguments[2], arguments[6]))
    (step, row, rows, columns), (add, relu) = [arguments[i] for i in (1, 3, 4, 5)], arguments[7:9]
    zeros, nowhere = variable(b, constant(0)), variable(b, constant(0))
    points = _points(b, source, step)
    cells = _cells(b, target, row, TILE, (rows, columns), 1, nowhere)
    added = b.icmp_signed("!=", add, ir.Constant(I64, -1))
    start = b.select(added, at(b, target, add), zeros)
    here = [b.select(added, n, ir.Constant(I64, 1)) for n in (rows, columns)]  # without, all read `zeros`
    more = _cells(b, start, b.select(added, row, ir.Constant(I64, 0)), TILE, here, 1, zeros)
    shift = load(b, b.select(b.icmp_signed("!=", arguments[6], ir.Constant(I64, 0)), bias, zeros))
    wanted = b.icmp_signed("!=", relu, ir.Constant(I64, 0))
    floor = b.select(wanted, constant(0), constant(float("-inf")))

    def write(i: int, j: int, vector: Any) -> None:
        total = b.fadd(b.fadd(vector, shift), load(b, more[i][j]))
        store(b, clip_below(b, total, floor), cells[i][j])

    _transform(b, _tops, SQUARE, lambda i, j: load(b, points[i][j]), write)


@intrinsic
def kernel_square(_context: Any, source: Any, target: Any, target_step: Any) -> Any:
    """target[36] = G g G^T of the 9 vectors at `source`."""

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        source, target = pointers(b, arguments[:2])
        points = _points(b, target, arguments[2])
        _transform(
            b, _kernel, 3, lambda i, j: load(b, source, VECTOR_BYTES * (3 * i + j)),
            lambda i, j, v: store(b, v, points[i][j]),
        )  # fmt: skip
        return context.get_dummy_value()

    return types.void(*[types.intp] * 3), codegen


@intrinsic
def kernel_gradient_square(_context: Any, source: Any, source_step: Any, target: Any) -> Any:
    """The 9 vectors at `target` = G^T u G of 36 values."""

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        source, target = pointers(b, (arguments[0], arguments[2]))
        points = _points(b, source, arguments[1])
        _transform(
            b, _kernel_gradient, SQUARE, lambda i, j: load(b, points[i][j]),
            lambda i, j, v: store(b, v, target, VECTOR_BYTES * (3 * i + j)),
        )  # fmt: skip
        return context.get_dummy_value()

    return types.void(*[types.intp] * 3), codegen
