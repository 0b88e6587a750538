"""Kernels that move values: zeros, copies and sums, and from one layout to another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from netc.fast.machine.access import Access, box
from netc.fast.machine.addresses import floats, zero
from netc.fast.machine.emit import transpose_block
from netc.fast.machine.launch import Launch, Ref, Region
from netc.fast.machine.layout import PIXEL, Blocked, Halo, Plain, as_lines
from netc.fast.machine.lines import clipped, line_of, lines_of, share, spot
from netc.fast.machine.operands import Read, Write, entry
from netc.jit import kernel

# ---------------------------------------------------------------- zeros


def clear(target: Region) -> Launch:
    """Write zeros; its size is a multiple of 4."""
    return _clear(target=target, nbytes=target.nbytes)


@entry
def _clear(tid: int, nth: int, target: Write[Region], nbytes: int) -> None:
    lines = (nbytes + 63) // 64
    first, end = lines * tid // nth * 64, min(nbytes, lines * (tid + 1) // nth * 64)
    if end > first:
        zero(target + first, end - first)


class Around(NamedTuple):
    """Bytes of a plane's halo: before its first pixel, between the ends of two lines, after the last; and of a line."""

    before: int
    between: int
    after: int
    width: int


def clear_halo(blob: Blocked | Plain) -> list[Launch]:
    """The halo's zeros (no launch if there is no halo)."""
    halo = blob.halo
    if halo == Halo():
        return []
    planes, pixel = (blob.blocks, PIXEL) if isinstance(blob, Blocked) else (blob.c, 4)
    around = Around(
        halo.top * blob.line + halo.left * pixel,
        (halo.left + halo.right) * pixel,
        halo.bottom * blob.line + halo.right * pixel,
        blob.w * pixel,
    )
    base = Ref(blob.base.array, blob.base.offset)
    launch = _clear_halo(
        base=base, n=blob.n, planes=planes, image=blob.image, plane=blob.plane, lines=blob.h, around=around
    )
    return [replace(launch, wait=False)]


@entry
def _clear_halo(
    tid: int, nth: int, base: Ref, n: int, planes: int, image: int, plane: int, lines: int, around: Around
) -> None:
    for item in share(n * planes, tid, nth):
        start = base + item // planes * image + item % planes * plane
        zero(start, around.before)
        end = start + around.before
        for y in range(lines):
            end = start + around.before + y * (around.width + around.between) + around.width
            if y < lines - 1:
                zero(end, around.between)
        zero(end, around.after)


@_clear_halo.touches
def _(o: Any) -> Iterator[Access]:
    planes, step = ((o.n, o.image), (o.planes, o.plane)), o.around.width + o.around.between
    yield box("write", o.base, o.around.before, *planes)
    between = o.base + (o.around.before + o.around.width)
    yield box("write", between, o.around.between, *planes, (o.lines - 1, step))
    after = o.base + (o.around.before + o.lines * step - o.around.between)
    yield box("write", after, o.around.after, *planes)


# ---------------------------------------------------------------- copies and sums


def scaled(x: Blocked, y: Blocked, factor: float = 1) -> Launch:
    """y = factor * x."""
    x, y = as_lines(x, y)
    return _scaled(x=x, y=y, factor=factor)


@entry
def _scaled(tid: int, nth: int, x: Read[Blocked], y: Write[Blocked], factor: float) -> None:
    for item in share(lines_of(y), tid, nth):
        at = spot(y, item)
        source, target = line_of(x, at), line_of(y, at)
        for i in range(target.size):
            target[i] = factor * source[i]


def combined(
    a: Blocked, b: Blocked, y: Blocked, factor_a: float = 1, factor_b: float = 1, relu: bool = False
) -> Launch:
    """y = factor_a * a + factor_b * b, clipped at 0 for ReLU; y may be a or b."""
    a, b, y = as_lines(a, b, y)
    return _combined(a=a, b=b, y=y, factor_a=factor_a, factor_b=factor_b, relu=relu)


