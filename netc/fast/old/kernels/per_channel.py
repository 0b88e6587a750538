"""A factor for each channel: PReLU's slopes, Axpy's and Scale's gates, and their gradients, on blocked blobs.

Factors lie plain. Sums over pixels go line by line: each line in order, then their sums in order, in one thread.
"""

from __future__ import annotations

from netc.fast.machine.emit import arg
from netc.fast.machine.launch import Launch, Ref
from netc.fast.machine.layout import Blocked
from netc.fast.machine.memory import floats, zero
from netc.fast.old.nothing import NOTHING
from netc.jit import entry, kernel


def work_bytes(x: Blocked, threads: int) -> int:
    """What `dots` and `slope_gradient` need."""
    return x.n * x.blocks * 64 + threads * 64


def prelu(x: Blocked, slopes: Ref, shared: bool, y: Blocked, label: str = "") -> list[Launch]:
    """y = x where x > 0, slope * x elsewhere."""
    return [Launch(_prelu, (*_place(x), *_place(x), *_place(y), *_size(x), x.c, slopes, int(shared)), label)]


def prelu_gradient(x: Blocked, slopes: Ref, shared: bool, dy: Blocked, dx: Blocked, label: str = "") -> list[Launch]:
    """dx = dy where x > 0, slope * dy elsewhere; dx may be dy."""
    return [Launch(_prelu, (*_place(x), *_place(dy), *_place(dx), *_size(x), x.c, slopes, int(shared)), label)]


def slope_gradient(
    x: Blocked, dy: Blocked, slopes: Ref, shared: bool, work: Ref, threads: int, label: str = ""
) -> list[Launch]:
    """slopes += the sums of x dy where x is not positive."""
    sums = work + threads * 64
    rows = [Launch(_dots, (*_place(x), *_place(dy), *_size(x), sums, work, 1), label)]
    return [*rows, Launch(_add_images, (sums, slopes, x.n, x.blocks, x.c, int(shared)), label)]


def gated(gates: Ref, x: Blocked, z: Blocked | None, y: Blocked, label: str = "") -> list[Launch]:
    """y = gate x (+ z), with a gate for each image and channel (N x C); y may be x or z."""
    places = (*_place(x), *(_place(z) if z else (NOTHING,) * 4), *_place(y))
    return [Launch(_gated, (*places, *_size(x), x.c, gates), label)]


def dots(x: Blocked, dy: Blocked, target: Ref, work: Ref, threads: int, label: str = "") -> list[Launch]:
    """target (N x C) = the sums of x dy over each plane."""
    sums = work + threads * 64
    rows = [Launch(_dots, (*_place(x), *_place(dy), *_size(x), sums, work, 0), label)]
    return [*rows, Launch(_to_plain, (sums, target, x.n, x.blocks, x.c), label)]


def _place(blob: Blocked) -> tuple[Ref, int, int, int]:
    return blob.inner, blob.image, blob.plane, blob.line


def _size(blob: Blocked) -> tuple[int, int, int, int]:
    return blob.n, blob.blocks, blob.h, blob.w


# ---------------------------------------------------------------- kernels


@kernel(inline="always")
def _line(row: int, first: int, n: int, block: int, y: int) -> int:
    """The address of a line of the blob whose place starts at argument `first`."""
    start: int = arg(row, first) + n * arg(row, first + 1) + block * arg(row, first + 2)
    address: int = start + y * arg(row, first + 3)
    return address


