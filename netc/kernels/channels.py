"""Sums over all axes but one: arrays seen as (outer, channels, inner)."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from netc.jit import kernel

Array = NDArray[Any]


@kernel
def channel_sums(a: Array, out: Array) -> None:
    """out[c] = the sum of a[n, c, s] over n and s; `out` should be float64."""
    out[:] = 0
    for n in range(a.shape[0]):
        for c in range(a.shape[1]):
            total = out[c]
            for s in range(a.shape[2]):
                total += a[n, c, s]
            out[c] = total


@kernel
def channel_dots(a: Array, b: Array, out: Array) -> None:
    """out[c] = the sum of a[n, c, s] * b[n, c, s] over n and s; `out` should be float64."""
    out[:] = 0
    for n in range(a.shape[0]):
        for c in range(a.shape[1]):
            total = out[c]
            for s in range(a.shape[2]):
                total += a[n, c, s] * b[n, c, s]
            out[c] = total
