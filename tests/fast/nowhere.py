"""Moves blocks at the edge of memory as a processor may that touches what masks hide: `python -m tests.fast.nowhere`.

Blocks lie between pages that nobody may touch. Masked loads and stores are made plain ones here, which is what AMD's
manual of VMASKMOVPS permits; rows that are not there must not be looked for where they would lie. A fault ends the
process.
"""

from __future__ import annotations

import ctypes
import mmap
from typing import Any

import numpy as np

from netc.fast.machine import emit
from netc.fast.machine.emit import add_lanes, copy_lanes, transpose_block
from netc.jit import kernel

PAGE = mmap.PAGESIZE


def load(b: Any, pointer: Any, mask: Any) -> Any:
    return b.select(mask, emit.load(b, pointer), emit.constant(0))


def store(b: Any, vector: Any, pointer: Any, mask: Any) -> None:
    emit.store(b, b.select(mask, vector, emit.load(b, pointer)), pointer)


@kernel
def turned(source: int, step: int, target: int, target_step: int, rows: int, columns: int) -> None:
    transpose_block(source, step, target, target_step, rows, columns, 16)


@kernel
def copied(source: int, target: int, count: int) -> None:
    copy_lanes(source, target, count, count)
    add_lanes(source, target, count)


class Guarded:
    """One page of floats, at its end, between two that fault."""

    def __init__(self) -> None:
        self.memory = mmap.mmap(-1, 3 * PAGE)
        start = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        protect = ctypes.CDLL(None, use_errno=True).mprotect
        for page in (0, 2):
            assert protect(ctypes.c_void_p(start + page * PAGE), ctypes.c_size_t(PAGE), 0) == 0
        self.end = start + 2 * PAGE
        self.values = np.frombuffer(self.memory, np.float32, PAGE // 4, PAGE)


def main() -> None:
    emit.load_masked, emit.store_masked = load, store  # type: ignore[assignment]
    given, made = Guarded(), Guarded()
    random = np.random.default_rng(0)
    for rows in range(17):
        for columns in range(17):
            given.values[:], made.values[:] = random.normal(size=PAGE // 4), 0
            turned(given.end - 64 * rows, 64, made.end - 64 * columns, 64, rows, columns)
            source, found = given.values[-256:].reshape(16, 16), made.values[-256:].reshape(16, 16)
            assert np.array_equal(found[16 - columns :, :rows], source[16 - rows :, :columns].T)
            assert not found[16 - columns :, rows:].any()
            assert not found[: 16 - columns].any()
    copied(given.end, made.end, 0)  # nothing, from nowhere to nowhere
    copied(given.end - 64, made.end - 64, 16)
    assert np.array_equal(made.values[-16:], 2 * given.values[-16:])
    print("done")


if __name__ == "__main__":
    main()
