"""Dot products for small batches: against numpy, on awkward sizes, with any number of threads."""

import numpy as np
import pytest

from netc.kernels.fast import dot
from netc.kernels.fast.rows import NOTHING, Ref, bind
from netc.kernels.fast.walk import Team

SIZES = [(1, 1, 16), (1, 4, 32), (2, 7, 48), (3, 10, 80), (4, 33, 400), (1, 1000, 4096)]


def run(sizes: tuple[int, int, int], bias: bool, relu: bool, threads: int) -> tuple[np.ndarray, np.ndarray]:
    m, n, k = sizes
    rng = np.random.default_rng(sum(sizes))
    x, w, b = (rng.standard_normal(s).astype(np.float32) for s in ((m, k), (n, k), (n,)))
    y = np.full((m, n), np.nan, np.float32)
    arrays = [x, w, b, y]
    rows = dot.forward(Ref(0), Ref(1), Ref(2) if bias else NOTHING, Ref(3), sizes, relu)
    Team(threads).run(bind(rows, lambda i: arrays[i].ctypes.data))
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
    assert dot.supported(4, 32)
    assert not dot.supported(9, 32)
    assert not dot.supported(1, 20)
