"""Mean and covariance in one pass are numpy's of all rows."""

from __future__ import annotations

import numpy as np
import pytest

from netc.kernels.moments import Moments


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("sizes", [(1, 1), (5,), (3, 0, 7, 1), (64, 64, 64, 13)])
def test_as_numpy(together: bool, sizes: tuple[int, ...]) -> None:
    random = np.random.default_rng(len(sizes))
    rows = (random.standard_normal((sum(sizes), 6)) @ random.standard_normal((6, 6)) + 1e4).astype(np.float32)
    moments, at = Moments(6, together), 0
    for size in sizes:
        moments.add(rows[at : at + size])
        at += size
    wide = rows.astype(np.float64)
    expected = np.cov(wide, rowvar=False) if together else wide.var(0, ddof=1)
    assert moments.count == len(rows)
    np.testing.assert_allclose(moments.mean, wide.mean(0), rtol=1e-12)
    np.testing.assert_allclose(moments.variance, expected, rtol=1e-7, atol=1e-9)


def test_one_row_has_no_variance() -> None:
    moments = Moments(2)
    moments.add(np.array([[1.0, 2.0]]))
    np.testing.assert_array_equal(moments.variance, [0, 0])