@entry
def _combined(
    tid: int, nth: int, a: Read[Blocked], b: Read[Blocked], y: Write[Blocked], factor_a: float, factor_b: float,
    relu: bool,
) -> None:  # fmt: skip
    for item in share(lines_of(y), tid, nth):
        at = spot(y, item)
        first, second, target = line_of(a, at), line_of(b, at), line_of(y, at)
        if relu:
            for i in range(target.size):
                total = factor_a * first[i] + factor_b * second[i]
                target[i] = clipped(total)
        else:
            for i in range(target.size):
                target[i] = factor_a * first[i] + factor_b * second[i]


def filled(y: Blocked, value: float) -> Launch:
    """y = value in every channel of its blocks (so 0, or a multiple of 16 channels)."""
    (y,) = as_lines(y)
    return _filled(y=y, value=value)


@entry
def _filled(tid: int, nth: int, y: Write[Blocked], value: float) -> None:
    for item in share(lines_of(y), tid, nth):
        target = line_of(y, spot(y, item))
        for i in range(target.size):
            target[i] = value


def copy_padded(source: Plain, target: Plain) -> list[Launch]:
    """NCHW to NCHW with a halo (whose zeros are written too)."""
    return [*clear_halo(target), _copy_padded(source=source, target=target)]


@entry
def _copy_padded(tid: int, nth: int, source: Read[Plain], target: Write[Plain]) -> None:
    planes = source.n * source.c
    for item in share(planes, tid, nth):
        for y in range(source.h):
            a = floats(source.inner + item * source.plane + y * source.line, source.w)
            b = floats(target.inner + item * target.plane + y * target.line, source.w)
            for x in range(source.w):
                b[x] = a[x]


# ---------------------------------------------------------------- layouts


def pack(source: Plain, target: Blocked) -> Launch:
    """NCHW to blocked; writes all of the target but its halo."""
    flat, blob = _lines(source, target)
    return _pack(flat=flat, blob=blob)


def unpack(source: Blocked, target: Plain) -> Launch:
    """Blocked to NCHW."""
    flat, blob = _lines(target, source)
    return _unpack(flat=flat, blob=blob)


def _lines(flat: Plain, blob: Blocked) -> tuple[Plain, Blocked]:
    """Planes as one long line where there is no halo."""
    if flat.halo != Halo() or blob.halo != Halo():
        return flat, blob
    return replace(flat, h=1, w=flat.h * flat.w), replace(blob, h=1, w=blob.h * blob.w)


@kernel(inline="always")
def _block(flat: Plain, blob: Blocked, item: int) -> tuple[Any, Any, int]:
    """The addresses of block number `item` in both layouts, and how many channels it has."""
    n, block = item // blob.blocks, item % blob.blocks
    plane = flat.inner + n * flat.image + block * 16 * flat.plane
    return plane, blob.inner + n * blob.image + block * blob.plane, min(16, flat.c - block * 16)


@entry
def _pack(tid: int, nth: int, flat: Read[Plain], blob: Write[Blocked]) -> None:
    for item in share(flat.n * blob.blocks, tid, nth):
        source, target, present = _block(flat, blob, item)
        for y in range(flat.h):
            for x in range(0, flat.w, 16):
                transpose_block(
                    source + y * flat.line + x * 4, flat.plane, target + y * blob.line + x * 64, 64,
                    present, min(16, flat.w - x), 16,
                )  # fmt: skip


@entry
def _unpack(tid: int, nth: int, blob: Read[Blocked], flat: Write[Plain]) -> None:
    for item in share(flat.n * blob.blocks, tid, nth):
        target, source, present = _block(flat, blob, item)
        for y in range(flat.h):
            for x in range(0, flat.w, 16):
                pixels = min(16, flat.w - x)
                transpose_block(
                    source + y * blob.line + x * 64, 64, target + y * flat.line + x * 4, flat.plane,
                    pixels, present, pixels,
                )  # fmt: skip
