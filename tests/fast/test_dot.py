"""Dot products for small batches: against numpy, on awkward sizes, with any number of threads."""

import numpy as np
import pytest

from netc.fast.inner_product import dots
from netc.fast.inner_product.tiles import Sizes
from netc.fast.machine.launch import NOTHING, Region, bind
from netc.fast.machine.walk import Team

SIZES = [(1, 1, 16), (1, 4, 32), (2, 7, 48), (3, 10, 80), (4, 33, 400), (1, 1000, 4096)]


def run(sizes: tuple[int, int, int], bias: bool, relu: bool, threads: int) -> tuple[np.ndarray, np.ndarray]:
    m, n, k = sizes
    rng = np.random.default_rng(sum(sizes))
    x, w, b = (rng.standard_normal(s).astype(np.float32) for s in ((m, k), (n, k), (n,)))
    y = np.full((m, n), np.nan, np.float32)
    arrays = [x, w, b, y]
    at = [Region(i, 0, a.nbytes) for i, a in enumerate(arrays)]
    launch = dots.forward(x=at[0], w=at[1], bias=at[2] if bias else NOTHING, y=at[3], sizes=Sizes(*sizes), relu=relu)
    Team(threads).run(bind([launch], lambda i: arrays[i].ctypes.data))
    expected = x.astype(np.float64) @ w.T.astype(np.float64) + (b if bias else 0)
    return y, np.maximum(expected, 0) if relu else expected


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize(("bias", "relu"), [(True, False), (False, True)])
def test_against_numpy(sizes: tuple[int, int, int], bias: bool, relu: bool) -> None:
    found, expected = run(sizes, bias, relu, 1)
    np.testing.assert_allclose(found, expected, atol=1e-5 * max(1, np.abs(expected).max()))


def test_the_same_bits_for_any_number_of_threads() -> None:
    one, two, three = (run((3, 37, 256), True, False, threads)[0] for threads in (1, 2, 3))
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(one, three)


def test_only_small_batches_of_whole_vectors() -> None:
    assert dots.supported(4, 32)
    assert not dots.supported(9, 32)
    assert not dots.supported(1, 20)
