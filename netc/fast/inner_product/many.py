"""Inner product of many rows (the words of sequences) by products of large matrices: weights are packed, rows are not
turned. Sums run over K, N and M in ascending blocks, as in `tiles`.
"""

from __future__ import annotations

from netc.fast.inner_product.ends import Ends
from netc.fast.inner_product.tiles import Sizes, finished, up
from netc.fast.machine.activation import IDENTITY, RELU
from netc.fast.machine.emit import copy_ahead
from netc.fast.machine.launch import Launch, Region
from netc.fast.machine.operands import Read, Write, entry
from netc.fast.machine.products import WIDTH, Lines, packed, packed_bytes, product, room_bytes
from netc.fast.machine.products import Sizes as Product
from netc.fast.program.builder import Builder

LEAST = 256  # rows; of fewer, `tiles` reads the weights as often and packs less


def supported(m: int) -> bool:
    return m >= LEAST


def forward(b: Builder, x: Region, w: Region, ends: Ends, y: Region, sizes: Sizes) -> None:
    """y = x W^T, then what `ends` says."""
    m, n, k = sizes
    panels, room, shape = b.new("packed weights", packed_bytes(n, k)), _room(b), Product(m, n, k)
    b.emit_setup(packed(w, Lines(4 * k, turned=True), panels, n, k), "pack")
    if ends.factor or ends.slopes:
        sums = b.new("sums", 4 * m * up(n))
        b.emit(product(x, Lines(4 * k), panels, sums, 4 * up(n), shape, room), "inner product")
        b.emit(finished(result=sums, ends=ends, y=y, m=m, n=n), "inner product")
        return
    shift, change = _whole(b, ends.shift, n), RELU if ends.relu else IDENTITY
    launch = product(x, Lines(4 * k), panels, y, 4 * n, shape, room, bias=shift, activation=change)
    b.emit(launch, "inner product")


def _whole(b: Builder, bias: Region, n: int) -> Region:
    """A bias to the end of the last panel."""
    if not bias or n % WIDTH == 0:
        return bias
    whole = b.new("packed bias", -(-n // WIDTH) * WIDTH * 4)
    b.emit_setup(_extended(bias=bias, whole=whole, n=n), "pack")
    return whole


@entry
def _extended(tid: int, nth: int, bias: Read[Region], whole: Write[Region], n: int) -> None:
    """Zeros behind the bias."""
    if tid == 0:
        for i in range(0, (n + 31) // 32 * 32, 16):
            copy_ahead(bias + i * 4, whole + i * 4, min(16, n - i))


def data_gradient(b: Builder, dy: Region, w: Region, dx: Region, sizes: Sizes) -> list[Launch]:
    """dx = dy W."""
    m, n, k = sizes
    panels = b.new("packed weights", packed_bytes(k, n))
    return [
        packed(w, Lines(4 * k), panels, k, n),
        product(dy, Lines(4 * n), panels, dx, 4 * k, Product(m, k, n), _room(b)),
    ]


def packed_bottom(x: Region, panels: Region, sizes: Sizes) -> Launch:
    """What the parts of a weight gradient need first: x in panels, of `panel_bytes`."""
    return packed(x, Lines(4 * sizes.k), panels, sizes.k, sizes.m)


def panel_bytes(sizes: Sizes) -> int:
    return packed_bytes(sizes.k, sizes.m)


def weight_part(
    b: Builder, dy: Region, dw: Region, panels: Region, sizes: Sizes, part: tuple[int, int], add: bool
) -> Launch:
    """The gradient of the weights of outputs first..first+count-1; `dw` is that of these. add: to what is there."""
    (m, n, k), (first, count) = sizes, part
    lines, shape = Lines(4 * n, turned=True), Product(count, k, m)
    return product(dy + 4 * first, lines, panels, dw, 4 * k, shape, _room(b), add=add)


def _room(b: Builder) -> Region:
    return b.new("product", room_bytes(b.threads))
