"""A factor and a shift for each channel: stored batch statistics, Scale and Bias layers, folded into one pair.

The pair is made in order: it starts as (1, 0) and each layer changes it. Lanes beyond the channels stay (0, 0), so that
they keep their zeros. Convolutions take the factor into their packed weights and the shift as their bias.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from netc.fast.machine.emit import VECTOR_BYTES, arg
from netc.fast.machine.launch import Launch, Ref
from netc.fast.machine.layout import Blocked, blocks
from netc.fast.machine.memory import float_of, floats
from netc.fast.old.kernels.pointwise import bits
from netc.fast.old.nothing import NOTHING
from netc.jit import entry


@dataclass(frozen=True, slots=True)
class Affine:
    """Where the factors and shifts of `channels` channels are, in blocks of 16 for each of `groups`."""

    factor: Ref
    shift: Ref
    channels: int
    groups: int = 1

    @staticmethod
    def nbytes(channels: int, groups: int = 1) -> int:
        """The size of either array."""
        return groups * blocks(channels // groups) * VECTOR_BYTES

    def start(self, label: str = "") -> Launch:
        """(1, 0)."""
        return self._row(0, NOTHING, NOTHING, NOTHING, 0, label)

    def statistics(self, mean: Ref, variance: Ref, factor: Ref | int, eps: float, label: str = "") -> Launch:
        """Then (x - mean / factor) / sqrt(variance / factor + eps); the factor is 1 if it is missing."""
        return self._row(1, mean, variance, factor, eps, label)

    def scale(self, scale: Ref | int, bias: Ref | int, label: str = "") -> Launch:
        """Then x * scale + bias; either may be missing."""
        return self._row(2, scale, bias, NOTHING, 0, label)

    def _row(self, kind: int, a: Ref | int, b: Ref | int, c: Ref | int, eps: float, label: str) -> Launch:
        arguments = (self.factor, self.shift, self.groups, self.channels // self.groups, kind, a, b, c, bits(eps))
        return Launch(_change, arguments, label)


def apply(x: Blocked, y: Blocked, affine: Affine, relu: bool, label: str = "") -> list[Launch]:
    """y = x * factor + shift, clipped at 0 for ReLU."""
    places = [p for blob in (x, y) for p in (blob.inner, blob.image, blob.plane, blob.line)]
    return [Launch(_apply, (*places, x.n, x.blocks, x.h, x.w, affine.factor, affine.shift, int(relu)), label)]


@entry
def _change(row: int, tid: int, nth: int) -> None:
    groups, channels, kind, eps = arg(row, 2), arg(row, 3), arg(row, 4), float_of(row, 8)
    lanes = (channels + 15) // 16 * 16
    factor, shift = floats(arg(row, 0), groups * lanes), floats(arg(row, 1), groups * lanes)
    a, b, c = arg(row, 5), arg(row, 6), arg(row, 7)
    if tid > 0:
        return
    if kind == 0:
        for i in range(groups * lanes):
            factor[i] = 1 if i % lanes < channels else 0
            shift[i] = 0
        return
    total = groups * channels
    weight = 1.0
    if kind == 1 and c != 0:
        stored = floats(c, 1)[0]
        weight = 0.0 if stored == 0 else 1.0 / stored
    for i in range(total):
        at = i // channels * lanes + i % channels
        if kind == 1:
            inverse = 1.0 / math.sqrt(floats(b, total)[i] * weight + eps)
            shift[at] = (shift[at] - floats(a, total)[i] * weight) * inverse
            factor[at] *= inverse
        else:
            if a != 0:
                factor[at] *= floats(a, total)[i]
                shift[at] *= floats(a, total)[i]
            if b != 0:
                shift[at] += floats(b, total)[i]


@entry
def _apply(row: int, tid: int, nth: int) -> None:
    x, x_image, x_plane, x_line = arg(row, 0), arg(row, 1), arg(row, 2), arg(row, 3)
    y, y_image, y_plane, y_line = arg(row, 4), arg(row, 5), arg(row, 6), arg(row, 7)
    images, planes, height, width, relu = arg(row, 8), arg(row, 9), arg(row, 10), arg(row, 11), arg(row, 14)
    items = images * planes * height
    for item in range(items * tid // nth, items * (tid + 1) // nth):
        line, block = item % height, item // height % planes
        n = item // (height * planes)
        factor, shift = floats(arg(row, 12) + block * 64, 16), floats(arg(row, 13) + block * 64, 16)
        source = floats(x + n * x_image + block * x_plane + line * x_line, width * 16)
        target = floats(y + n * y_image + block * y_plane + line * y_line, width * 16)
        for pixel in range(width):
            for lane in range(16):
                value = source[pixel * 16 + lane] * factor[lane] + shift[lane]
                if relu != 0:
                    value = value if value > 0 else value * 0
                target[pixel * 16 + lane] = value
