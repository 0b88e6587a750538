"""Dropout while training, with the random bits of the layer's own kernel: word i of Philox for value i of the blob.

Values are counted in the order of the plain array, so a blocked blob gets the same zeros.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from netc.fast.machine.emit import I64, POINTER, arg
from netc.fast.machine.launch import Launch, Ref
from netc.fast.machine.layout import Blocked
from netc.fast.machine.memory import float_of, floats
from netc.fast.old.kernels.pointwise import bits, line_of, places, share
from netc.fast.old.nothing import NOTHING
from netc.jit import Entry, entry, intrinsic, ir
from netc.jit import numba_types as types
from netc.kernels.philox import block

CLOCK_BYTES = 16  # the seed and the iteration, int64s


def masked(
    x: Blocked, y: Blocked, clock: Ref, keep: Ref | None, stream: int, factor: float, threshold: int, flat: bool,
    label: str = "",
) -> list[Launch]:  # fmt: skip
    """y = factor * x, or 0 where the value's word is below the threshold.

    keep: where to put seed and iteration for the backward pass. flat: the blobs are lines of a plain array.
    """
    arguments = (
        *places(x, x, y), clock, NOTHING if keep is None else keep, stream, bits(factor), threshold, y.c,
    )  # fmt: skip
    return [Launch(_masked(int(flat)), arguments, label)]


@intrinsic
def put(_context: Any, row: Any, index: Any, value: Any) -> Any:
    """Write an int64 where `arg` reads one."""

    def codegen(context: Any, b: Any, _signature: Any, arguments: Any) -> Any:
        address = b.add(arguments[0], b.shl(arguments[1], ir.Constant(I64, 3)))
        b.store(arguments[2], b.inttoptr(address, POINTER))
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, types.intp), codegen


@functools.cache
def _masked(flat: int) -> Entry:
    @entry
    def body(row: int, tid: int, nth: int) -> None:
        planes, lines, width = arg(row, 13), arg(row, 14), arg(row, 15)
        seed, iteration = arg(arg(row, 16), 0), arg(arg(row, 16), 1)
        stream, factor, threshold, channels = arg(row, 18), float_of(row, 19), arg(row, 20), arg(row, 21)
        if tid == 0 and arg(row, 17) != 0:
            put(arg(row, 17), 0, seed)
            put(arg(row, 17), 1, iteration)
        first, last = share(row, tid, nth)
        for item in range(first, last):
            x, y = floats(line_of(row, 0, item), width * 16), floats(line_of(row, 2, item), width * 16)
            if flat != 0:
                start = item * width * 16
                for number in range(start // 4, (start + width * 16) // 4):
                    words = block(seed, stream, iteration, number)
                    for lane in range(4):
                        at = number * 4 + lane - start
                        y[at] = x[at] * factor if np.int64(words[lane]) >= threshold else 0
            else:
                line, plane = item % lines, item // lines
                n, above = plane // planes, plane % planes * 16
                for lane in range(16):
                    channel = above + lane
                    start = ((n * channels + channel) * lines + line) * width
                    if channel >= channels:
                        for pixel in range(width):
                            y[pixel * 16 + lane] = 0
                    else:
                        for number in range(start // 4, (start + width + 3) // 4):
                            words = block(seed, stream, iteration, number)
                            for word in range(4):
                                pixel = number * 4 + word - start
                                if 0 <= pixel < width:
                                    at = pixel * 16 + lane
                                    y[at] = x[at] * factor if np.int64(words[word]) >= threshold else 0

    return body
