import numpy as np
import pytest

from netc.kernels.fast import inner_product
from netc.kernels.fast.rows import Ref

from .harness import Bench


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(
    "sizes",
    [(3, 10, 16), (32, 35, 544), (17, 70, 48), (1, 1, 32), (20, 130, 1040), (5, 37, 20), (33, 60, 1031), (2, 3, 7)],
)
def test_inner_product_and_its_gradients(sizes, threads):
    m, n, k = sizes
    rng = np.random.default_rng(0)
    x, w, b, dy = (rng.normal(size=s).astype(np.float32) for s in ((m, k), (n, k), (n,), (m, n)))
    bench = Bench()
    xr, wr, br, dyr = (Ref(bench.put(a)) for a in (x, w, b, dy))
    work = Ref(bench.new(inner_product.workspace_bytes(m, n, k, threads) // 4))
    y, dx, dw, db = (Ref(bench.new(a.size, start)) for a, start in ((dy, np.nan), (x, np.nan), (w, 1), (b, 1)))
    rows = inner_product.forward(xr, wr, br, y, sizes, work)
    rows += inner_product.data_gradient(dyr, wr, dx, sizes, work)
    rows += inner_product.weight_gradient(xr, dyr, dw, sizes, work)
    rows += inner_product.bias_gradient(dyr, db, m, n)
    bench.run(rows, threads)
    wide = [a.astype(np.float64) for a in (x, w, b, dy)]
    wanted = (wide[0] @ wide[1].T + b, wide[3] @ wide[1], wide[3].T @ wide[0] + 1, wide[3].sum(0) + 1)
    for place, expected in zip((y, dx, dw, db), wanted, strict=True):
        found = bench.arrays[place.array].reshape(expected.shape)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
