import numpy as np
import pytest

from netc.fast.machine.layout import Halo, blocked, plain
from netc.fast.machine.moves import clear_halo, copy_padded, pack, unpack

from .harness import Bench


@pytest.mark.parametrize("shape", [(2, 3, 5, 7), (1, 16, 1, 1), (2, 35, 4, 20), (3, 40, 1, 1)])
@pytest.mark.parametrize("halo", [Halo(), Halo(1, 2, 3, 4), Halo(0, 0, 1, 0)])
@pytest.mark.parametrize("threads", [1, 3])
def test_a_blob_goes_to_blocks_and_back(shape, halo, threads):
    bench = Bench()
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    source = plain(bench.put(x), shape)
    target = blocked(1, shape, halo)
    bench.new(target.image * shape[0] // 4)
    back = plain(bench.new(x.size), shape)
    bench.run([*clear_halo(target), pack(source, target), unpack(target, back)], threads)
    assert np.array_equal(bench.arrays[2].reshape(shape), x)
    full = bench.full(target)
    assert np.count_nonzero(full) == x.size
    n, c, h, w = shape
    inside = full[:, :, halo.top : halo.top + h, halo.left : halo.left + w]
    assert np.array_equal(inside.transpose(0, 1, 4, 2, 3).reshape(n, -1, h, w)[:, :c], x)


def test_a_copy_gets_a_halo_of_zeros():
    bench = Bench()
    x = np.random.default_rng(0).normal(size=(2, 3, 5, 7)).astype(np.float32)
    source, target = plain(bench.put(x), x.shape), plain(1, x.shape, Halo(1, 2, 3, 4))
    bench.new(target.image * 2 // 4)
    bench.run(copy_padded(source, target), 2)
    assert np.array_equal(bench.arrays[1].reshape(2, 3, 9, 13), np.pad(x, ((0, 0), (0, 0), (1, 3), (2, 4))))
