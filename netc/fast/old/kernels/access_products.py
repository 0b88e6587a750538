"""What the kernels of convolutions and inner products read and write; `access` has the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from netc.fast.machine.access import Access, Dim, Mode
from netc.fast.machine.launch import Ref
from netc.fast.machine.layout import PIXEL, blocks
from netc.fast.old.kernels.boxes import Given
from netc.fast.winograd.points import SIDE
from netc.fast.winograd.points import point_count as points

BLOCK = 16 * 64

# ---------------------------------------------------------------- convolution


def _line_tiles(g: Given) -> Iterator[Access]:
    n, groups, outs, height = (g[i] for i in range(6, 10))
    a_row, unroll, vectors = (g.literals[name] for name in ("a_row", "unroll", "vectors"))
    pixels = g[10] * g.literals["rows"] + g.literals["rest"]
    loops = tuple((g[i], g[i + 1]) for i in (21, 24, 27))
    outer = ((n, g[11]), (groups, g[12]), (height, g[17]), (pixels, a_row))
    yield g.read(0, unroll * 4, *outer, *_inside(loops, height, (g[33], g[34], g[35], g[36])))
    yield g.read(1, unroll * 64, (groups, g[15]), (outs * vectors, g[19]), *((g[i], g[i + 2]) for i in (21, 24, 27)))
    dims = ((n, g[13]), (groups, g[14]), (outs * vectors, g[20]), (height, g[18]), (pixels, g[37]))
    yield g.write(2, PIXEL, *dims)
    yield g.read(3, PIXEL, (groups, g[16]), (outs * vectors, g[32]))
    yield g.read(4, PIXEL, *dims)


def _inside(loops: tuple[Dim, ...], height: int, lines: tuple[int, int, int, int]) -> tuple[Dim, ...]:
    """The loops; none of them where no tap of any line meets the source."""
    origin, step, reach, there = lines
    taps, _ = loops[1]
    met = any(0 <= origin + y * step + t * reach < there for y in range(height) for t in range(taps))
    return loops if met else ((0, 0),)


def _weight_tiles(g: Given) -> Iterator[Access]:
    n, groups, outs, ins, kh, kw, height, width = (g[i] for i in range(3, 11))
    outs *= g.literals["vectors"]
    cells = ((kh, g[16]), (kw, g[17]))
    yield g.read(0, PIXEL, (n, g[11]), (groups, g[12]), (ins, g[13]), *cells, (height, g[14]), (width, g[15]))
    yield g.read(1, width * PIXEL, (n, g[18]), (groups, g[19]), (outs, g[20]), (height, g[21]))
    yield g.write(2, kh * kw * BLOCK, (groups, g[22]), (outs, g[23]), (ins, g[24]))


def _weight_tiles_first(g: Given) -> Iterator[Access]:
    n, outs, ins, kh, height, width = (g[i] for i in range(3, 9))
    outs, columns = outs * g.literals["vectors"], g.literals["columns"]
    cells = ((kh, g[13]), (columns, g.literals["a_row"]))
    yield g.read(0, 4, (n, g[9]), (ins, g[10]), *cells, (height, g[11]), (width, g[12]))
    yield g.read(1, width * PIXEL, (n, g[14]), (outs, g[15]), (height, g[16]))
    yield g.write(2, columns * PIXEL, (outs, g[17]), (ins, g[18]), (kh, g[19]))


def _bias_sums(g: Given) -> Iterator[Access]:
    n, planes, height, width = (g[i] for i in range(2, 6))
    yield g.read(0, width * PIXEL, (n, g[6]), (planes, g[7]), (height, g[8]))
    yield g.write(1, planes * 64)


def _depthwise(g: Given) -> Iterator[Access]:
    n, planes, height = (g[i] for i in range(8, 11))
    pixels = g[11] * g.literals["pixels"] + g.literals["rest"]
    down, across = (g[17], g[18]), (g[20], g[21])
    yield g.read(0, PIXEL, (n, g[4]), (planes, g[5]), (height, g[12]), (pixels, g.literals["a_step"]), down, across)
    yield g.read(1, PIXEL, (planes, g[16]), (g[17], g[19]), (g[20], g[22]))
    yield g.write(2, PIXEL, (n, g[6]), (planes, g[7]), (height, g[14]), (pixels, g[15]))
    yield g.read(3, planes * 64)


def _depthwise_weights(g: Given) -> Iterator[Access]:
    n, planes, kh, height, width = (g[i] for i in range(3, 8))
    columns = g.literals["columns"]
    cells = ((kh, g[12]), (columns, g.literals["cell"]))
    yield g.read(0, PIXEL, (n, g[8]), (planes, g[9]), *cells, (height, g[10]), (width, g[11]))
    yield g.read(1, width * PIXEL, (n, g[13]), (planes, g[14]), (height, g[15]))
    yield g.write(2, planes * kh * columns * PIXEL)


# ---------------------------------------------------------------- Winograd


def _images(g: Given, first: int, tiles: int) -> tuple[int, int]:
    """The first of the images that tiles first..first+tiles-1 are of, and how many they are."""
    each = -(-g[0] // SIDE) * -(-g[1] // SIDE)
    begin = first // each
    return begin, (first + tiles - 1) // each - begin + 1


def _squares(
    g: Given, mode: Mode, index: int, steps: tuple[int, int, int], planes: int, span: tuple[int, int]
) -> Access:
    """The pixels of tops (or bottoms, which are larger) that some tiles cover. steps: image, plane, row."""
    (begin, count), more = span, g[10] - 1 if mode == "read" else 0
    dims = ((count, steps[0]), (planes, steps[1]), (g[0] + more, steps[2]))
    found = g.box(mode, index, (g[1] + more) * PIXEL, *dims)
    return Access(mode, found.at + begin * steps[0], found.width, found.dims)


def _read_squares(g: Given) -> Iterator[Access]:
    planes, step, first, tiles, room, tops = (g[i] for i in range(13, 19))
    found = _squares(g, "update" if tops else "read", 11, (g[2], g[3], g[4]), planes, _images(g, first, tiles))
    yield Access("read", found.at, found.width, found.dims)
    yield g.write(12, tiles * PIXEL, (points(g[10]), step), (planes, room * PIXEL))


def _write_squares(g: Given) -> Iterator[Access]:
    planes, step, first, tiles, room = (g[i] for i in range(13, 18))
    span = _images(g, first, tiles)
    yield g.read(11, tiles * PIXEL, (points(g[10]), step), (planes, room * PIXEL))
    found = _squares(g, "write", 12, (g[5], g[6], g[7]), planes, span)
    yield found
    yield g.read(18, planes * 64)
    if isinstance(g.arguments[8], Ref):
        yield Access("read", g.arguments[8] + span[0] * g[5], found.width, found.dims)


def _products(g: Given) -> Iterator[Access]:
    ins, outs, weight_step, point_step, result_step, tiles, room, per = (g[i] for i in range(18, 26))
    depth = g[26] * BLOCK + g[27] * 4 * 64  # input channels, rounded up to 4
    yield g.read(14, depth, (points(g[10]), weight_step), (outs, ins * BLOCK))
    if per == 0:
        whole = -(-tiles // g.literals["rows"]) * g.literals["rows"]  # what is more than `tiles` is garbage
        yield g.read(15, tiles * PIXEL, (points(g[10]), point_step), (ins, room * PIXEL))
        yield g.work(16, whole * PIXEL, (points(g[10]), result_step), (outs, room * PIXEL))
        yield g.write(16, tiles * PIXEL, (points(g[10]), result_step), (outs, room * PIXEL))
        return
    span = _images(g, 0, tiles)
    yield g.work(15, g.threads * g[17])
    yield _squares(g, "read", 11, (g[2], g[3], g[4]), ins, span)
    found = _squares(g, "write", 12, (g[5], g[6], g[7]), outs, span)
    yield found
    yield g.read(13, outs * 64)
    if isinstance(g.arguments[8], Ref):
        yield Access("read", g.arguments[8], found.width, found.dims)


def _weight_products(g: Given) -> Iterator[Access]:
    ins, groups, tiles, room, add = (g[i] for i in range(6, 11))
    outs = groups * g.literals["vectors"]
    yield g.read(0, tiles * PIXEL, (g[11], g[3]), (ins, room * PIXEL))
    yield g.read(1, tiles * PIXEL, (g[11], g[4]), (outs, room * PIXEL))
    lanes = g.literals["lanes"]
    mode: Mode = "update" if add == 0 else "write"
    channels = -(-g[12] // lanes) * lanes
    yield g.box(mode, 2, channels * 64, (g[11], g[5]), (outs, ins * BLOCK))


def up4(count: int) -> int:
    return -(-count // 4) * 4


def _weights_to_points(g: Given) -> Iterator[Access]:
    cells, outs, ins = g[4] * g[4], g[5], g[6]
    yield g.read(0, outs * ins * cells * 4)
    rows, columns = (ins, outs) if g[7] else (outs, ins)  # what is beyond the columns, rounded up to 4, stays as it is
    yield g.write(1, up4(columns) * 64, (points(g[4]), g[2]), (blocks(rows), blocks(columns) * BLOCK))
    yield g.work(3, g.threads * 2 * cells * BLOCK)
    yield g.read(8, blocks(outs) * 64)


def _points_to_weights(g: Given) -> Iterator[Access]:
    cells, outs, ins = g[4] * g[4], g[5], g[6]
    yield g.read(0, ins * 64, (points(g[4]), g[2]), (blocks(outs), blocks(ins) * BLOCK))
    yield g.update(1, outs * ins * cells * 4)
    yield g.work(3, g.threads * 2 * cells * BLOCK)


PRODUCTS: dict[str, Callable[[Given], Iterator[Access]]] = {
    "conv_kernels.line_tiles": _line_tiles,
    "conv_kernels.weight_tiles": _weight_tiles,
    "conv_kernels.weight_tiles_first": _weight_tiles_first,
    "conv_kernels.bias_sums": _bias_sums,
    "depthwise._pixels": _depthwise,
    "depthwise._weights": _depthwise_weights,
    "winograd_kernels.read_squares": _read_squares,
    "winograd_kernels.write_squares": _write_squares,
    "winograd_kernels.products": _products,
    "winograd_kernels.weight_products": _weight_products,
    "winograd_kernels.weights_to_points": _weights_to_points,
    "winograd_kernels.points_to_weights": _points_to_weights,
}
