"""MatMul and Reverse on the fast executor: the numbers of the layers' own kernels, whatever the threads."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from netc.api import planning
from netc.api.definition import loads
from netc.fast.program.families import family_of
from netc.layer import Array
from netc.layers.mat_mul import MAT_MUL
from netc.run import Net
from netc.run.fast import Fast
from tests.run.common import fill, run


def product(seed: int) -> str:
    """Of matrices of random sizes, turned or not, one second matrix for all or one for each."""
    random = Random(seed)
    count, m, n, k = random.choice([1, 2, 7]), *(random.choice([1, 5, 16, 33, 70]) for _ in range(3))
    turn_a, turn_b = (random.choice([False, True]) for _ in range(2))
    first, second = [k, m] if turn_a else [m, k], [n, k] if turn_b else [k, n]
    if turn_a or random.random() < 0.7:
        second = [count, *second]
    return f"""
a = Input() {{ shape {{ dim: {[count, *first]} }} }}
b = Input() {{ shape {{ dim: {second} }} }}
y = MatMul(a, b) {{ transpose_a: {str(turn_a).lower()} transpose_b: {str(turn_b).lower()} }}
loss = Reduction(y) {{ operation: SUMSQ loss_weight: 0.5 }}
"""


def turned(seed: int) -> str:
    """Sequences along either axis, and a whole axis."""
    random = Random(seed)
    axis, sizes = seed % 2, [random.choice([1, 4, 9]), random.choice([1, 3, 8]), random.choice([1, 16, 21])]
    return f"""
x = Input() {{ shape {{ dim: {sizes} }} }}
labels2_cont = Input() {{ shape {{ dim: {sizes[:2]} }} }}
y = Reverse(x, labels2_cont) {{ axis: {axis} }}
z = Reverse(y) {{ axis: {random.choice([0, 1, 2])} }}
z = Eltwise(z, x) {{ operation: PROD }}
loss = Reduction(z) {{ operation: SUM loss_weight: 1 }}
"""


def found(text: str, executor: str, threads: int = 1) -> dict[str, Array]:
    net = Net(planning.plan(loads("force_backward: true\n" + text), "TRAIN"), executor=executor, threads=threads)
    fill(net, 0)
    if isinstance(net.executor, Fast):
        steps = (item.step for item in (*net.executor.program.forward, *net.executor.program.backward))
        called = {net.graph.nodes[s.layer].type.name for s in steps if s and s.kind in ("forward", "backward")}
        assert not called & {"MatMul", "Reverse"}
    return run(net)


@pytest.mark.parametrize("make", [product, turned])
@pytest.mark.parametrize("seed", range(12))
def test_the_numbers_are_those_of_the_layers_own_kernels(make, seed: int) -> None:
    wanted = found(make(seed), "reference")
    once, again = (found(make(seed), "fast", threads) for threads in (1, 3))
    for name, array in wanted.items():
        atol = 2e-5 * float(np.abs(array).max(initial=1e-3))
        np.testing.assert_allclose(once[name], array, rtol=0, atol=atol, err_msg=name)
        np.testing.assert_array_equal(once[name], again[name])


def test_one_matrix_for_many_that_are_turned_is_left_to_its_own_kernels() -> None:
    net = "a = Input() { shape { dim: [2, 4, 3] } }\nb = Input() { shape { dim: [4, 2] } }\n"
    plan = planning.plan(loads(net + "y = MatMul(a, b) { transpose_a: true }"), "TEST", training=False)
    made = Net(plan, executor="fast")
    fill(made, 0)
    assert family_of(MAT_MUL) is not None
    wanted = made.inputs["a"].swapaxes(1, 2) @ made.inputs["b"]
    np.testing.assert_allclose(made.forward()["y"], wanted, atol=1e-5)
