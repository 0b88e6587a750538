"""Each function against numpy, over the whole range of floats."""

import numpy as np
import pytest

from netc.fast import functions
from netc.fast.machine.layout import Halo, blocked, plain
from netc.fast.machine.moves import clear_halo, pack, unpack

from .harness import Bench

SPREAD = np.concatenate([np.linspace(-20, 20, 901), np.logspace(-30, 1.9, 180), -np.logspace(-30, 1.9, 180)])
ENDS = np.array([0.0, 88.6, -88.6, 120, -120, 1e30, -1e30, np.inf, -np.inf, np.nan])
X = np.concatenate([SPREAD, ENDS]).astype(np.float32)
CASES = {
    "absolute": ((), np.abs),
    "sigmoid": ((), lambda x: 1 / (1 + np.exp(-x))),
    "tanh": ((), np.tanh),
    "softplus": ((), lambda x: np.logaddexp(0, x)),
    "clip": ((-0.5, 1.5), lambda x: np.clip(x, -0.5, 1.5)),
    "relu6": ((), lambda x: np.clip(x, 0, 6)),
    "elu": ((0.5,), lambda x: np.where(x > 0, x, 0.5 * np.expm1(np.minimum(x, 0)))),
    "swish": ((1.5,), lambda x: x / (1 + np.exp(-1.5 * x))),
    "exp": ((0.5, 2.0), lambda x: 2 * np.exp(np.float32(0.5) * x)),
    "linear": ((-2.0, 0.3), lambda x: -2 * x + 0.3),
    "square": ((0.5, 1.0), lambda x: (0.5 * x + 1) ** 2),
    "cube": ((1.0, 0.0), lambda x: x**3),
    "root": ((1.0, 2.0), lambda x: np.sqrt(x + 2)),
    "inverse": ((1.0, 0.0), lambda x: 1 / x),
    "log": ((1.0, 0.0), np.log),
}
FROM_TOP = ("sigmoid", "tanh", "relu6", "elu", "exp")  # their gradients read the top


def test_every_function_has_a_case():
    assert set(CASES) == set(functions._FUNCTIONS)


def run(values, threads, launches_of):
    """Rows of blobs x, dy (all 2), y, dx with different halos, unpacked; also checks the lanes that must stay 0."""
    shape = (1, 5, 3, len(values))
    bench = Bench()
    x = np.broadcast_to(values, shape)
    sources = [plain(bench.put(a), shape) for a in (x, np.full(shape, 2, np.float32))]
    halos = (Halo(), Halo(1, 1, 1, 1), Halo(0, 2), Halo(1, 0))
    blobs = [blocked(2 + i, shape, halo) for i, halo in enumerate(halos)]
    for blob in blobs:
        bench.new(blob.n * blob.image // 4)
    launches = [r for blob in blobs for r in clear_halo(blob)]
    launches += [pack(sources[0], blobs[0]), pack(sources[1], blobs[1]), *launches_of(*blobs)]
    outs = [bench.new(x.size), bench.new(x.size)]
    launches += [unpack(blobs[2], plain(outs[0], shape)), unpack(blobs[3], plain(outs[1], shape))]
    bench.run(launches, threads)
    for blob in blobs[2:]:
        assert not bench.full(blob)[..., 5:].any()
        assert not bench.full(blob)[:, :, : blob.halo.top].any()
    found = [bench.arrays[out].reshape(shape) for out in outs]
    for array in found:
        np.testing.assert_array_equal(array, np.broadcast_to(array[:, :1, :1], shape))
    return [array[0, 0, 0] for array in found]


@pytest.mark.parametrize("name", CASES)
@np.errstate(all="ignore")
def test_values_and_gradients(name):
    constants, formula = CASES[name]

    def launches(x, dy, y, dx):
        kept = y if name in FROM_TOP else x
        return [functions.forward_of(name, x, y, constants), functions.gradient_of(name, kept, dy, dx, constants)]

    y, dx = run(X, 2, launches)
    wide = X.astype(np.float64)
    expected = formula(wide)
    top = np.abs(expected) > np.finfo(np.float32).max
    wanted = np.where(top, np.sign(expected) * np.inf, expected).astype(np.float32)
    np.testing.assert_allclose(y, wanted, rtol=1e-6, atol=1e-37 if name in ("exp", "sigmoid") else 1e-7)
    inner = np.abs(wide) < 15
    smooth = np.abs((formula(wide + 1e-3) - 2 * expected + formula(wide - 1e-3)) / 1e-6) < 50
    good = inner & smooth & np.isfinite(expected)
    slope = (formula(wide + 1e-5) - formula(wide - 1e-5)) / 2e-5
    np.testing.assert_allclose(dx[good], 2 * slope[good], rtol=3e-4, atol=1e-4)
    assert good.sum() > 100
