"""The kernels of convolution: tiles over lines of pixels, and over blocks of weights. `conv` makes their rows."""

from __future__ import annotations

import functools

from netc.fast.machine.emit import LANES, arg, tile
from netc.jit import Entry, entry, kernel


@functools.cache
def line_tiles(rows: int, rest: int, vectors: int, unroll: int, a_row: int) -> Entry:
    """Lines of pixels, cut into tiles of `rows` pixels and one of `rest`."""
    last = rest or rows

    @entry
    def body(row: int, tid: int, nth: int) -> None:
        source, weights, target = arg(row, 0), arg(row, 1), arg(row, 2)
        bias, relu = arg(row, 3), arg(row, 5)
        add = arg(row, 4) - target if arg(row, 4) != 0 else -1
        images, groups, outs, height, full = arg(row, 6), arg(row, 7), arg(row, 8), arg(row, 9), arg(row, 10)
        a_image, a_group, c_image, c_group = arg(row, 11), arg(row, 12), arg(row, 13), arg(row, 14)
        b_group, bias_group, a_line, c_line = arg(row, 15), arg(row, 16), arg(row, 17), arg(row, 18)
        b_vector, c_vector = arg(row, 19), arg(row, 20)
        n0, a0, b0, n1, a1, b1 = arg(row, 21), arg(row, 22), arg(row, 23), arg(row, 24), arg(row, 25), arg(row, 26)
        n2, a2, b2, lines, large, bias_vector = (
            arg(row, 27), arg(row, 28), arg(row, 29), arg(row, 30), arg(row, 31), arg(row, 32),
        )  # fmt: skip
        origin, step, reach, source_height = arg(row, 33), arg(row, 34), arg(row, 35), arg(row, 36)
        c_row = arg(row, 37)
        bands = (height + lines - 1) // lines
        spots, first_spot = images * bands, 0
        outs *= groups
        begin, end = spots * outs * tid // nth, spots * outs * (tid + 1) // nth
        if large and images % nth == 0:  # whole images a thread: what it reads it has mostly written itself
            first_spot, spots = spots * tid // nth, spots // nth
            begin, end = 0, spots * outs
        for item in range(begin, end):
            if large:
                out, spot = item // spots, first_spot + item % spots
            else:
                spot, out = item // outs, item % outs
            n, top = spot // bands, spot % bands * lines
            group, out = out * groups // outs, out % (outs // groups)
            a_start = source + n * a_image + group * a_group
            c_start = target + n * c_image + group * c_group + out * vectors * c_vector
            b = weights + group * b_group + out * vectors * b_vector
            bias_at = bias + group * bias_group + out * vectors * bias_vector
            for y in range(top, min(top + lines, height)):
                first, taps = _inside(origin + y * step, reach, n1, source_height)
                a, c = a_start + y * a_line + first * a1, c_start + y * c_line
                b_first = b + first * b1
                for _ in range(full):
                    tile(
                        rows, vectors, unroll, a_row, a, b_first, c, bias_at, add, relu, c_row, b_vector, c_vector,
                        n0, a0, b0, taps, a1, b1, n2, a2, b2,
                    )  # fmt: skip
                    a += rows * a_row
                    c += rows * c_row
                if rest > 0:
                    tile(
                        last, vectors, unroll, a_row, a, b_first, c, bias_at, add, relu, c_row, b_vector, c_vector,
                        n0, a0, b0, taps, a1, b1, n2, a2, b2,
                    )  # fmt: skip

    return body


@kernel
def _inside(start: int, step: int, taps: int, height: int) -> tuple[int, int]:
    """The first tap whose line start + tap * step is in 0..height-1, and how many are (the others meet zeros)."""
    first, count = 0, 0
    for tap in range(taps):
        if 0 <= start + tap * step < height:
            first = tap if count == 0 else first
            count += 1
    return first, count


