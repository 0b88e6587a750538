"""How bodies go over blobs: each thread's share of the lines of pixels, and a line as an array of floats."""

from __future__ import annotations

from typing import Any

import numpy as np

from netc.fast.machine.addresses import floats
from netc.fast.machine.layout import Blocked
from netc.jit import kernel

Spot = tuple[int, int, int]  # image, block of 16 channels, line


@kernel(inline="always")
def share(items: int, tid: int, nth: int) -> range:
    """The items that thread `tid` of `nth` does."""
    return range(items * tid // nth, items * (tid + 1) // nth)


@kernel(inline="always")
def lines_of(blob: Blocked) -> int:
    """How many lines of pixels there are, over all images and blocks."""
    return blob.n * blob.blocks * blob.h


@kernel(inline="always")
def spot(blob: Blocked, item: int) -> Spot:
    """Where line number `item` is: for all blobs of one shape the same, so it is computed once."""
    plane, line = item // blob.h, item % blob.h
    return plane // blob.blocks, plane % blob.blocks, line


@kernel(inline="always")
def line_at(blob: Blocked, spot: Spot) -> Any:
    """The address of a line."""
    n, block, line = spot
    return blob.inner + n * blob.image + block * blob.plane + line * blob.line


@kernel(inline="always")
def line_of(blob: Blocked, spot: Spot) -> Any:
    """A line as an array: 16 floats a pixel."""
    return floats(line_at(blob, spot), blob.w * 16)


@kernel(inline="always")
def clipped(value: float) -> Any:
    """A float32 clipped at 0 as `clip_below` of the tiles does it, so that whoever does a ReLU gives the same bits: NaN
    and -0 stay, as in Caffe."""
    return np.float32(0) if value < 0 else value


@kernel(inline="always")
def sloped(value: float, slope: float) -> Any:
    """A float32, times a slope if it is below 0: as the tiles do it, for the same reason."""
    return value * slope if value < 0 else value
