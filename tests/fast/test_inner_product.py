import numpy as np
import pytest

from netc.fast.inner_product import tiles
from netc.fast.inner_product.ends import Ends
from netc.fast.inner_product.tiles import Sizes

from .harness import Bench


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(
    "sizes",
    [(3, 10, 16), (32, 35, 544), (17, 70, 48), (1, 1, 32), (20, 130, 1040), (5, 37, 20), (33, 60, 1031), (2, 3, 7)],
)
def test_inner_product_and_its_gradients(sizes, threads):
    m, n, k = sizes = Sizes(*sizes)
    rng = np.random.default_rng(0)
    x, w, b, dy = (rng.normal(size=s).astype(np.float32) for s in ((m, k), (n, k), (n,), (m, n)))
    bench = Bench()
    xr, wr, br, dyr = (bench.region(bench.put(a)) for a in (x, w, b, dy))
    workspace = bench.region(bench.new(tiles.workspace_bytes(sizes, threads) // 4))
    y, dx, dw, db = (bench.region(bench.new(a.size, start)) for a, start in ((dy, np.nan), (x, np.nan), (w, 1), (b, 1)))
    launches = tiles.forward(xr, wr, Ends(shift=br), y, sizes, workspace)
    launches += tiles.data_gradient(dyr, wr, dx, sizes, workspace)
    launches += tiles.weight_gradient(xr, dyr, dw, sizes, workspace)
    launches.append(tiles.bias_gradient(dy=dyr, db=db, m=m, n=n))
    bench.run(launches, threads)
    wide = [a.astype(np.float64) for a in (x, w, b, dy)]
    wanted = (wide[0] @ wide[1].T + b, wide[3] @ wide[1], wide[3].T @ wide[0] + 1, wide[3].sum(0) + 1)
    for place, expected in zip((y, dx, dw, db), wanted, strict=True):
        found = bench.arrays[place.array].reshape(expected.shape)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
