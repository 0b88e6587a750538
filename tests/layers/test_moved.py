"""Layers that move values, or stop and turn gradients: against loops in numpy, and in whole nets."""

from __future__ import annotations

import numpy as np
import pytest

import netc
from netc.api.gradcheck import gradcheck
from netc.errors import NetError
from netc.layer import Example, Input
from tests.layers.harness import Array, Bench, known


def turned_around(x: Array, cont: Array, axis: int) -> Array:
    """Sequence by sequence, in lists."""
    y = np.empty_like(x)
    for other in range(cont.shape[1 - axis]):
        steps = [(t, other) if axis == 0 else (other, t) for t in range(cont.shape[axis])]
        sequences: list[list[tuple[int, int]]] = []
        for at in steps:
            if cont[at] == 0 or not sequences:
                sequences.append([])
            sequences[-1].append(at)
        for sequence in sequences:
            for at, source in zip(sequence, reversed(sequence), strict=True):
                y[at] = x[source]
    return y


@pytest.mark.parametrize("seed", range(8))
def test_sequences_are_turned_around_where_they_stand(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(1, 9)), int(rng.integers(1, 9)), *rng.integers(1, 3, int(rng.integers(0, 3))))
    cont, axis = rng.integers(0, 2, shape[:2]) * rng.uniform(0.5, 1, shape[:2]), int(rng.integers(0, 2))
    given = (Input(shape), Input(shape[:2], "values", values=tuple(cont.ravel())))
    bench = Bench.of(known().types["Reverse"], Example(f"reverse_param {{ axis: {axis} }}", given))
    run = bench.backward(bench.forward().call)
    np.testing.assert_array_equal(run.tops[0], turned_around(bench.bottoms[0], cont, axis))
    np.testing.assert_array_equal(run.bottom_diffs[0], turned_around(run.call.top_diffs[0], cont, axis))


BIDIRECTIONAL = """
x = Input() { shape { dim: [6, 2, 3] } }
cont = Input() { shape { dim: [6, 2] } }
turned = Reverse(x, cont)
h = RNN(turned, cont) { num_output: 4 weight_filler { type: "xavier" } }
back = Reverse(h, cont)
"""


def test_a_recurrent_layer_runs_from_the_end_of_each_sequence() -> None:
    net = netc.Net(netc.loads(BIDIRECTIONAL, "both.net"), "TEST", executor="reference")
    x = np.random.default_rng(0).standard_normal((6, 2, 3)).astype(np.float32)
    ends = [[2, 6], [5, 6]]  # where the sequences of each stream end
    cont = np.ones((6, 2), np.float32)
    cont[0], cont[2, 0], cont[5, 1] = 0, 0, 0
    back = net.forward(x=x, cont=cont)["back"].copy()
    weights, bias, recurrent, output, output_bias = (np.array(p) for p in net.params["h"])
    for stream, stops in enumerate(ends):
        for first, stop in zip([0, *stops], stops, strict=False):
            state = np.zeros(4)
            for t in reversed(range(first, stop)):
                state = np.tanh(weights @ x[t, stream] + bias + recurrent @ state)
                np.testing.assert_allclose(back[t, stream], np.tanh(output @ state + output_bias), atol=1e-6)


@pytest.mark.parametrize(("axis", "shape"), [(-1, (2, 3)), (1, (2, 3, 2)), (0, (4,)), (-2, (2, 3))])
def test_one_hot_vectors(axis: int, shape: tuple[int, ...]) -> None:
    fields = f"one_hot_param {{ num_classes: 5 axis: {axis} ignore_label: -1 }}"
    values = np.random.default_rng(1).integers(-1, 5, shape)
    bench = Bench.of(known().types["OneHot"], Example(fields, (Input(shape, "values", values=tuple(values.ravel())),)))
    table = np.concatenate([np.eye(5), np.zeros((1, 5))])  # -1 is its last row
    np.testing.assert_array_equal(bench.forward().tops[0], np.moveaxis(table[values], -1, axis))


def test_a_value_that_is_no_class_is_an_error() -> None:
    for bad in (5.0, -1.0, float("nan")):
        given = Input((2,), "values", values=(1, bad))
        with pytest.raises(NetError) as caught:
            Bench.of(known().types["OneHot"], Example("one_hot_param { num_classes: 5 }", (given,))).forward()
        assert caught.value.diagnostics[0].code.id == "LAY100"


BRANCHES = """
x = Input() {{ shape {{ dim: [4, 3] }} }}
label = Input() {{ shape {{ dim: 4 }} }}
h = InnerProduct(x) {{ num_output: 5 weight_filler {{ type: "xavier" }} }}
between = {between}
score = InnerProduct(between) {{ num_output: 2 weight_filler {{ type: "xavier" }} }}
loss = SoftmaxWithLoss(score, label)
"""


