"""What the kernels here workspace on: tiles of pixels, and the points that squares around these are transformed to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

from netc.fast.machine.access import Access, Mode, box
from netc.fast.machine.launch import Ref, Region
from netc.fast.machine.layout import PIXEL, Blocked

SIDE = 4  # tops that a tile has each way


class Pieces(NamedTuple):
    """How a kernel is taken: as parts x parts pieces of size x size cells.

    Pieces of several are as large as a tile, so that piece (i, j) of a tile sees the square that piece (0, 0) of the
    tile i lines down and j across sees: squares are transformed once. short: whether the last piece each way lacks
    cells; its values at the point infinity, which is the last, are 0 then.
    """

    kernel: int
    size: int
    parts: int
    short: bool

    @property
    def products(self) -> int:
        """Multiply-adds of a tile for each pair of channels."""
        return int((square(self.size) * self.parts - self.short) ** 2)


def pieces(kernel: int) -> Pieces:
    """3 x 3 and 5 x 5 kernels in one piece, others in pieces of 4 x 4."""
    if kernel in (3, 5):
        return Pieces(kernel, kernel, 1, False)
    return Pieces(kernel, SIDE, -(-kernel // SIDE), kernel % SIDE != 0)


@dataclass(frozen=True, slots=True)
class Tiles:
    """`count` tiles from number `first` on, of images that have h x w tops: they are numbered over (image, phase, line
    of tiles, tile of the line), and cut at the lower and right edges.

    apart: of a dilated convolution, each so-many-th pixel each way is an image of its own (a phase). more: tiles beyond
    the edges that are numbered, too, for the pieces of a kernel to see; then these are whole lines of one phase.
    """

    h: int
    w: int
    apart: int
    more: int
    first: int
    count: int

    @property
    def down(self) -> int:
        """Lines of tiles of a phase."""
        return tiles_across(self.h, self.apart) + self.more

    @property
    def across(self) -> int:
        """Tiles of a line."""
        return tiles_across(self.w, self.apart) + self.more

    @property
    def with_tops(self) -> int:
        """How many of them there are up to the last that has tops."""
        return self.count - self.more

    def touched(self, mode: Mode, blob: Blocked, beyond: int = 0) -> Iterator[Access]:
        """Their pixels; beyond: how many more cells windows have each way than one."""
        each = self.down * self.across
        for start, stop in _runs(self.first, self.first + self.count, each):
            if self.apart == 1 and (stop - start) % each == 0:
                yield self._box(mode, blob, beyond, (start // each, (stop - start) // each), (0, each))
                continue
            for phase in range(start // each, (stop - 1) // each + 1):
                first, end = max(start - phase * each, 0), min(stop - phase * each, each)
                for lines in _runs(first, end, self.across):
                    yield self._box(mode, blob, beyond, (phase, 1), lines)

    def _box(self, mode: Mode, blob: Blocked, beyond: int, phases: tuple[int, int], lines: tuple[int, int]) -> Access:
        """Of so many phases from one on, tiles first..end-1, which are whole lines or part of one."""
        (phase, images), (first, end) = phases, lines
        image, number = divmod(phase, self.apart**2)
        top, left = divmod(number, self.apart)
        y, x = (n * SIDE for n in divmod(first, self.across))
        last_y, last_x = (n * SIDE + SIDE for n in divmod(end - 1, self.across))
        h, w = min(-(-(self.h - top) // self.apart), last_y) - y, min(-(-(self.w - left) // self.apart), last_x) - x
        h, w = (n + beyond if n > 0 else 0 for n in (h, w))
        place = image * blob.image + (top + y * self.apart) * blob.line + (left + x * self.apart) * PIXEL
        dims = (images, blob.image), (blob.blocks, blob.plane), (h, self.apart * blob.line), (w, self.apart * PIXEL)
        return box(mode, blob.inner + place, PIXEL, *dims)


def tiles_across(size: int, apart: int) -> int:
    """How many tiles the largest phase of `size` pixels has."""
    return -(-size // (apart * SIDE))


def _runs(first: int, end: int, each: int) -> Iterator[tuple[int, int]]:
    """first..end-1 as what belongs to a whole of `each` that began before, wholes, and the beginning of one."""
    begun = min(end, -(-first // each) * each)
    cuts = first, begun, max(begun, end // each * each), end
    yield from ((a, b) for a, b in pairwise(cuts) if a < b)


@dataclass(frozen=True, slots=True)
class Points:
    """Transformed squares, of kernels or pieces of size x size: [point][block][room][16 floats], points `step` bytes
    apart.

    Of pixels the blocks are of channels, with room for so many tiles; of weights [out block][piece][in block], with
    room for 16 input channels.
    """

    start: Ref
    size: int
    step: int
    blocks: int
    room: int

    def moved(self, to: Callable[[Ref], Ref]) -> Points:
        return replace(self, start=to(self.start))

    def part(self, first: int, blocks: int) -> Points:
        """`blocks` blocks of each point, from block `first` on."""
        return replace(self, start=self.start + first * self.room * PIXEL, blocks=blocks)

    def touched(self, mode: Mode, tiles: int) -> Access:
        """The first `tiles` tiles of each block."""
        return box(
            mode, self.start, tiles * PIXEL, (point_count(self.size), self.step), (self.blocks, self.room * PIXEL)
        )


def square(size: int) -> int:
    """Bottoms that a tile reads each way, and the side of a transformed square."""
    return SIDE + size - 1


def point_count(size: int) -> int:
    """How many points a square has: 36 for a 3 x 3 kernel, 49 for a piece of 4 x 4, 64 for a 5 x 5 kernel."""
    return square(size) ** 2


def points_bytes(size: int, blocks: int, room: int) -> int:
    """The size of `Points`."""
    return point_count(size) * _step(blocks, room)


def cut_points(memory: Region, size: int, blocks: int, room: int) -> tuple[Points, Region]:
    """`Points` at the beginning of a region, and the rest of it."""
    _, rest = memory.cut(points_bytes(size, blocks, room))
    return Points(memory, size, _step(blocks, room), blocks, room), rest


def _step(blocks: int, room: int) -> int:
    """Bytes between points, such that no two of them fall into one set of a cache."""
    return -(-blocks * room * PIXEL // 4096) * 4096 + 5 * 64
