"""Blocked blobs: nChw16c with a halo of zeros; and plain NCHW arrays. `moves` goes between them.

A blob of shape N x C x H x W lies as [N][C/16][top + H + bottom][left + W + right][16]. Two promises hold between
kernels: the halo is zero (so convolutions have no border code), and so are the channels beyond C in the last block.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod
from typing import ClassVar

from netc.fast.machine.emit import LANES, VECTOR_BYTES
from netc.fast.machine.launch import NOTHING, Ref, Region

PIXEL = VECTOR_BYTES


def blocks(channels: int) -> int:
    """How many blocks of 16 hold that many channels."""
    return -(-channels // LANES)


@dataclass(frozen=True, slots=True)
class Halo:
    """Rows and columns of zeros around each plane."""

    top: int = 0
    left: int = 0
    bottom: int = 0
    right: int = 0

    def __or__(self, other: Halo) -> Halo:
        """The halo that serves both."""
        return Halo(
            max(self.top, other.top),
            max(self.left, other.left),
            max(self.bottom, other.bottom),
            max(self.right, other.right),
        )


@dataclass(frozen=True, slots=True)
class Blocked:
    """Where the elements of a blocked blob are, relative to `base`; all distances in bytes.

    `image` is the distance between images: more than the planes of one where the blob is a part of a Concat's top.
    """

    OPERAND: ClassVar = ("inner", "image", "plane", "line", "n", "blocks", "c", "h", "w")

    base: Ref
    n: int
    c: int
    h: int
    w: int
    halo: Halo
    image: int

    def moved(self, to: Callable[[Ref], Ref]) -> Blocked:
        return replace(self, base=to(self.base))

    @property
    def blocks(self) -> int:
        return blocks(self.c)

    @property
    def values(self) -> int:
        """How many it has, those of lanes beyond its channels included."""
        return self.n * self.blocks * self.h * self.w * LANES

    @property
    def line(self) -> int:
        return (self.halo.left + self.w + self.halo.right) * PIXEL

    @property
    def plane(self) -> int:
        return (self.halo.top + self.h + self.halo.bottom) * self.line

    @property
    def inner(self) -> Ref:
        """The first pixel of the first block."""
        return self.pixel(0, 0)

    def pixel(self, y: int, x: int) -> Ref:
        """Pixel (y, x) of the first block; negative in the halo."""
        return self.base + (self.halo.top + y) * self.line + (self.halo.left + x) * PIXEL

    def part(self, first: int, channels: int) -> Blocked:
        """Channels first..first+channels-1; `first` is a multiple of 16."""
        return replace(self, base=self.base + first // LANES * self.plane, c=channels)


def blocked(array: int, shape: tuple[int, ...], halo: Halo) -> Blocked:
    """A blob of its own, at the start of array number `array`. A shape of less than 4 axes gets sizes of 1."""
    n, c, h, w = (*shape, 1, 1, 1)[:4]
    found = Blocked(Ref(array), n, c, h, w, halo, 0)
    return replace(found, image=found.blocks * found.plane)


@dataclass(frozen=True, slots=True)
class Plain:
    """An NCHW array with optional zero halo (first layers read their few channels so); distances in bytes."""

    OPERAND: ClassVar = ("inner", "image", "plane", "line", "n", "c", "h", "w")

    base: Ref
    n: int
    c: int
    h: int
    w: int
    halo: Halo = Halo()

    def moved(self, to: Callable[[Ref], Ref]) -> Plain:
        return replace(self, base=to(self.base))

    @property
    def inner(self) -> Ref:
        """The first value."""
        return self.pixel(0, 0)

    @property
    def flat(self) -> Region:
        """All of it as one run of values; it has no halo."""
        assert self.halo == Halo()
        return Region(self.base.array, self.base.offset, self.n * self.image)

    @property
    def line(self) -> int:
        return (self.halo.left + self.w + self.halo.right) * 4

    @property
    def plane(self) -> int:
        return (self.halo.top + self.h + self.halo.bottom) * self.line

    @property
    def image(self) -> int:
        return self.c * self.plane

    def pixel(self, y: int, x: int) -> Ref:
        return self.base + (self.halo.top + y) * self.line + (self.halo.left + x) * 4


def plain(array: int, shape: tuple[int, ...], halo: Halo = Halo()) -> Plain:
    n, c, h = (*shape, 1, 1, 1)[:3]
    return Plain(Ref(array), n, c, h, prod(shape[3:]), halo)


NO_BLOB = Blocked(NOTHING, 0, 0, 0, 0, Halo(), 0)
"""A blob that is not there: its `inner` is false."""


def as_lines(*blobs: Blocked) -> tuple[Blocked, ...]:
    """Blobs of one shape that are gone over value by value: whole planes as one line where none has a halo."""
    if any(blob.halo != Halo() for blob in blobs):
        return blobs
    return tuple(replace(blob, h=1, w=blob.h * blob.w) for blob in blobs)
