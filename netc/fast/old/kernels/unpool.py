"""Upsample by the mask of a MAX pooling or by repeating cells, on blocked blobs.

A thread's share is whole planes.
"""

from __future__ import annotations

from netc.fast.machine.emit import arg
from netc.fast.machine.launch import Launch, Ref
from netc.fast.machine.layout import Blocked
from netc.fast.machine.memory import floats, zero
from netc.jit import entry


def scatter(x: Blocked, places: Blocked, y: Blocked, label: str = "") -> list[Launch]:
    """y = 0 but for cell places[i], which gets x[i]."""
    return [Launch(_scatter, (*_place(x), *_place(places), *_place(y), *_size(x), y.h, y.w), label)]


def gather(dx: Blocked, places: Blocked, dy: Blocked, label: str = "") -> list[Launch]:
    """dx[i] = dy[places[i]], 0 where there is no place."""
    return [Launch(_gather, (*_place(dx), *_place(places), *_place(dy), *_size(dx), dy.h, dy.w), label)]


def repeat(x: Blocked, y: Blocked, down: int, across: int, label: str = "") -> list[Launch]:
    """Each cell of x becomes down x across cells of y."""
    return [Launch(_repeat, (*_place(x), *_place(y), *_size(x), down, across), label)]


def add_repeated(dx: Blocked, dy: Blocked, down: int, across: int, label: str = "") -> list[Launch]:
    """Each cell of dx is the sum of down x across cells of dy."""
    return [Launch(_add_repeated, (*_place(dx), *_place(dy), *_size(dx), down, across), label)]


def _place(blob: Blocked) -> tuple[Ref, int, int, int]:
    return blob.inner, blob.image, blob.plane, blob.line


def _size(blob: Blocked) -> tuple[int, int, int, int]:
    return blob.n, blob.blocks, blob.h, blob.w


# ---------------------------------------------------------------- kernels


@entry
def _scatter(row: int, tid: int, nth: int) -> None:
    planes, height, width, top_h, top_w = arg(row, 13), arg(row, 14), arg(row, 15), arg(row, 16), arg(row, 17)
    items = arg(row, 12) * planes
    for item in range(items * tid // nth, items * (tid + 1) // nth):
        n, block = item // planes, item % planes
        target = arg(row, 8) + n * arg(row, 9) + block * arg(row, 10)
        for y in range(top_h):
            zero(target + y * arg(row, 11), top_w * 64)
        for y in range(height):
            x = floats(arg(row, 0) + n * arg(row, 1) + block * arg(row, 2) + y * arg(row, 3), width * 16)
            places = floats(arg(row, 4) + n * arg(row, 5) + block * arg(row, 6) + y * arg(row, 7), width * 16)
            for i in range(width * 16):
                place = int(places[i])
                if place >= 0:
                    cell = target + place // top_w * arg(row, 11) + place % top_w * 64 + i % 16 * 4
                    floats(cell, 1)[0] = x[i]


@entry
def _gather(row: int, tid: int, nth: int) -> None:
    planes, height, width, top_w = arg(row, 13), arg(row, 14), arg(row, 15), arg(row, 17)
    items = arg(row, 12) * planes
    for item in range(items * tid // nth, items * (tid + 1) // nth):
        n, block = item // planes, item % planes
        source = arg(row, 8) + n * arg(row, 9) + block * arg(row, 10)
        for y in range(height):
            dx = floats(arg(row, 0) + n * arg(row, 1) + block * arg(row, 2) + y * arg(row, 3), width * 16)
            places = floats(arg(row, 4) + n * arg(row, 5) + block * arg(row, 6) + y * arg(row, 7), width * 16)
            for i in range(width * 16):
                place = int(places[i])
                if place >= 0:
                    cell = source + place // top_w * arg(row, 11) + place % top_w * 64 + i % 16 * 4
                    dx[i] = floats(cell, 1)[0]
                else:
                    dx[i] = 0


@entry
def _repeat(row: int, tid: int, nth: int) -> None:
    planes, height, width, down, across = arg(row, 9), arg(row, 10), arg(row, 11), arg(row, 12), arg(row, 13)
    items = arg(row, 8) * planes
    for item in range(items * tid // nth, items * (tid + 1) // nth):
        n, block = item // planes, item % planes
        for y in range(height * down):
            source = arg(row, 0) + n * arg(row, 1) + block * arg(row, 2) + y // down * arg(row, 3)
            x = floats(source, width * 16)
            target = floats(arg(row, 4) + n * arg(row, 5) + block * arg(row, 6) + y * arg(row, 7), width * across * 16)
            for cell in range(width):
                for copy in range(across):
                    for lane in range(16):
                        target[(cell * across + copy) * 16 + lane] = x[cell * 16 + lane]


@entry
def _add_repeated(row: int, tid: int, nth: int) -> None:
    planes, height, width, down, across = arg(row, 9), arg(row, 10), arg(row, 11), arg(row, 12), arg(row, 13)
    items = arg(row, 8) * planes
    for item in range(items * tid // nth, items * (tid + 1) // nth):
        n, block = item // planes, item % planes
        for y in range(height):
            start = arg(row, 0) + n * arg(row, 1) + block * arg(row, 2) + y * arg(row, 3)
            zero(start, width * 64)
            dx = floats(start, width * 16)
            for line in range(down):
                source = arg(row, 4) + n * arg(row, 5) + block * arg(row, 6) + (y * down + line) * arg(row, 7)
                dy = floats(source, width * across * 16)
                for cell in range(width):
                    for copy in range(across):
                        for lane in range(16):
                            dx[cell * 16 + lane] += dy[(cell * across + copy) * 16 + lane]
