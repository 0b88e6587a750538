"""Pooling of planes: maxima, averages and draws over windows. Shared by Pooling and SPP.

`rows` and `columns` are the `cells` tables of both axes (netc/kernels/windows.py); `steps` is (dilation_h, dilation_w,
width, kernel_w, kernel_h * kernel_w). Planes are flat: x is (planes, height * width), y is (planes, windows).
Offsets name a cell of a window: th * kernel_w + tw, or kernel_h * kernel_w for a window without any cell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from numpy.typing import NDArray

from netc.jit import kernel
from netc.kernels.philox import uniform
from netc.kernels.windows import Axis, cells

Array = NDArray[Any]
LOWEST = -3.4028234663852886e38  # what Caffe's maximum starts from (-FLT_MAX): the result of an empty window


@dataclass(frozen=True, eq=False)
class Planes:
    """The windows over a plane, as the kernels want them."""

    height: Axis
    width: Axis
    rows: Array
    columns: Array

    @staticmethod
    def of(height: Axis, width: Axis, count_pad: bool = True) -> Planes:
        return Planes(height, width, cells(height, count_pad=count_pad), cells(width, count_pad=count_pad))

    @property
    def offset_type(self) -> Literal["uint8", "int32"]:
        """The smallest type that holds every offset of a cell in its window, and "none"."""
        return "uint8" if self.height.kernel * self.width.kernel < 256 else "int32"

    @property
    def steps(self) -> tuple[int, ...]:
        area = self.height.kernel * self.width.kernel
        return self.height.dilation, self.width.dilation, self.width.size, self.width.kernel, area

    def cells_of(self, x: Array) -> Array:
        """An array of planes as (planes, cells)."""
        return x.reshape(-1, self.height.size * self.width.size)

    def windows_of(self, y: Array) -> Array:
        """An array of results as (planes, windows)."""
        return y.reshape(-1, self.height.out * self.width.out)


Draws = tuple[int, int, int, int]


def pool(planes: Planes, method: str, x: Array, y: Array, offsets: Array | None, draws: Draws) -> None:
    """Write y; and offsets (None for AVE, and for STOCHASTIC in testing)."""
    rest = (planes.rows, planes.columns, planes.steps)
    x, y = planes.cells_of(x), planes.windows_of(y)
    if offsets is None:
        if method == "AVE":
            average_forward(x, y, *rest)
        else:
            weighted_forward(x, y, *rest)
    elif method == "MAX":
        max_forward(x, y, planes.windows_of(offsets), *rest)
    else:
        draw_forward(x, y, planes.windows_of(offsets), *rest, draws)


def pool_back(planes: Planes, method: str, dx: Array, dy: Array, offsets: Array | None, x: Array, y: Array) -> None:
    """*Add* to dx; x and y are read only where STOCHASTIC has no offsets."""
    rest = (planes.rows, planes.columns, planes.steps)
    dx, dy = planes.cells_of(dx), planes.windows_of(dy)
    if offsets is not None:
        chosen_backward(dx, dy, planes.windows_of(offsets), *rest)
    elif method == "AVE":
        average_backward(dx, dy, *rest)
    else:
        weighted_backward(dx, dy, planes.cells_of(x), planes.windows_of(y), *rest)


def mask(planes: Planes, offsets: Array, out: Array) -> None:
    """Caffe's mask: the chosen cells' indices in their planes."""
    mask_of(planes.windows_of(offsets), planes.windows_of(out), planes.rows, planes.columns, planes.steps)


@kernel
def max_forward(x: Array, y: Array, offsets: Array, rows: Array, columns: Array, steps: tuple[int, ...]) -> None:
    """The first of the largest cells of each window, and where it is. A NaN counts only as a window's first cell."""
    step_h, step_w, width, kernel_w, none = steps
    for plane in range(x.shape[0]):
        at = 0
        for oh in range(rows.shape[0]):
            for ow in range(columns.shape[0]):
                best = x.dtype.type(LOWEST)
                found = none
                for th in range(rows[oh, 1], rows[oh, 2]):
                    line = (rows[oh, 0] + th * step_h) * width + columns[ow, 0]
                    for tw in range(columns[ow, 1], columns[ow, 2]):
                        value = x[plane, line + tw * step_w]
                        if found == none or value > best:
                            best = value
                            found = th * kernel_w + tw
                y[plane, at] = best
                offsets[plane, at] = found
                at += 1


@kernel
def chosen_backward(dx: Array, dy: Array, offsets: Array, rows: Array, columns: Array, steps: tuple[int, ...]) -> None:
    """Each window's diff is added to the cell that was chosen in it."""
    step_h, step_w, width, kernel_w, none = steps
    for plane in range(dx.shape[0]):
        at = 0
        for oh in range(rows.shape[0]):
            for ow in range(columns.shape[0]):
                offset = int(offsets[plane, at])
                if offset != none:
                    h = rows[oh, 0] + offset // kernel_w * step_h
                    dx[plane, h * width + columns[ow, 0] + offset % kernel_w * step_w] += dy[plane, at]
                at += 1


@kernel
def mask_of(offsets: Array, mask: Array, rows: Array, columns: Array, steps: tuple[int, ...]) -> None:
    """Offsets as Caffe's mask: the chosen cell's index in its plane as a float, -1 for none."""
    step_h, step_w, width, kernel_w, none = steps
    for plane in range(mask.shape[0]):
        at = 0
        for oh in range(rows.shape[0]):
            for ow in range(columns.shape[0]):
                offset = int(offsets[plane, at])
                if offset == none:
                    mask[plane, at] = -1
                else:
                    h = rows[oh, 0] + offset // kernel_w * step_h
                    mask[plane, at] = h * width + columns[ow, 0] + offset % kernel_w * step_w
                at += 1


