import numpy as np
import pytest

from netc.fast import lrn
from netc.fast.machine.layout import Halo, blocked, plain
from netc.fast.machine.moves import clear_halo, pack, unpack

from .harness import Bench


def around(values, reach):
    padded = np.pad(values, ((0, 0), (reach, reach), (0, 0), (0, 0)))
    return sum(padded[:, i : i + values.shape[1]] for i in range(2 * reach + 1))


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(("reach", "beta", "k"), [(2, 0.75, 1), (1, 0.6, 2), (7, 1.3, 0.5)])
def test_normalization_across_channels(reach, beta, k, threads):
    shape, alpha = (2, 37, 3, 5), 0.3
    rng = np.random.default_rng(0)
    x, dy = (3 * rng.normal(size=shape).astype(np.float32) for _ in range(2))
    wide, given = x.astype(np.float64), dy.astype(np.float64)
    s = k + alpha * around(wide**2, reach)
    y_ = wide * s**-beta
    dx_ = given * s**-beta - 2 * alpha * beta * wide * around(given * wide * s ** (-beta - 1), reach)
    bench = Bench()
    sources = [plain(bench.put(a), shape) for a in (x, dy)]
    blobs = [blocked(i, shape, halo) for i, halo in ((2, Halo()), (3, Halo(1, 1, 1, 1)), (4, Halo(0, 2)), (5, Halo()))]
    for blob in blobs:
        bench.new(blob.n * blob.image // 4)
    xb, dyb, y, dx = blobs
    scratch = bench.region(bench.new(threads * lrn.scratch_bytes(xb) // 4))
    constants = lrn.Constants(reach, alpha, beta, k)
    launches = [r for blob in blobs for r in clear_halo(blob)] + [pack(sources[0], xb), pack(sources[1], dyb)]
    launches += [lrn.normalized(xb, y, constants), lrn.gradient(xb, dyb, dx, constants, scratch)]
    outs = [bench.new(x.size), bench.new(x.size)]
    launches += [unpack(y, plain(outs[0], shape)), unpack(dx, plain(outs[1], shape))]
    bench.run(launches, threads)
    np.testing.assert_allclose(bench.arrays[outs[0]].reshape(shape), y_, rtol=2e-6, atol=1e-6)
    np.testing.assert_allclose(bench.arrays[outs[1]].reshape(shape), dx_, rtol=1e-5, atol=3e-6)