def gradients(between: str, executor: str = "reference") -> tuple[Array, Array, netc.Net]:
    net = netc.Net(netc.loads(BRANCHES.format(between=between), "x.net"), "TRAIN", seed=3, executor=executor)
    rng = np.random.default_rng(0)
    net.forward(x=rng.standard_normal((4, 3)), label=np.array([0, 1, 1, 0]))
    net.zero_param_diffs()
    net.backward()
    found = {p.param.name: np.zeros(p.shape) if p.diff is None else p.diff.copy() for p in net.learned}
    return found["h/weights"], found["score/weights"], net


@pytest.mark.parametrize("executor", ["reference", "fast"])
def test_gradients_are_stopped_and_turned(executor: str) -> None:
    before, after, _ = gradients("Power(h)", executor)
    stopped, same, net = gradients("StopGradient(h)", executor)
    np.testing.assert_array_equal(stopped, 0)
    np.testing.assert_array_equal(same, after)
    assert not next(p for n, p in zip(net.graph.nodes, net.plan.layers, strict=True) if n.name == "h").needs_backward
    turned, same, _ = gradients("ReverseGradient(h) { scale: 0.25 }", executor)
    np.testing.assert_allclose(turned, -0.25 * before, rtol=1e-6)
    np.testing.assert_array_equal(same, after)


def test_a_gradient_check_says_why_such_a_gradient_is_no_derivative() -> None:
    for between, said in (
        ("StopGradient(h)", "StopGradient gives none"),
        ("ReverseGradient(h)", "ReverseGradient turns its sign"),
    ):
        checked = {c.layer: c for c in gradcheck(netc.loads(BRANCHES.format(between=between), "x.net"))}
        assert not checked["score"].excuse
        assert checked["score"].fine(1e-5)
        if "h" in checked:
            assert checked["h"].excuse == said


# ---------------------------------------------------------------- Eltwise repeats axes of size 1


@pytest.mark.parametrize("operation", ["SUM", "PROD", "MAX"])
@pytest.mark.parametrize("seed", range(6))
def test_bottoms_are_repeated_as_numpy_does(operation: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    whole = tuple(int(n) for n in rng.integers(1, 4, int(rng.integers(1, 5))))
    shapes = [tuple(n if rng.random() < 0.6 else 1 for n in whole) for _ in range(int(rng.integers(2, 5)))]
    shapes.append(whole)
    given = tuple(Input(shape, "distinct") for shape in shapes)
    bench = Bench.of(known().types["Eltwise"], Example(f"eltwise_param {{ operation: {operation} }}", given))
    function = {"SUM": np.add, "PROD": np.multiply, "MAX": np.maximum}[operation]
    wanted = bench.bottoms[0]
    for other in bench.bottoms[1:]:
        wanted = function(wanted, other)
    np.testing.assert_allclose(bench.forward().tops[0], wanted, rtol=1e-12)


REPEATED = """
x = Input() {{ shape {{ dim: [2, 3, 6, 6] }} }}
a = Convolution(x) {{ num_output: 8 kernel_size: 3 pad: 1 weight_filler {{ type: "msra" }} }}
pooled = Pooling(a) {{ pool: AVE global_pooling: true }}
gate = Convolution(pooled) {{ num_output: 8 kernel_size: 1 weight_filler {{ type: "msra" }} }}
y = Eltwise({order}) {{ operation: {operation} }}
y = ReLU(y)
z = Convolution(y) {{ num_output: 2 kernel_size: 1 weight_filler {{ type: "msra" }} }}
loss = Reduction(z) {{ operation: SUMSQ loss_weight: 0.1 }}
"""


@pytest.mark.parametrize("order", ["a, gate", "gate, a"])
@pytest.mark.parametrize("operation", ["SUM", "PROD", "MAX"])
def test_a_gate_for_each_channel_gives_the_same_on_both_executors(operation: str, order: str) -> None:
    definition = netc.loads(REPEATED.format(operation=operation, order=order), "gate.net")
    x, found = np.random.default_rng(0).standard_normal((2, 3, 6, 6)), []
    for executor in ("reference", "fast"):
        net = netc.Net(definition, "TRAIN", seed=1, executor=executor)
        loss = float(net.forward(x=x)["loss"])
        net.zero_param_diffs()
        net.backward()
        found.append([loss, *(p.diff.copy() for p in net.learned if p.diff is not None)])
    for reference, fast in zip(*found, strict=True):
        np.testing.assert_allclose(fast, reference, rtol=2e-4, atol=1e-5)
    for checked in gradcheck(definition):
        assert checked.fine(1e-4), checked