@kernel
def average_forward(x: Array, y: Array, rows: Array, columns: Array, steps: tuple[int, ...]) -> None:
    """The sum of each window divided by the product of its counts; 0 for a window without any cell."""
    step_h, step_w, width, _kernel_w, _none = steps
    for plane in range(x.shape[0]):
        at = 0
        for oh in range(rows.shape[0]):
            for ow in range(columns.shape[0]):
                total = x.dtype.type(0)
                for th in range(rows[oh, 1], rows[oh, 2]):
                    line = (rows[oh, 0] + th * step_h) * width + columns[ow, 0]
                    for tw in range(columns[ow, 1], columns[ow, 2]):
                        total += x[plane, line + tw * step_w]
                y[plane, at] = total / x.dtype.type(max(rows[oh, 3] * columns[ow, 3], 1))
                at += 1


@kernel
def average_backward(dx: Array, dy: Array, rows: Array, columns: Array, steps: tuple[int, ...]) -> None:
    """Each window's diff, divided by its count, is added to each of its cells."""
    step_h, step_w, width, _kernel_w, _none = steps
    for plane in range(dx.shape[0]):
        at = 0
        for oh in range(rows.shape[0]):
            for ow in range(columns.shape[0]):
                part = dy[plane, at] / dx.dtype.type(max(rows[oh, 3] * columns[ow, 3], 1))
                for th in range(rows[oh, 1], rows[oh, 2]):
                    line = (rows[oh, 0] + th * step_h) * width + columns[ow, 0]
                    for tw in range(columns[ow, 1], columns[ow, 2]):
                        dx[plane, line + tw * step_w] += part
                at += 1


@kernel
def draw_forward(
    x: Array,
    y: Array,
    offsets: Array,
    rows: Array,
    columns: Array,
    steps: tuple[int, ...],
    draws: tuple[int, int, int, int],
) -> None:
    """One cell of each window, drawn with probability cell / sum of the window (cells are not negative).

    The drawn cell is the first at which the running sum reaches uniform * sum; `draws` is (seed, stream, iteration,
    index of the first draw).
    """
    step_h, step_w, width, kernel_w, none = steps
    seed, stream, iteration, first = draws
    for plane in range(x.shape[0]):
        at = 0
        for oh in range(rows.shape[0]):
            for ow in range(columns.shape[0]):
                total = x.dtype.type(0)
                for th in range(rows[oh, 1], rows[oh, 2]):
                    line = (rows[oh, 0] + th * step_h) * width + columns[ow, 0]
                    for tw in range(columns[ow, 1], columns[ow, 2]):
                        total += x[plane, line + tw * step_w]
                goal = x.dtype.type(uniform(seed, stream, iteration, first + plane * y.shape[1] + at)) * total
                value, found, reached = x.dtype.type(0), none, False
                total = x.dtype.type(0)
                for th in range(rows[oh, 1], rows[oh, 2]):
                    line = (rows[oh, 0] + th * step_h) * width + columns[ow, 0]
                    for tw in range(columns[ow, 1], columns[ow, 2]):
                        if not reached:
                            value = x[plane, line + tw * step_w]
                            found = th * kernel_w + tw
                            total += value
                            reached = total >= goal
                y[plane, at] = value
                offsets[plane, at] = found
                at += 1


@kernel
def weighted_forward(x: Array, y: Array, rows: Array, columns: Array, steps: tuple[int, ...]) -> None:
    """What a draw gives on average: the sum of squares of each window over its sum; 0 if the sum is 0."""
    step_h, step_w, width, _kernel_w, _none = steps
    for plane in range(x.shape[0]):
        at = 0
        for oh in range(rows.shape[0]):
            for ow in range(columns.shape[0]):
                total, squares = x.dtype.type(0), x.dtype.type(0)
                for th in range(rows[oh, 1], rows[oh, 2]):
                    line = (rows[oh, 0] + th * step_h) * width + columns[ow, 0]
                    for tw in range(columns[ow, 1], columns[ow, 2]):
                        value = x[plane, line + tw * step_w]
                        total += value
                        squares += value * value
                y[plane, at] = squares / total if total != 0 else x.dtype.type(0)
                at += 1


@kernel
def weighted_backward(
    dx: Array, dy: Array, x: Array, y: Array, rows: Array, columns: Array, steps: tuple[int, ...]
) -> None:
    """dx += dy (2 x - y) / sum of the window; nothing where the sum is 0."""
    step_h, step_w, width, _kernel_w, _none = steps
    for plane in range(dx.shape[0]):
        at = 0
        for oh in range(rows.shape[0]):
            for ow in range(columns.shape[0]):
                total = x.dtype.type(0)
                for th in range(rows[oh, 1], rows[oh, 2]):
                    line = (rows[oh, 0] + th * step_h) * width + columns[ow, 0]
                    for tw in range(columns[ow, 1], columns[ow, 2]):
                        total += x[plane, line + tw * step_w]
                if total != 0:
                    part = dy[plane, at] / total
                    for th in range(rows[oh, 1], rows[oh, 2]):
                        line = (rows[oh, 0] + th * step_h) * width + columns[ow, 0]
                        for tw in range(columns[ow, 1], columns[ow, 2]):
                            cell = line + tw * step_w
                            dx[plane, cell] += part * (2 * x[plane, cell] - y[plane, at])
                at += 1
