"""Running launches on arrays, for tests of kernels."""

from __future__ import annotations

import numpy as np

from netc.fast.machine.launch import Launch, Region, bind
from netc.fast.machine.layout import Blocked
from netc.fast.machine.walk import Team
from netc.jit import BF16, bf16

BF16_WAYS = BF16[BF16.index(bf16() or "emulated") :]
"""How products of bfloat16 numbers can be made here."""


class Bench:
    """Arrays by number; every array starts as NaN, so what a kernel forgets to write shows."""

    def __init__(self) -> None:
        self.arrays: list[np.ndarray] = []

    def new(self, count: int, value: float = np.nan) -> int:
        raw = np.full(count + 32, value, np.float32)
        start = (-raw.ctypes.data % 64) // 4
        self.arrays.append(raw[start : start + count])
        return len(self.arrays) - 1

    def put(self, values: np.ndarray) -> int:
        index = self.new(values.size)
        self.arrays[index][:] = values.ravel()
        return index

    def region(self, index: int) -> Region:
        """An array as an operand."""
        return Region(index, 0, self.arrays[index].nbytes)

    def run(self, launches: list[Launch], threads: int = 1) -> None:
        team = Team(threads)
        team.run(bind(launches, lambda array: self.arrays[array].ctypes.data))
        team.close()

    def full(self, blob: Blocked) -> np.ndarray:
        """The blob with its halo: N x blocks x rows x columns x 16."""
        shape = (blob.n, blob.blocks, blob.plane // blob.line, blob.line // 64, 16)
        start = blob.base.offset // 4
        strides = (blob.image, blob.plane, blob.line, 64, 4)
        return np.lib.stride_tricks.as_strided(self.arrays[blob.base.array][start:], shape, strides)
