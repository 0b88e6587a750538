"""A factor and a shift for each channel: stored batch statistics, Scale and Bias layers, folded into one pair.

The pair is made in order: it starts as (1, 0) and each layer changes it. Lanes beyond the channels stay (0, 0), so that
they keep their zeros. Convolutions take the factor into their packed weights and the shift as their bias.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from netc.fast.machine.access import Access, of
from netc.fast.machine.addresses import floats
from netc.fast.machine.emit import VECTOR_BYTES
from netc.fast.machine.launch import NOTHING, Launch, Region
from netc.fast.machine.layout import Blocked, blocks
from netc.fast.machine.lines import clipped, line_of, lines_of, share, spot
from netc.fast.machine.operands import Read, Write, entry
from netc.fast.program.builder import Builder
from netc.kernels.geometry import Folded


@dataclass(frozen=True, slots=True)
class Affine:
    """Where the factors and shifts of `channels` channels are, in blocks of 16 for each of `groups`."""

    factor: Region
    shift: Region
    channels: int
    groups: int = 1

    @staticmethod
    def nbytes(channels: int, groups: int = 1) -> int:
        """The size of either array."""
        return groups * blocks(channels // groups) * VECTOR_BYTES

    @staticmethod
    def new(b: Builder, channels: int, groups: int = 1) -> Affine:
        """One with arrays of its own."""
        factor, shift = (b.new(name, Affine.nbytes(channels, groups)) for name in ("factors", "shifts"))
        return Affine(factor, shift, channels, groups)

    def start(self) -> Launch:
        """(1, 0)."""
        return self._changed(fresh=True)

    def statistics(self, mean: Region, variance: Region, weight: Region, eps: float) -> Launch:
        """Then (x - mean / weight) / sqrt(variance / weight + eps); the weight is 1 if it is missing."""
        return self._changed(mean=mean, variance=variance, weight=weight, eps=eps)

    def scale(self, scale: Region, bias: Region = NOTHING) -> Launch:
        """Then x * scale + bias; either may be missing."""
        return self._changed(scale=scale, bias=bias)

    def _changed(
        self, fresh: bool = False, mean: Region = NOTHING, variance: Region = NOTHING, weight: Region = NOTHING,
        eps: float = 0, scale: Region = NOTHING, bias: Region = NOTHING,
    ) -> Launch:  # fmt: skip
        return _change(
            factor=self.factor, shift=self.shift, groups=self.groups, channels=self.channels // self.groups,
            fresh=fresh, mean=mean, variance=variance, weight=weight, eps=eps, scale=scale, bias=bias,
        )  # fmt: skip


@entry
def _change(
    tid: int, nth: int, factor: Region, shift: Region, groups: int, channels: int, fresh: bool, mean: Region,
    variance: Region, weight: Region, eps: float, scale: Region, bias: Region,
) -> None:  # fmt: skip
    """fresh: start; else whichever of the statistics, the scale and the bias are there; `channels` in each group."""
    if tid > 0:
        return
    lanes, total = (channels + 15) // 16 * 16, groups * channels
    factors, shifts = floats(factor, groups * lanes), floats(shift, groups * lanes)
    if fresh:
        for i in range(groups * lanes):
            factors[i] = 1 if i % lanes < channels else 0
            shifts[i] = 0
    part = 1.0
    if weight:
        stored = floats(weight, 1)[0]
        part = 0.0 if stored == 0 else 1.0 / stored
    for i in range(total):
        at = i // channels * lanes + i % channels
        if variance:
            inverse = 1.0 / math.sqrt(floats(variance, total)[i] * part + eps)
            shifts[at] = (shifts[at] - floats(mean, total)[i] * part) * inverse
            factors[at] *= inverse
        if scale:
            factors[at] *= floats(scale, total)[i]
            shifts[at] *= floats(scale, total)[i]
        if bias:
            shifts[at] += floats(bias, total)[i]


@_change.touches
def _(o: Any) -> list[Access]:
    made = [of("write" if o.fresh else "update", blob) for blob in (o.factor, o.shift)]
    return made + [of("read", given) for given in (o.mean, o.variance, o.weight, o.scale, o.bias)]


@entry
def apply(
    tid: int, nth: int, x: Read[Blocked], y: Write[Blocked], factor: Read[Region], shift: Read[Region], relu: bool
) -> None:
    """y = x * factor + shift, clipped at 0 for ReLU."""
    for item in share(lines_of(y), tid, nth):
        at = spot(y, item)
        source, target = line_of(x, at), line_of(y, at)
        factors, shifts = floats(factor + at[1] * 64, 16), floats(shift + at[1] * 64, 16)
        for pixel in range(y.w):
            for lane in range(16):
                value = source[pixel * 16 + lane] * factors[lane] + shifts[lane]
                if relu:
                    value = clipped(value)
                target[pixel * 16 + lane] = value


@entry
def apply_plain(
    tid: int, nth: int, x: Read[Region], y: Write[Region], view: Folded, factor: Read[Region], shift: Read[Region],
    relu: bool,
) -> None:  # fmt: skip
    """The same of a plain array, whose middle axis is the channels."""
    factors, shifts = floats(factor, view.middle), floats(shift, view.middle)
    for item in share(view.outer * view.middle, tid, nth):
        scale, bias = factors[item % view.middle], shifts[item % view.middle]
        source, target = floats(x + item * view.inner * 4, view.inner), floats(y + item * view.inner * 4, view.inner)
        for i in range(view.inner):
            value = source[i] * scale + bias
            target[i] = clipped(value) if relu else value
