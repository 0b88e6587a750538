"""Dot products for small batches: against numpy, on awkward sizes, with any number of threads."""

import numpy as np
import pytest

from netc.fast.inner_product import dots
from netc.fast.inner_product.ends import Ends
from netc.fast.inner_product.tiles import Sizes
from netc.fast.machine.launch import Region, bind
from netc.fast.machine.walk import Team

SIZES = [(1, 1, 16), (1, 4, 32), (2, 7, 48), (3, 10, 80), (4, 33, 400), (1, 1000, 4096)]


def run(sizes: tuple[int, int, int], parts: str, threads: int) -> tuple[np.ndarray, np.ndarray]:
    """parts: what becomes of the sums."""
    m, n, k = sizes
    rng = np.random.default_rng(sum(sizes))
    x, w, *rows = (rng.standard_normal(s).astype(np.float32) for s in ((m, k), (n, k), (n,), (n,), (n,)))
    y = np.full((m, n), np.nan, np.float32)
    arrays = [x, w, *rows, y]
    at = [Region(i, 0, a.nbytes) for i, a in enumerate(arrays)]
    given = {name: at[i] for i, name in enumerate(("factor", "shift", "slopes"), 2) if name in parts}
    ends = Ends(**given, relu="relu" in parts)
    launch = dots.forward(x=at[0], w=at[1], ends=ends, y=at[-1], sizes=Sizes(*sizes))
    Team(threads).run(bind([launch], lambda i: arrays[i].ctypes.data))
    expected = x.astype(np.float64) @ w.T.astype(np.float64)
    expected = expected * (rows[0] if "factor" in parts else 1) + (rows[1] if "shift" in parts else 0)
    below = rows[2] if "slopes" in parts else 0 if "relu" in parts else 1
    return y, np.where(expected > 0, expected, expected * below)


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("parts", ["", "shift", "relu", "factor shift slopes"])
def test_against_numpy(sizes: tuple[int, int, int], parts: str) -> None:
    found, expected = run(sizes, parts, 1)
    np.testing.assert_allclose(found, expected, atol=1e-5 * max(1, np.abs(expected).max()))


def test_the_same_bits_for_any_number_of_threads() -> None:
    one, two, three = (run((3, 37, 256), "factor shift slopes", threads)[0] for threads in (1, 2, 3))
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(one, three)


def test_only_small_batches_of_whole_vectors() -> None:
    assert dots.supported(4, 32)
    assert not dots.supported(9, 32)
    assert not dots.supported(1, 20)
