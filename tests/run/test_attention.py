"""Attention, LayerNorm, inner products of many rows: the numbers of the layers' own kernels, whatever the threads."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from netc.api import planning
from netc.api.definition import loads
from netc.layer import Array
from netc.run import Net
from tests.run.common import fill, run


def text(seed: int) -> str:
    """Attention of random sizes between inner products of more than 256 rows, with a mask or without."""
    random = Random(seed)
    heads, size, values = random.choice([1, 2, 3]), random.choice([1, 5, 16, 33]), random.choice([1, 7, 20])
    queries, keys = random.choice([1, 9, 40, 70]), random.choice([1, 5, 16, 37])
    images = 300 // min(queries, keys) if max(queries, keys) < 30 else 9
    causal, masked = (random.choice([True, False]) for _ in range(2))
    after = random.choice(["ReLU(y)", "ReLU(y) { negative_slope: 0.25 }", "TanH(y)"])
    return f"""
asked = Input() {{ shape {{ dim: [{images}, {queries}, 6] }} }}
known = Input() {{ shape {{ dim: [{images}, {keys}, 20] }} }}
labels2_shown = Input() {{ shape {{ dim: [{images}, {keys}] }} }}
q = InnerProduct(asked) {{ num_output: {heads * size} axis: 2 }}
k = InnerProduct(known) {{ num_output: {heads * size} axis: 2 bias_term: false }}
v = InnerProduct(known) {{ num_output: {heads * values} axis: 2 }}
y = Attention(q, k, v{", labels2_shown" if masked else ""}) {{ num_heads: {heads} causal: {str(causal).lower()} }}
y = InnerProduct(y) {{ num_output: {random.choice([3, 32, 50])} axis: 2 }}
y = {after}
y = LayerNorm(y) {{ axis: {random.choice([1, 2])} affine: {random.choice(["true", "false"])} }}
loss = Reduction(y) {{ operation: SUMSQ axis: 1 loss_weight: 0.1 }}
"""


def found(
    seed: int, executor: str, threads: int = 1, training: bool = True, dtype: type = np.float32
) -> dict[str, Array]:
    definition = loads("force_backward: true\n" + text(seed) if training else text(seed))
    plan = planning.plan(definition, "TRAIN" if training else "TEST", training=training)
    net = Net(plan, executor=executor, threads=threads, dtype=dtype)
    fill(net, seed)
    return run(net)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("seed", range(6))
def test_the_numbers_are_those_of_the_layers_own_kernels(seed: int, training: bool) -> None:
    wanted, given = (found(seed, executor, 2, training) for executor in ("reference", "fast"))
    assert wanted.keys() == given.keys()
    exact = found(seed, "reference", training=training, dtype=np.float64)
    for name, array in wanted.items():
        own = np.abs(array - exact[name]).max(initial=0)
        atol = max(2 * float(own), 2e-5 * float(np.abs(array).max(initial=1e-3)))
        np.testing.assert_allclose(given[name], exact[name], rtol=0, atol=atol, err_msg=name)


@pytest.mark.parametrize("seed", range(3))
def test_any_number_of_threads_gives_the_same_bits(seed: int) -> None:
    wanted = found(seed, "fast")
    for threads in (2, 5):
        given = found(seed, "fast", threads)
        assert all(np.array_equal(given[name], array) for name, array in wanted.items())


def test_who_sees_nobody_gives_zeros() -> None:
    net = """
x = Input() { shape { dim: [2, 3, 4] } }
shown = Input() { shape { dim: [2, 3] } }
y = Attention(x, x, x, shown) { causal: true }
"""
    made = Net(planning.plan(loads(net), "TEST", training=False), executor="fast")
    fill(made, 0)
    made.inputs["shown"][...] = [[0, 1, 1], [0, 0, 0]]
    y = made.forward()["y"]
    assert (y[0, 0] == 0).all()
    assert (y[1] == 0).all()
    np.testing.assert_array_equal(y[0, 1], made.inputs["x"][0, 1])
