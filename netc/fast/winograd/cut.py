"""When convolution goes by Winograd, and how its tiles are cut."""

from __future__ import annotations

from dataclasses import dataclass

from netc.fast.convolution.geometry import BLOCK, Conv
from netc.fast.machine.emit import LANES
from netc.fast.machine.layout import PIXEL
from netc.fast.winograd.points import Pieces, pieces, point_count, tiles_across
from netc.jit import features

OWN_BYTES = 1 << 20  # points and results of a thread's share that stay in its cache
OWN_TILES = 28  # fewer, and weights are read too often
CHUNK_BYTES = 1 << 21, 1 << 24  # the same of a chunk that all threads share, least and most
ROWS = {"avx512": (14, 13, 11, 8, 4), "avx2": (6, 5, 4), "plain": (3, 2)}  # tiles at a time: few values, few kernels
VECTORS = {"avx512": 2, "avx2": 1, "plain": 1}
LARGEST = 12  # kernel
SQUARE_COST = 8  # of transforming a pixel of one channel, in multiply-adds


@dataclass(frozen=True, slots=True)
class Cut:
    """How tiles are worked on: `rows` at a time, with `chunk` (a multiple of that) in the workspace.

    own: each thread takes chunks of its own through all three phases; else threads share the phases of a chunk. lines:
    of tiles of an image that are a chunk; 0: chunks need not be whole lines.
    """

    rows: int
    chunk: int
    own: bool
    lines: int = 0


def supported(conv: Conv) -> bool:
    """Whether the kernels here can run it."""
    whole_blocks = conv.groups == 1 or conv.inputs // conv.groups % LANES == 0 == conv.outputs // conv.groups % LANES
    (kernel, other), (apart, same) = conv.kernel, conv.dilation
    square = kernel == other and 3 <= kernel <= LARGEST and apart == same <= min(conv.out)  # no phase is empty
    return whole_blocks and square and conv.stride == (1, 1)


def has_gradient(conv: Conv) -> bool:
    """Whether the kernels here can make the gradient of its weights, too."""
    return supported(conv) and conv.kernel[0] in (3, 5) and conv.dilation == (1, 1)


def pieces_of(conv: Conv) -> Pieces:
    """How its kernel is taken."""
    return pieces(conv.kernel[0])


def grid(conv: Conv) -> tuple[int, int]:
    """Lines of tiles of a phase that have tops, and how many tiles each has, with those that only pieces see."""
    down, across = (tiles_across(size, conv.dilation[0]) for size in conv.out)
    return down, across + pieces_of(conv).parts - 1


def phases(conv: Conv, n: int) -> int:
    """How many images n images are: each phase by itself."""
    return n * conv.dilation[0] ** 2


def tiles(conv: Conv, n: int) -> int:
    """How many tiles n images have."""
    down, across = grid(conv)
    return phases(conv, n) * down * across


def _fewest(count: int) -> tuple[int, int]:
    """Rows at a time, and how often: least waste in the last ones, then most rows."""
    rows = min(ROWS[features()], key=lambda r: (-(-count // r) * (r + 1), -r))
    return rows, -(-count // rows)


def cut(conv: Conv, n: int) -> Cut:
    """The cut for n images."""
    count, tile_bytes = tiles(conv, n), _tile_bytes(conv)
    if pieces_of(conv).parts > 1:
        down, across = grid(conv)
        most = max(1, _chunk_bytes(conv) // tile_bytes // across)
        lines = -(-down // -(-down // most))
        rows, units = _fewest(lines * across)
        return Cut(rows, units * rows, False, lines)
    rows, units = _fewest(count)
    own = OWN_TILES * tile_bytes <= OWN_BYTES and count > 4 * rows
    most = max(1, (OWN_BYTES if own else _chunk_bytes(conv)) // tile_bytes // rows)
    return Cut(rows, -(-units // -(-units // most)) * rows, own)


def vectors(conv: Conv) -> int:
    """Output blocks at a time."""
    return min(VECTORS[features()], conv.out_blocks)


def gradient_chunk(conv: Conv, n: int) -> int:
    """How many tiles' points the weight gradient keeps at a time."""
    count = tiles(conv, n)
    chunks = -(-count * _tile_bytes(conv) // _chunk_bytes(conv))
    return -(-count // min(count, chunks))


def _tile_bytes(conv: Conv) -> int:
    """The points of a tile: of its bottoms and its tops."""
    return point_count(pieces_of(conv).size) * (conv.in_blocks + conv.out_blocks) * PIXEL


def _chunk_bytes(conv: Conv) -> int:
    """As much as the weights, which are read (or their gradient, read and written) once a chunk."""
    least, most = CHUNK_BYTES
    panels = pieces_of(conv).parts ** 2 * conv.in_blocks * conv.out_blocks
    return min(most, max(least, point_count(pieces_of(conv).size) * panels * BLOCK))


def faster(conv: Conv, n: int, prepared: bool = False) -> bool:
    """Whether Winograd takes less time than direct convolution, by multiply-adds and what takes as long, as measured.

    prepared: whether weights are transformed once, not each step. Else that takes as long as 700 multiply-adds for each
    pair of channels (for 3 x 3), packing them for the direct kernels 300. So deep layers on few pixels stay direct.
    """
    ins, outs, taken = LANES * conv.in_blocks, LANES * conv.out_blocks, pieces_of(conv)
    rows, count, size = cut(conv, n).rows, tiles(conv, n), point_count(taken.size)
    multiplied = taken.products * -(-count // rows) * (rows + 2)  # small tiles wait for their weights
    weights, packed = (0, 0) if prepared else (16 * size * taken.parts**2 + 14 * conv.cells, 33 * conv.cells)
    winograd = (multiplied + weights) * ins * outs + SQUARE_COST * size * count * (ins + outs)
    direct = (conv.cells * n * conv.out[0] * conv.out[1] + packed) * ins * outs
    return 1.1 * winograd < direct
