"""Sums over a batch, for each channel: of values and of their squares, or of a gradient and of its products.

They are float64s: of each image over lines and pixels, then over images, in order.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

from netc.fast.batch_norm.lines import add_gradients
from netc.fast.machine.addresses import floats
from netc.fast.machine.emit import LANES, POINTER
from netc.fast.machine.launch import Region
from netc.fast.machine.layout import Blocked
from netc.fast.machine.lines import line_at, share
from netc.fast.machine.operands import Entry, Read, Write, entry
from netc.fast.program.builder import Builder
from netc.jit import carray, intrinsic, kernel
from netc.jit import numba_types as types

SUMS_BYTES = 2 * 8 * LANES  # of an image's block: 16 sums and 16 sums of products, float64s


class Batch(NamedTuple):
    """What a batch's sums are of; values: of each channel, over all images."""

    images: int
    blocks: int
    channels: int
    values: int


@intrinsic
def doubles_at(_context: Any, address: Any) -> Any:
    def codegen(_context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        return b.inttoptr(arguments[0], POINTER)

    return types.CPointer(types.float64)(types.intp), codegen


@kernel
def cleared(place: int) -> int:
    sums = carray(doubles_at(place), (32,))
    for i in range(32):
        sums[i] = 0
    return place


@kernel
def over_images(sums: int, images: int, blocks: int, block: int) -> int:
    """Add a block's sums of all images to those of the first, in order; their place."""
    total = carray(doubles_at(sums + block * 256), (32,))
    for n in range(1, images):
        part = carray(doubles_at(sums + (n * blocks + block) * 256), (32,))
        for i in range(32):
            total[i] += part[i]
    return sums + block * 256


@kernel
def add_gradients_of(block: int, sums: int, channels: int, scale_gradient: int, bias_gradient: int) -> None:
    """Add a block's sums over all images to the gradients of a factor and a shift for each channel; 0: not wanted."""
    total = carray(doubles_at(sums), (32,))
    for lane in range(min(16, channels - block * 16)):
        if scale_gradient:
            floats(scale_gradient, channels)[block * 16 + lane] += total[16 + lane]
        if bias_gradient:
            floats(bias_gradient, channels)[block * 16 + lane] += total[lane]


@functools.cache
def gradient_sums(relu: bool) -> Entry[...]:
    """sums = those of g and g x_hat, of each image's blocks; g: dy, with relu 0 unless x_hat * factor + shift > 0."""
    number = int(relu)

    @entry
    def body(
        tid: int, nth: int, x_hat: Read[Blocked], dy: Read[Blocked], sums: Write[Region], factor: Read[Region],
        shift: Read[Region],
    ) -> None:  # fmt: skip
        for item in share(x_hat.n * x_hat.blocks, tid, nth):
            n, block = item // x_hat.blocks, item % x_hat.blocks
            place = cleared(sums + item * 256)
            for line in range(x_hat.h):
                at = n, block, line
                add_gradients(
                    number, line_at(x_hat, at), line_at(dy, at), x_hat.w, place, factor + block * 64, shift + block * 64
                )

    return body


def sums_of(b: Builder, x: Blocked) -> tuple[Region, Batch]:
    return b.new("sums", x.n * x.blocks * SUMS_BYTES), Batch(x.n, x.blocks, x.c, x.n * x.h * x.w)