@entry
def _prelu(row: int, tid: int, nth: int) -> None:
    planes, height, width, channels = arg(row, 13), arg(row, 14), arg(row, 15), arg(row, 16)
    shared = arg(row, 18)
    slopes = floats(arg(row, 17), 1 if shared != 0 else channels)
    items = arg(row, 12) * planes * height
    for item in range(items * tid // nth, items * (tid + 1) // nth):
        line, plane = item % height, item // height
        n, block = plane // planes, plane % planes
        sign, x = floats(_line(row, 0, n, block, line), width * 16), floats(_line(row, 4, n, block, line), width * 16)
        y = floats(_line(row, 8, n, block, line), width * 16)
        if shared != 0:
            slope = slopes[0]
            for i in range(width * 16):
                y[i] = x[i] if sign[i] > 0 else x[i] * slope
        elif block * 16 + 16 <= channels:
            own = slopes[block * 16 : block * 16 + 16]
            for pixel in range(width):
                for lane in range(16):
                    i = pixel * 16 + lane
                    y[i] = x[i] if sign[i] > 0 else x[i] * own[lane]
        else:
            lanes = channels - block * 16
            for pixel in range(width):
                for lane in range(16):
                    i = pixel * 16 + lane
                    if lane < lanes:
                        y[i] = x[i] if sign[i] > 0 else x[i] * slopes[block * 16 + lane]
                    else:
                        y[i] = 0


@entry
def _gated(row: int, tid: int, nth: int) -> None:
    planes, height, width, channels = arg(row, 13), arg(row, 14), arg(row, 15), arg(row, 16)
    items = arg(row, 12) * planes * height
    for item in range(items * tid // nth, items * (tid + 1) // nth):
        line, plane = item % height, item // height
        n, block = plane // planes, plane % planes
        x, y = floats(_line(row, 0, n, block, line), width * 16), floats(_line(row, 8, n, block, line), width * 16)
        z = floats(_line(row, 4, n, block, line) if arg(row, 4) != 0 else _line(row, 0, n, block, line), width * 16)
        lanes = min(16, channels - block * 16)
        gates = floats(arg(row, 17) + (n * channels + block * 16) * 4, lanes)
        for pixel in range(width):
            for lane in range(lanes):
                i = pixel * 16 + lane
                product = gates[lane] * x[i]
                y[i] = product + z[i] if arg(row, 4) != 0 else product
            for lane in range(lanes, 16):
                y[pixel * 16 + lane] = 0


@entry
def _dots(row: int, tid: int, nth: int) -> None:
    """Sums of each image and block; with argument 14, only where x is not positive."""
    planes, height, width, below = arg(row, 9), arg(row, 10), arg(row, 11), arg(row, 14)
    part = floats(arg(row, 13) + tid * 64, 16)
    items = arg(row, 8) * planes
    for item in range(items * tid // nth, items * (tid + 1) // nth):
        n, block = item // planes, item % planes
        zero(arg(row, 12) + item * 64, 64)
        total = floats(arg(row, 12) + item * 64, 16)
        for line in range(height):
            x = floats(_line(row, 0, n, block, line), width * 16)
            dy = floats(_line(row, 4, n, block, line), width * 16)
            zero(arg(row, 13) + tid * 64, 64)
            for pixel in range(width):
                for lane in range(16):
                    i = pixel * 16 + lane
                    value = x[i] * dy[i]
                    if below != 0 and x[i] > 0:
                        value = dy[i] * 0
                    part[lane] += value
            for lane in range(16):
                total[lane] += part[lane]


@entry
def _to_plain(row: int, tid: int, nth: int) -> None:
    planes, channels = arg(row, 3), arg(row, 4)
    if tid > 0:
        return
    for n in range(arg(row, 2)):
        sums, target = floats(arg(row, 0) + n * planes * 64, channels), floats(arg(row, 1) + n * channels * 4, channels)
        for c in range(channels):
            target[c] = sums[c]


@entry
def _add_images(row: int, tid: int, nth: int) -> None:
    images, planes, channels, shared = arg(row, 2), arg(row, 3), arg(row, 4), arg(row, 5)
    if tid > 0:
        return
    target = floats(arg(row, 1), 1 if shared != 0 else channels)
    for c in range(channels):
        total = 0.0
        for n in range(images):
            total += floats(arg(row, 0) + (n * planes * 16 + c) * 4, 1)[0]
        target[0 if shared != 0 else c] += total