@functools.cache
def weight_tiles(lanes: int, vectors: int) -> Entry:
    """Tiles of `lanes` input channels by `vectors` output blocks, summed over the pixels of a band of lines."""
    parts = LANES // lanes

    @entry
    def body(row: int, tid: int, nth: int) -> None:
        x, dy, dw = arg(row, 0), arg(row, 1), arg(row, 2)
        images, groups, outs, ins, kh, kw = arg(row, 3), arg(row, 4), arg(row, 5), arg(row, 6), arg(row, 7), arg(row, 8)
        height, width, a_image, a_group, a_plane = arg(row, 9), arg(row, 10), arg(row, 11), arg(row, 12), arg(row, 13)
        a_line, a_pixel, cell_line, cell_pixel = arg(row, 14), arg(row, 15), arg(row, 16), arg(row, 17)
        b_image, b_group, b_plane, b_line = arg(row, 18), arg(row, 19), arg(row, 20), arg(row, 21)
        c_group, c_out, c_in, lines = arg(row, 22), arg(row, 23), arg(row, 24), arg(row, 25)
        items = groups * outs * ins * kh
        for item in range(items * tid // nth, items * (tid + 1) // nth):
            ky, rest = item % kh, item // kh
            i, rest = rest % ins, rest // ins
            out, group = rest % outs, rest // outs
            a_start = x + group * a_group + i * a_plane + ky * cell_line
            b_start = dy + group * b_group + out * vectors * b_plane
            c_start = dw + group * c_group + out * vectors * c_out + i * c_in + ky * kw * 1024
            add = -1
            for n in range(images):
                for top in range(0, height, lines):
                    here = min(lines, height - top)
                    a = a_start + n * a_image + top * a_line
                    b = b_start + n * b_image + top * b_line
                    for kx in range(kw):
                        for part in range(parts):
                            tile(
                                lanes, vectors, 1, 4, a + kx * cell_pixel + part * lanes * 4, b,
                                c_start + kx * 1024 + part * lanes * 64, 0, add, 0, 64, b_plane, c_out,
                                1, 0, 0, here, a_line, b_line, width, a_pixel, 64,
                            )  # fmt: skip
                    add = 0

    return body


@functools.cache
def weight_tiles_first(columns: int, vectors: int, a_row: int) -> Entry:
    @entry
    def body(row: int, tid: int, nth: int) -> None:
        x, dy, dw = arg(row, 0), arg(row, 1), arg(row, 2)
        images, outs, ins, kh, height = arg(row, 3), arg(row, 4), arg(row, 5), arg(row, 6), arg(row, 7)
        width, a_image, a_plane, a_line = arg(row, 8), arg(row, 9), arg(row, 10), arg(row, 11)
        a_pixel, cell_line = arg(row, 12), arg(row, 13)
        b_image, b_plane, b_line = arg(row, 14), arg(row, 15), arg(row, 16)
        c_out, c_in, c_line, lines = arg(row, 17), arg(row, 18), arg(row, 19), arg(row, 20)
        items = outs * ins * kh
        for item in range(items * tid // nth, items * (tid + 1) // nth):
            ky, rest = item % kh, item // kh
            i, out = rest % ins, rest // ins
            a_start = x + i * a_plane + ky * cell_line
            b_start = dy + out * vectors * b_plane
            c = dw + out * vectors * c_out + i * c_in + ky * c_line
            add = -1
            for n in range(images):
                for top in range(0, height, lines):
                    tile(
                        columns, vectors, 1, a_row, a_start + n * a_image + top * a_line,
                        b_start + n * b_image + top * b_line, c, 0, add, 0, 64, b_plane, c_out,
                        1, 0, 0, min(lines, height - top), a_line, b_line, width, a_pixel, 64,
                    )  # fmt: skip
                    add = 0

    return body


@entry
def bias_sums(row: int, tid: int, nth: int) -> None:
    dy, db, images, planes = arg(row, 0), arg(row, 1), arg(row, 2), arg(row, 3)
    height, width, image, plane, line = arg(row, 4), arg(row, 5), arg(row, 6), arg(row, 7), arg(row, 8)
    one = row + 9 * 8  # the sum is a product with the float 1 in the row itself
    for block in range(planes * tid // nth, planes * (tid + 1) // nth):
        for n in range(images):
            tile(
                1, 1, 1, 0, one, dy + n * image + block * plane, db + block * 64, 0, -1 if n == 0 else 0, 0, 0, 0, 0,
                1, 0, 0, height, 0, line, width, 0, 64,
            )  # fmt: skip
