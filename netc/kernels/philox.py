"""Counter-based random numbers: Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").

A draw is a pure function of (seed, stream, iteration, index), so nothing depends on the order in which draws are made,
on the number of threads or on what was drawn before. The 64-bit key is the seed; the 128-bit counter holds the block
number (64 bits), the iteration and the stream (the lowest 32 bits of each). One block gives four 32-bit words; draw
`index` is word `index % 4` of block `index // 4`.

Kernels that need many draws should call `block` and use its four words; the functions of one index compute a whole
block each time.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netc.jit import kernel

Array = NDArray[Any]

Words = tuple[Any, Any, Any, Any]

# Unsigned constants: in numba the sum of a signed and an unsigned 64-bit integer is a float.
_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
_UNIT = 2.0**-24


@kernel
def rounds(c0: Any, c1: Any, c2: Any, c3: Any, k0: Any, k1: Any) -> Words:
    """Ten rounds of Philox4x32: four counter words and two key words to four words (all uint64 below 2^32)."""
    for _ in range(10):
        p0, p1 = _M0 * c0, _M1 * c2
        c0, c2 = (p1 >> _HALF) ^ c1 ^ k0, (p0 >> _HALF) ^ c3 ^ k1
        c1, c3 = p1 & _LOW, p0 & _LOW
        k0, k1 = (k0 + _W0) & _LOW, (k1 + _W1) & _LOW
    return c0, c1, c2, c3


@kernel
def block(seed: int, stream: int, iteration: int, number: int) -> Words:
    """The four 32-bit words of one block, as uint64."""
    key, at = np.uint64(seed), np.uint64(number)
    c2, c3 = np.uint64(iteration) & _LOW, np.uint64(stream) & _LOW
    words: Words = rounds(at & _LOW, at >> _HALF, c2, c3, key & _LOW, key >> _HALF)
    return words


@kernel
def bits(seed: int, stream: int, iteration: int, index: int) -> Any:
    """A uniform 32-bit word, as uint64."""
    w0, w1, w2, w3 = block(seed, stream, iteration, index // 4)
    lane = index % 4
    if lane < 2:
        return w0 if lane == 0 else w1
    return w2 if lane == 2 else w3


@kernel
def unit(word: Any) -> float:
    """A 32-bit word as a number in [0, 1): its upper 24 bits, so that float32 holds it exactly."""
    return float(word >> np.uint64(8)) * _UNIT


@kernel
def uniform(seed: int, stream: int, iteration: int, index: int) -> float:
    """A uniform number in [0, 1), a multiple of 2^-24."""
    value: float = unit(bits(seed, stream, iteration, index))
    return value


@kernel
def fill_uniform(out: Array, seed: int, stream: int, iteration: int) -> None:
    """Draws 0, 1, 2... of `uniform` into a flat array."""
    for number in range((out.size + 3) // 4):
        words = block(seed, stream, iteration, number)
        for lane in range(min(4, out.size - 4 * number)):
            out[4 * number + lane] = unit(words[lane])


def stream(name: str, position: int) -> int:
    """The random stream of a layer's blob: it depends on names only, so that other layers do not change the draws."""
    data = b"%b\0%d" % (name.encode("utf-8", "surrogateescape"), position)
    return int.from_bytes(blake2b(data, digest_size=4).digest(), "little")
