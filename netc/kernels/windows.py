"""Windows that slide over spatial axes: the geometry that convolution, pooling and their relatives share.

Everything here is worked out once per layer, in plain integers; the kernels only follow it. Field names are those of
ConvolutionParameter and PoolingParameter. A message that has no meaning raises `WindowError`, which names the field.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Rounding = Literal["CEIL", "FLOOR"]


class WindowError(ValueError):
    """A field that gives no windows; `too_large` where the kernel does not fit into its padded input."""

    def __init__(self, field: str, message: str, too_large: bool = False) -> None:
        super().__init__(message)
        self.field = field
        self.too_large = too_large


@dataclass(frozen=True, slots=True)
class Axis:
    """Windows along one axis: output o sees the cells o * stride - before + t * dilation, 0 <= t < kernel.

    `size` cells in, `out` windows; `before` and `after` are the padded cells at both ends.
    """

    size: int
    kernel: int
    stride: int
    dilation: int
    before: int
    after: int
    out: int

    @property
    def extent(self) -> int:
        """Cells from the first to the last that one window sees (F_eff)."""
        return self.dilation * (self.kernel - 1) + 1


# ---------------------------------------------------------------- how many windows


def convolved(size: int, kernel: int, stride: int = 1, pad: int = 0, dilation: int = 1, padding: str = "") -> Axis:
    """Windows of a convolution: (size + 2 pad - extent) / stride + 1, or TensorFlow's `padding`.

    The division cuts the fraction off, as in Caffe: an extent that is less than a stride too large gives one window.

    SAME: ceil(size / stride) windows, padded by max(stride * (out - 1) + extent - size, 0) cells in all, the odd cell
    at the end. VALID: ceil((size - extent + 1) / stride) windows and no padding
    (https://www.tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2).
    """
    extent = dilation * (kernel - 1) + 1
    if padding == "SAME":
        out = -(-size // stride)
        total = max(stride * (out - 1) + extent - size, 0)
        return Axis(size, kernel, stride, dilation, total // 2, total - total // 2, out)
    if padding == "VALID":
        return Axis(size, kernel, stride, dilation, 0, 0, (size - extent) // stride + 1)
    room = size + 2 * pad - extent
    return Axis(size, kernel, stride, dilation, pad, pad, (room // stride if room > 0 else -(-room // stride)) + 1)


def pooled(
    size: int, kernel: int, stride: int, pad: int, *, rounding: Rounding, dilation: int = 1, any_pad: bool = False
) -> Axis:
    """Caffe's pooling windows: the count is rounded up (or down), then, if any axis of the layer is padded
    (`any_pad`), a last window that starts beyond the image and its leading pad is dropped."""
    room = size + 2 * pad - (dilation * (kernel - 1) + 1)
    out = (room // stride if rounding == "FLOOR" else -(-room // stride)) + 1
    if any_pad and (out - 1) * stride >= size + pad:
        out -= 1
    return Axis(size, kernel, stride, dilation, pad, pad, out)


def spread(size: int, kernel: int, stride: int = 1, pad: int = 0, dilation: int = 1) -> Axis:
    """A transposed convolution's axis, seen from its top: the windows over the top that give `size` bottoms."""
    top = stride * (size - 1) + dilation * (kernel - 1) + 1 - 2 * pad
    return Axis(top, kernel, stride, dilation, pad, pad, size)


# ---------------------------------------------------------------- what the fields say


def per_axis(p: Any, name: str, pair: tuple[str, str] | None, axes: int, default: int | None) -> tuple[int, ...]:
    """One value per spatial axis from a repeated field (`pad`: one for all, or one each) or its 2-d pair (`pad_h`)."""
    values: tuple[int, ...] = tuple(getattr(p, name))
    if pair and (p.has(pair[0]) or p.has(pair[1])):
        named = next(n for n in pair if p.has(n))
        if axes != 2:
            raise WindowError(named, f"{named} is for two spatial axes, but there are {axes}; use {name}")
        if values:
            raise WindowError(named, f"{name} and {named} exclude each other")
        missing = [n for n in pair if not p.has(n)]
        if missing and default is None:
            raise WindowError(named, f"needs {missing[0]} as well, or {name} instead of {named}")
        return int(getattr(p, pair[0])), int(getattr(p, pair[1]))
    if not values:
        if default is None and axes:  # no spatial axes need no kernel
            raise WindowError(name, f"needs {name} (or {pair[0]} and {pair[1]})" if pair else f"needs {name}")
        return (default or 0,) * axes
    if len(values) == 1:
        return values * axes
    if len(values) != axes:
        raise WindowError(name, f"{name} is given {len(values)} times for {axes} spatial axes; once or once each")
    return values


def positive(field: str, values: Iterable[int], most: int = 2**31 - 1) -> None:
    for value in values:
        if not 0 < value <= most:
            raise WindowError(field, f"{field} must be at least 1, but is {value}")


def convolution_axes(p: Any, sizes: tuple[int, ...], *, transposed: bool = False) -> tuple[Axis, ...]:
    """The windows that a ConvolutionParameter gives over spatial axes of these sizes.

    Raises WindowError.
    """
    count = len(sizes)
    kernel = per_axis(p, "kernel_size", ("kernel_h", "kernel_w"), count, None)
    stride = per_axis(p, "stride", ("stride_h", "stride_w"), count, 1)
    pad = per_axis(p, "pad", ("pad_h", "pad_w"), count, 0)
    dilation = per_axis(p, "dilation", None, count, 1)
    positive(_written(p, "kernel_size", "kernel_h", "kernel_w"), kernel)
    positive(_written(p, "stride", "stride_h", "stride_w"), stride)
    positive("dilation", dilation)
    padding = padding_of(p)
    per = zip(sizes, kernel, stride, pad, dilation, strict=True)
    if transposed:
        if padding:
            raise WindowError("padding", "padding is not defined for a transposed convolution; use pad and Crop")
        return tuple(spread(*each) for each in per)
    axes = tuple(convolved(*each, padding) for each in per)
    check_fit(axes, "kernel_size")
    return axes


def padding_of(p: Any, *others: str) -> str:
    """`padding` if it was written ("SAME" or "VALID"), else ""; it excludes `pad` (and `others`)."""
    if p.padding == "EXPLICIT":
        return ""
    for name in ("pad", "pad_h", "pad_w", *others):
        if p.has(name):
            raise WindowError("padding", f"padding and {name} exclude each other")
    return str(p.padding)


def check_fit(axes: tuple[Axis, ...], field: str) -> None:
    """Refuse axes without any window."""
    for index, a in enumerate(axes):
        if a.out < 1:
            inside = f"{a.size} + {a.before} + {a.after}" if a.before or a.after else f"{a.size}"
            what = f"a kernel of {a.kernel}" + (f" (dilated: {a.extent})" if a.dilation > 1 else "")
            where = ("height", "width")[index] if len(axes) == 2 else f"spatial axis {index}"
            raise WindowError(field, f"{what} does not fit into a {where} of {inside}", too_large=True)


def overhang(axes: tuple[Axis, ...]) -> str | None:
    """What to warn of where a kernel reaches over its padded input and still has a window, cut at the end."""
    for a in axes:
        if a.extent > (padded := a.size + a.before + a.after):
            return f"a kernel of {a.extent} reaches over its padded input of {padded}; as in Caffe there is one window"
    return None


def _written(p: Any, *names: str) -> str:
    return next((name for name in names if p.has(name)), names[0])


# ---------------------------------------------------------------- tables for kernels


def cells(axis: Axis, *, count_pad: bool = True) -> NDArray[np.int64]:
    """A row (start, first, last, count) per window: its cells start + t * dilation for first <= t < last are inside.

    `count` is what averages divide by along this axis: with `count_pad` the cells before the end of the padded axis
    (Caffe), else the cells inside (TensorFlow's SAME). It is 0 for a window without any.
    """
    start = np.arange(axis.out, dtype=np.int64) * axis.stride - axis.before
    first = np.clip(-(start // axis.dilation), 0, axis.kernel)
    last = np.clip(-((start - axis.size) // axis.dilation), first, axis.kernel)
    count = last - first
    if count_pad:
        count = np.clip(-((start - axis.size - axis.after) // axis.dilation), 0, axis.kernel)
    return np.ascontiguousarray(np.stack([start, first, last, count], axis=1))


def outer_table(axes: tuple[Axis, ...]) -> NDArray[np.int32]:
    """For several axes together: the flat index of the cell that kernel position k sees in window o, -1 if padding.

    The shape is (kernel positions, windows); with no axes it is [[0]].
    """
    table = np.zeros((1, 1), np.int32)
    for axis in axes:
        at = np.arange(axis.out)[None, :] * axis.stride - axis.before + np.arange(axis.kernel)[:, None] * axis.dilation
        inside = (at >= 0) & (at < axis.size)
        combined = table[:, None, :, None] * axis.size + at[None, :, None, :]
        valid = (table[:, None, :, None] >= 0) & inside[None, :, None, :]
        size = (table.shape[0] * axis.kernel, table.shape[1] * axis.out)
        table = np.where(valid, combined, -1).reshape(size).astype(np.int32)
    return table


def positions(axes: tuple[Axis, ...]) -> int:
    """How many windows there are over all axes."""
    return prod(a.out for a in axes)


def area(axes: tuple[Axis, ...]) -> int:
    """How many cells one window has over all axes."""
    return prod(a.kernel for a in axes)
