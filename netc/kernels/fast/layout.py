"""Blocked blobs: nChw16c with a halo of zeros, and the kernels that go between them and plain NCHW arrays.

A blob of shape N x C x H x W lies as [N][C/16][top + H + bottom][left + W + right][16]. Two promises hold between
kernels: the halo is zero (so convolutions have no border code), and so are the channels beyond C in the last block.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from netc.jit import entry
from netc.kernels.fast.emit import LANES, VECTOR_BYTES, arg, transpose_block
from netc.kernels.fast.memory import floats, zero
from netc.kernels.fast.rows import Ref, Row

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

    base: Ref
    n: int
    c: int
    h: int
    w: int
    halo: Halo
    image: int

    @property
    def blocks(self) -> int:
        return blocks(self.c)

    @property
    def row(self) -> int:
        return (self.halo.left + self.w + self.halo.right) * PIXEL

    @property
    def plane(self) -> int:
        return (self.halo.top + self.h + self.halo.bottom) * self.row

    @property
    def inner(self) -> Ref:
        """The first pixel of the first block."""
        return self.pixel(0, 0)

    def pixel(self, y: int, x: int) -> Ref:
        """Pixel (y, x) of the first block; negative in the halo."""
        return self.base + (self.halo.top + y) * self.row + (self.halo.left + x) * PIXEL

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

    base: Ref
    n: int
    c: int
    h: int
    w: int
    halo: Halo = Halo()

    @property
    def row(self) -> int:
        return (self.halo.left + self.w + self.halo.right) * 4

    @property
    def plane(self) -> int:
        return (self.halo.top + self.h + self.halo.bottom) * self.row

    @property
    def image(self) -> int:
        return self.c * self.plane

    def pixel(self, y: int, x: int) -> Ref:
        return self.base + (self.halo.top + y) * self.row + (self.halo.left + x) * 4


def plain(array: int, shape: tuple[int, ...], halo: Halo = Halo()) -> Plain:
    n, c, h, w = (*shape, 1, 1, 1)[:4]
    return Plain(Ref(array), n, c, h, w, halo)


# ---------------------------------------------------------------- rows


def clear_halo(blob: Blocked | Plain, label: str = "") -> list[Row]:
    """Rows that write the halo's zeros (none if there is no halo)."""
    if blob.halo == Halo():
        return []
    if isinstance(blob, Blocked):
        planes, pixel = blob.blocks, PIXEL
    else:
        planes, pixel = blob.c, 4
    halo = blob.halo
    top = halo.top * blob.row + halo.left * pixel
    between = (halo.left + halo.right) * pixel
    bottom = halo.bottom * blob.row + halo.right * pixel
    arguments = (blob.base, blob.n, planes, blob.image, blob.plane, top, blob.h, blob.w * pixel, between, bottom)
    return [Row(_clear_halo, arguments, label, wait=False)]


def pack(source: Plain, target: Blocked, label: str = "") -> list[Row]:
    """NCHW to blocked; writes all of the target but its halo."""
    return [Row(_pack, _moving(source, target), label)]


def unpack(source: Blocked, target: Plain, label: str = "") -> list[Row]:
    """Blocked to NCHW."""
    return [Row(_unpack, _moving(target, source), label)]


def _moving(flat: Plain, blob: Blocked) -> tuple[int | Ref, ...]:
    if flat.row == flat.w * 4 and blob.row == blob.w * PIXEL:  # no halo: one long row
        lines, length = 1, flat.h * flat.w
    else:
        lines, length = flat.h, flat.w
    return (
        flat.pixel(0, 0), flat.image, flat.plane, flat.row,
        blob.inner, blob.image, blob.plane, blob.row,
        flat.n, flat.c, lines, length,
    )  # fmt: skip


def copy_padded(source: Plain, target: Plain, label: str = "") -> list[Row]:
    """NCHW to NCHW with a halo (whose zeros are written too)."""
    arguments = (
        source.pixel(0, 0), source.plane, source.row, target.pixel(0, 0), target.plane, target.row,
        source.n * source.c, source.h, source.w,
    )  # fmt: skip
    return [*clear_halo(target, label), Row(_copy_padded, arguments, label)]


# ---------------------------------------------------------------- kernels


@entry
def _clear_halo(row: int, tid: int, nth: int) -> None:
    base, images, planes, image, plane = arg(row, 0), arg(row, 1), arg(row, 2), arg(row, 3), arg(row, 4)
    top, lines, width, between, bottom = arg(row, 5), arg(row, 6), arg(row, 7), arg(row, 8), arg(row, 9)
    items = images * planes
    for item in range(items * tid // nth, items * (tid + 1) // nth):
        start = base + item // planes * image + item % planes * plane
        zero(start, top)
        end = start + top
        for y in range(lines):
            end = start + top + y * (width + between) + width
            if y < lines - 1:
                zero(end, between)
        zero(end, bottom)


@entry
def _pack(row: int, tid: int, nth: int) -> None:
    flat, flat_image, flat_plane, flat_row = arg(row, 0), arg(row, 1), arg(row, 2), arg(row, 3)
    blob, blob_image, blob_plane, blob_row = arg(row, 4), arg(row, 5), arg(row, 6), arg(row, 7)
    images, channels, lines, length = arg(row, 8), arg(row, 9), arg(row, 10), arg(row, 11)
    planes = (channels + 15) // 16
    items = images * planes
    for item in range(items * tid // nth, items * (tid + 1) // nth):
        n, block = item // planes, item % planes
        source = flat + n * flat_image + block * 16 * flat_plane
        target = blob + n * blob_image + block * blob_plane
        present = min(16, channels - block * 16)
        for y in range(lines):
            for x in range(0, length, 16):
                pixels = min(16, length - x)
                transpose_block(
                    source + y * flat_row + x * 4, flat_plane, target + y * blob_row + x * 64, 64, present, pixels, 16
                )


@entry
def _unpack(row: int, tid: int, nth: int) -> None:
    flat, flat_image, flat_plane, flat_row = arg(row, 0), arg(row, 1), arg(row, 2), arg(row, 3)
    blob, blob_image, blob_plane, blob_row = arg(row, 4), arg(row, 5), arg(row, 6), arg(row, 7)
    images, channels, lines, length = arg(row, 8), arg(row, 9), arg(row, 10), arg(row, 11)
    planes = (channels + 15) // 16
    items = images * planes
    for item in range(items * tid // nth, items * (tid + 1) // nth):
        n, block = item // planes, item % planes
        target = flat + n * flat_image + block * 16 * flat_plane
        source = blob + n * blob_image + block * blob_plane
        present = min(16, channels - block * 16)
        for y in range(lines):
            for x in range(0, length, 16):
                pixels = min(16, length - x)
                transpose_block(
                    source + y * blob_row + x * 64, 64, target + y * flat_row + x * 4, flat_plane,
                    pixels, present, pixels,
                )  # fmt: skip


@entry
def _copy_padded(row: int, tid: int, nth: int) -> None:
    source, source_plane, source_row = arg(row, 0), arg(row, 1), arg(row, 2)
    target, target_plane, target_row = arg(row, 3), arg(row, 4), arg(row, 5)
    planes, lines, length = arg(row, 6), arg(row, 7), arg(row, 8)
    for item in range(planes * tid // nth, planes * (tid + 1) // nth):
        for y in range(lines):
            a = floats(source + item * source_plane + y * source_row, length)
            b = floats(target + item * target_plane + y * target_row, length)
            for x in range(length):
                b[x] = a[x]
