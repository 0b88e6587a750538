"""When convolution goes by Winograd, and how its tiles are cut."""

from __future__ import annotations

from dataclasses import dataclass

from netc.fast.convolution.geometry import BLOCK, Conv
from netc.fast.machine.emit import LANES
from netc.fast.machine.layout import PIXEL
from netc.fast.winograd.points import SIDE, point_count
from netc.jit import features

OWN_BYTES = 1 << 20  # points and results of a thread's share that stay in its cache
OWN_TILES = 28  # fewer, and weights are read too often
CHUNK_BYTES = 1 << 21, 1 << 24  # the same of a chunk that all threads share, least and most
ROWS = {"avx512": (14, 13, 11, 8, 4), "avx2": (6, 5, 4), "plain": (3, 2)}  # tiles at a time: few values, few kernels
VECTORS = {"avx512": 2, "avx2": 1, "plain": 1}
SQUARE_COST = 8  # of transforming a pixel of one channel, in multiply-adds


@dataclass(frozen=True, slots=True)
class Cut:
    """How tiles are worked on: `rows` at a time, `chunk` in the workspace.

    own: each thread takes chunks of its own through all three phases; else threads share the phases of a chunk.
    """

    rows: int
    chunk: int
    own: bool


def supported(conv: Conv) -> bool:
    """Whether the kernels here can run it."""
    whole_blocks = conv.groups == 1 or conv.inputs // conv.groups % LANES == 0 == conv.outputs // conv.groups % LANES
    return whole_blocks and conv.kernel in ((3, 3), (5, 5)) and conv.stride == (1, 1) == conv.dilation


def tiles(conv: Conv, n: int) -> int:
    """How many tiles n images have."""
    return n * -(-conv.out[0] // SIDE) * -(-conv.out[1] // SIDE)


def cut(conv: Conv, n: int) -> Cut:
    """The cut for n images: least waste in the last rows, then most rows."""
    count, tile_bytes = tiles(conv, n), _tile_bytes(conv)
    rows = min(ROWS[features()], key=lambda r: (-(-count // r) * (r + 1), -r))
    units = -(-count // rows)
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
    return point_count(conv.kernel[0]) * (conv.in_blocks + conv.out_blocks) * PIXEL


def _chunk_bytes(conv: Conv) -> int:
    """As much as the weights, which are read (or their gradient, read and written) once a chunk."""
    least, most = CHUNK_BYTES
    return min(most, max(least, point_count(conv.kernel[0]) * conv.in_blocks * conv.out_blocks * BLOCK))


def faster(conv: Conv, n: int, prepared: bool = False) -> bool:
    """Whether Winograd takes less time than direct convolution, by multiply-adds and what takes as long, as measured.

    prepared: whether weights are transformed once, not each step. Else that takes as long as 700 multiply-adds for each
    pair of channels (for 3 x 3), packing them for the direct kernels 300. So deep layers on few pixels stay direct.
    """
    ins, outs, size = LANES * conv.in_blocks, LANES * conv.out_blocks, point_count(conv.kernel[0])
    rows, count = cut(conv, n).rows, tiles(conv, n)
    multiplied = size * -(-count // rows) * (rows + 2)  # small tiles wait for their weights
    weights, packed = (0, 0) if prepared else (16 * size + 14 * conv.cells, 33 * conv.cells)
    winograd = (multiplied + weights) * ins * outs + SQUARE_COST * size * count * (ins + outs)
    direct = (conv.cells * n * conv.out[0] * conv.out[1] + packed) * ins * outs
    return 1.1 * winograd < direct
