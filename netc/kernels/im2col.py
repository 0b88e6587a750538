"""Columns of a convolution: each window of an image as one column of a matrix, and back.

An image of C channels becomes a matrix of (C * kernel cells) x (windows): row (c, k) holds, for every window, the cell
that kernel position k sees in channel c, 0 in the padding. A convolution is then weights (as a matrix) times columns
(Chellapilla, Puri & Simard 2006). Any number of spatial axes: the last two are loops, the others a table.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netc.jit import kernel
from netc.kernels.windows import Axis, area, outer_table, positions

Array = NDArray[Any]
_ONE = Axis(1, 1, 1, 1, 0, 0, 1)


@dataclass(frozen=True, eq=False)
class Columns:
    """The columns of images with `channels` channels under these windows."""

    channels: int
    axes: tuple[Axis, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows (channels x kernel cells) and columns (windows)."""
        return self.channels * area(self.axes), positions(self.axes)

    @cached_property
    def same(self) -> bool:
        """Whether the columns are the image itself (kernel 1, stride 1, no pad)."""
        return all(a.kernel == 1 and a.stride == 1 and a.before == 0 and a.out == a.size for a in self.axes)

    @cached_property
    def _outer(self) -> NDArray[np.int32]:
        return outer_table(self.axes[:-2])

    @cached_property
    def plane(self) -> tuple[int, ...]:
        """The last two axes as the kernels want them: (size, kernel, stride, pad, dilation, out) of each."""
        h, w = (_ONE, _ONE, *self.axes)[-2:]
        pairs = [(a.size, a.kernel, a.stride, a.before, a.dilation, a.out) for a in (h, w)]
        return (*pairs[0], *pairs[1])

    def gather(self, image: Array, columns: Array) -> Array:
        """im2col: fill `columns` (any contiguous array of the right count) from an image; returns it as a matrix."""
        if self.same:
            return image.reshape(self.shape)
        matrix = columns.reshape(self.shape)
        _gather(image.reshape(self.channels, -1), matrix, self._outer, self.plane)
        return matrix

    def spread(self, columns: Array, image: Array) -> None:
        """col2im: *write* into an image the sums of the columns' entries over the windows that see each cell."""
        flat = image.reshape(self.channels, -1)
        if self.same:
            flat[:] = columns.reshape(self.shape)
            return
        flat[:] = 0
        _spread(columns.reshape(self.shape), flat, self._outer, self.plane)


@kernel
def inside(left: int, stride: int, size: int, out: int) -> tuple[int, int]:
    """The windows first <= o < last whose cell left + o * stride lies inside 0..size-1."""
    first = min(max(-(left // stride), 0), out)
    last = min(max(-((left - size) // stride), first), out)
    return first, last


@kernel
def _gather(x: Array, columns: Array, outer: Array, plane: tuple[int, ...]) -> None:
    height, kernel_h, stride_h, pad_h, step_h, out_h, width, kernel_w, stride_w, pad_w, step_w, out_w = plane
    row = 0
    for c in range(x.shape[0]):
        for k in range(outer.shape[0]):
            for kh in range(kernel_h):
                for kw in range(kernel_w):
                    left = kw * step_w - pad_w
                    first, last = inside(left, stride_w, width, out_w)
                    to = 0
                    for o in range(outer.shape[1]):
                        for oh in range(out_h):
                            h = oh * stride_h - pad_h + kh * step_h
                            if outer[k, o] < 0 or h < 0 or h >= height:
                                columns[row, to : to + out_w] = 0
                            else:
                                at = (outer[k, o] * height + h) * width + left
                                columns[row, to : to + first] = 0
                                if stride_w == 1:
                                    for w in range(first, last):
                                        columns[row, to + w] = x[c, at + w]
                                else:
                                    for w in range(first, last):
                                        columns[row, to + w] = x[c, at + w * stride_w]
                                columns[row, to + last : to + out_w] = 0
                            to += out_w
                    row += 1


@kernel
def _spread(columns: Array, x: Array, outer: Array, plane: tuple[int, ...]) -> None:
    height, kernel_h, stride_h, pad_h, step_h, out_h, width, kernel_w, stride_w, pad_w, step_w, out_w = plane
    row = 0
    for c in range(x.shape[0]):
        for k in range(outer.shape[0]):
            for kh in range(kernel_h):
                for kw in range(kernel_w):
                    left = kw * step_w - pad_w
                    first, last = inside(left, stride_w, width, out_w)
                    source = 0
                    for o in range(outer.shape[1]):
                        for oh in range(out_h):
                            h = oh * stride_h - pad_h + kh * step_h
                            if outer[k, o] >= 0 and 0 <= h < height:
                                at = (outer[k, o] * height + h) * width + left
                                if stride_w == 1:
                                    for w in range(first, last):
                                        x[c, at + w] += columns[row, source + w]
                                else:
                                    for w in range(first, last):
                                        x[c, at + w * stride_w] += columns[row, source + w]
                            source += out_w
                    row += 1
