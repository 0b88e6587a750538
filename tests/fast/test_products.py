"""Products of large matrices, held to numpy."""

import numpy as np
import pytest

from netc.fast.machine import products
from netc.fast.machine.launch import NOTHING
from netc.fast.machine.products import Groups, Lines, Sizes

from .harness import Bench


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("sizes", [(1, 1, 1), (14, 32, 256), (29, 33, 257), (300, 17, 5), (9, 48, 600), (241, 64, 300)])
def test_a_product_is_that_of_numpy(sizes: tuple[int, int, int], turned: bool, threads: int) -> None:
    m, n, k = sizes
    rng = np.random.default_rng(0)
    a, b, bias = (rng.normal(size=s).astype(np.float32) for s in ((m, k), (k, n), (n,)))
    lies = np.zeros((k, m + 5) if turned else (m, k + 5), np.float32)  # rows with something behind them
    lies[:, : m if turned else k] = a.T if turned else a
    bench = Bench()
    given, width = bench.region(bench.put(lies)), 4 * lies.shape[1]
    packed = bench.region(bench.new(products.packed_bytes(n, k) // 4))
    room = bench.region(bench.new(products.room_bytes(threads) // 4))
    whole = np.zeros(-(-n // 32) * 32, np.float32)
    whole[:n] = bias
    shift, found = bench.region(bench.put(whole)), np.full((m, n + 3), 2, np.float32)
    y = bench.region(bench.put(found))
    wanted = a.astype(np.float64) @ b
    for lines, source in ((Lines(4 * n), b), (Lines(4 * k, turned=True), b.T)):
        for add, given_bias in ((False, shift), (True, NOTHING)):
            at = bench.region(bench.put(np.ascontiguousarray(source)))
            bench.run(
                [
                    products.packed(at, lines, packed, n, k),
                    products.product(
                        given, Lines(width, turned), packed, y, 4 * (n + 3), Sizes(m, n, k), room, add=add,
                        bias=given_bias,
                    ),
                ],
                threads,
            )  # fmt: skip
            result = bench.arrays[y.array].reshape(m, n + 3)
            before, found = found, result.copy()
            np.testing.assert_allclose(result[:, :n], wanted + (before[:, :n] if add else bias), atol=1e-3)
            assert (result[:, n:] == 2).all()


@pytest.mark.parametrize("groups", [(2, 5), (3, 16), (4, 20)])
def test_groups_are_packed_with_zeros_behind_them(groups: tuple[int, int]) -> None:
    count, size = groups
    room = products.up(size)
    rng, bench = np.random.default_rng(1), Bench()
    rows = rng.normal(size=(count, size, 37)).astype(np.float32)
    wanted = np.zeros((count, room, 37), np.float32)
    wanted[:, :size] = rows
    wanted = wanted.reshape(count * room, 37)
    source = bench.region(bench.put(rows))
    for turned in (False, True):
        n, k = (count * room, 37) if turned else (37, count * room)
        target = bench.region(bench.new(products.packed_bytes(n, k) // 4))
        launch = products.packed(source, Lines(4 * 37, turned), target, n, k, Groups(size, room))
        bench.run([launch], 2)
        panels = bench.arrays[target.array].reshape(-1, k, 32)
        found = panels.transpose(1, 0, 2).reshape(k, -1)
        np.testing.assert_array_equal(found[:, :n], wanted.T if turned else wanted)
        assert (found[:, n:] == 0).all()
