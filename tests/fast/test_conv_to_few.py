"""Convolution of 1 x 1 to few channels, by itself and in nets."""

import numpy as np
import pytest

from netc.fast.convolution import few
from netc.fast.machine.launch import NOTHING
from netc.fast.machine.layout import Halo, plain
from tests.run.test_fast import compare, conv, data, layer

from .harness import Bench
from .test_conv import blob, make


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(
    ("shape", "outputs", "halo"),
    [((1, 32, 3, 37), 2, Halo()), ((2, 16, 5, 16), 1, Halo(1, 1, 1, 1)), ((3, 64, 2, 5), 4, Halo(0, 2, 1, 0))],
)
def test_sums_over_channels(shape, outputs, halo, bias):
    rng = np.random.default_rng(0)
    x, w, b = (rng.normal(size=s).astype(np.float32) for s in (shape, (outputs, shape[1]), (outputs,)))
    bench = Bench()
    source, launches = blob(bench, x, shape, halo)
    top = (shape[0], outputs, *shape[2:])
    y = bench.new(int(np.prod(top)))
    weights, start = bench.region(bench.put(w)), bench.region(bench.put(b)) if bias else NOTHING
    bench.run([*launches, few.forward(source, weights, start, plain(y, top))], 2)
    wanted = np.einsum("nchw,oc->nohw", x.astype(np.float64), w) + (b[:, None, None] if bias else 0)
    np.testing.assert_allclose(bench.arrays[y].reshape(top), wanted, rtol=0, atol=2e-5)


def test_only_where_blocks_would_be_mostly_empty():
    assert few.faster(make(32, 4, (5, 5), (1, 1)))
    assert not few.faster(make(32, 16, (5, 5), (1, 1)))
    assert not few.faster(make(20, 2, (5, 5), (1, 1)))
    assert not few.faster(make(32, 2, (5, 5), (3, 3)))
    assert not few.faster(make(32, 2, (5, 5), (1, 1), stride=(2, 2)))
    assert not few.faster(make(32, 2, (5, 5), (1, 1), pad=(1, 1)))
    assert not few.faster(make(32, 2, (5, 5), (1, 1), groups=2))


BODY = data(2, 20, 9, 11) + conv("data", "a", "num_output: 32 kernel_size: 3")
SCORES = conv("a", "b", "num_output: 2 kernel_size: 1") + layer("Softmax", "b", "prob")
ALONE = conv("a", "c", "num_output: 3 kernel_size: 1 bias_term: false")
BEFORE_RELU = conv("a", "d", "num_output: 2 kernel_size: 1") + layer("ReLU", "d", "d", name="d/relu")
AGAIN = conv("a", "e", "num_output: 2 kernel_size: 1") + conv("e", "f", "num_output: 5 kernel_size: 3")


@pytest.mark.parametrize(
    ("tail", "count"), [(SCORES, 1), (ALONE, 1), (SCORES + ALONE, 2), (BEFORE_RELU, 0), (AGAIN, 0)]
)
def test_layers_go_so_that_end_a_net_which_does_not_learn(tail, count):
    def found(phase):
        program = compare(BODY + tail, phase, tolerance=1e-4).executor.program
        return sum(i.launch is not None and i.launch.label == "convolution to few channels" for i in program.forward)

    assert found("TEST") == count
