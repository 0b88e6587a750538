"""A convolution's geometry, and which positions of one blob meet which cells of the kernel for one of another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import gcd
from typing import NamedTuple

from netc.fast.machine.emit import LANES
from netc.fast.machine.layout import Halo, blocks
from netc.kernels.windows import Axis

BLOCK = LANES * LANES * 4  # bytes of a 16 x 16 block of weights


class Taps(NamedTuple):
    """Along one axis, sums over kernel cells: target start + t * stride, for t below `positions`, is the sum over j
    below `taps` of source first + t * step + j * reach times cell `cell` + j * skip of the kernel."""

    start: int
    stride: int
    positions: int
    first: int
    step: int
    taps: int
    reach: int
    cell: int
    skip: int

    def sources(self) -> Iterator[int]:
        """The outermost sources of all sums; none where there is nothing to sum."""
        for t in (0, self.positions - 1) if self.taps else ():
            for j in (0, self.taps - 1):
                yield self.first + t * self.step + j * self.reach


@dataclass(frozen=True, slots=True)
class Conv:
    """A convolution's geometry; pairs are (height, width). `inputs` and `outputs` are channels over all groups.

    size: of the bottom; out: of the top; pad: cells before the first (what comes after follows from the sizes).
    """

    inputs: int
    outputs: int
    size: tuple[int, int]
    out: tuple[int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    pad: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    @staticmethod
    def of(inputs: int, outputs: int, groups: int, axes: tuple[Axis, Axis]) -> Conv:
        """The convolution whose windows are these."""
        h, w = axes
        return Conv(
            inputs, outputs, (h.size, w.size), (h.out, w.out), (h.kernel, w.kernel), (h.stride, w.stride),
            (h.before, w.before), (h.dilation, w.dilation), groups,
        )  # fmt: skip

    @property
    def in_blocks(self) -> int:
        """Blocks of 16 input channels of one group."""
        return blocks(self.inputs // self.groups)

    @property
    def out_blocks(self) -> int:
        """Blocks of 16 output channels of one group."""
        return blocks(self.outputs // self.groups)

    @property
    def cells(self) -> int:
        """Cells of the kernel."""
        return self.kernel[0] * self.kernel[1]

    @property
    def packed_bytes(self) -> int:
        """The size of packed weights, either way round."""
        return self.groups * self.out_blocks * self.in_blocks * self.cells * BLOCK

    @property
    def adjoint(self) -> Conv:
        """The convolution with input and output channels swapped: how channels lie for the data gradient."""
        return replace(self, inputs=self.outputs, outputs=self.inputs)

    def taps(self, axis: int) -> Taps:
        """The bottom's positions for each of the top's, along axis 0 (height) or 1 (width)."""
        return Taps(
            0, 1, self.out[axis], -self.pad[axis], self.stride[axis], self.kernel[axis], self.dilation[axis], 0, 1
        )

    def back_taps(self, axis: int) -> list[Taps]:
        """The top's positions for each of the bottom's: one for each phase of the bottom's positions by the stride."""
        stride, pad, dilation = self.stride[axis], self.pad[axis], self.dilation[axis]
        common = gcd(stride, dilation)
        skip, back, found = stride // common, dilation // common, []
        for start in range(min(stride, self.size[axis])):
            count = len(range(start, self.size[axis], stride))
            cells = [k for k in range(self.kernel[axis]) if (start + pad - dilation * k) % stride == 0]
            cell = cells[0] if cells else 0
            first = (start + pad - dilation * cell) // stride if cells else 0
            found.append(Taps(start, stride, count, first, 1, len(cells), -back, cell, skip))
        return found

    @property
    def halo(self) -> Halo:
        """The halo that forward and weight gradient need around the bottom."""
        return _halo([self.taps(0)], [self.taps(1)], self.size)

    @property
    def gradient_halo(self) -> Halo:
        """The halo that the data gradient needs around the top's diff."""
        return _halo(self.back_taps(0), self.back_taps(1), self.out)


def _halo(down: list[Taps], across: list[Taps], size: tuple[int, int]) -> Halo:
    """The halo around a blob of this size that sums over these taps need."""
    (top, bottom), (left, right) = (_beyond(taps, n) for taps, n in zip((down, across), size, strict=True))
    return Halo(top, left, bottom, right)


def _beyond(taps: list[Taps], size: int) -> tuple[int, int]:
    """How far sources lie before the first of `size` positions, and behind the last."""
    sources = [0, *(source for one in taps for source in one.sources())]
    return -min(sources), max(0, max(sources) + 1 - size)
