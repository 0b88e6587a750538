"""One net, any size: plans are made when the input is known, kept by shape, and share their parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import netc
from netc import run
from netc.api.recent import Recent
from netc.api.sized import MOST_PROGRAMS
from netc.errors import NetError
from netc.layer import Array

TEXT = """
force_backward: true
data = Input() { shape { dim: [2, 3, 8, 8] } }
c = Convolution(data) { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } }
c = ReLU(c)
p = Pooling(c) { pool: MAX kernel_size: 2 stride: 2 }
d = Dropout(p)
"""
DENSE = TEXT + 'f = InnerProduct(d) { num_output: 5 weight_filler { type: "xavier" } }\nprob = Softmax(f)\n'
EXECUTORS = [{"executor": "fast", "threads": 2}, {"executor": "reference"}, {"keep": True}]
SHAPES = [(2, 3, 8, 8), (1, 3, 11, 7), (3, 3, 8, 20), (2, 3, 8, 8), (1, 3, 11, 7), (1, 3, 64, 64)]


def images(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def code_of(error: NetError) -> str:
    return error.diagnostics[0].code.id


@pytest.mark.parametrize("options", EXECUTORS, ids=lambda o: next(iter(o.values())))
def test_any_shape_gives_what_a_net_of_that_shape_gives(options: dict[str, Any]) -> None:
    net = netc.Net(netc.loads(TEXT), seed=3, **options)
    weights = net.params["c"][0]
    for step, shape in enumerate(SHAPES):
        weights *= 1.5
        x = images(*shape, seed=step)
        fresh = netc.Net(netc.loads(TEXT), inputs={"data": shape}, seed=3, **options)
        fresh.params["c"][0][...] = weights
        fresh.set_input("data", x)
        wanted = fresh.forward()["d"]
        np.testing.assert_array_equal(net.forward(data=x)["d"], wanted)
        assert net.params["c"][0] is weights
        assert net.plan.shapes[0] == shape
        np.testing.assert_array_equal(net.forward()["d"], wanted)  # the input stays
    assert len(net._programs) == len(set(SHAPES))


def test_reshape_then_set() -> None:
    net = netc.Net(netc.loads(TEXT))
    x = images(1, 3, 12, 12)
    with pytest.raises(NetError) as caught:
        net.set_input("data", x)
    assert code_of(caught.value) == "RUN011"
    net.reshape(data=x.shape)
    assert net.inputs["data"].shape == x.shape
    net.inputs["data"][...] = x
    np.testing.assert_array_equal(net.forward()["d"], netc.Net(netc.loads(TEXT), batch=1).forward(data=x)["d"])


@pytest.mark.parametrize("options", EXECUTORS, ids=lambda o: next(iter(o.values())))
def test_only_what_runs_must_fit(options: dict[str, Any]) -> None:
    net, x = netc.Net(netc.loads(DENSE), **options), images(1, 3, 16, 16)
    small = images(2, 3, 8, 8)
    before = net.forward(data=small)["prob"]
    assert set(net.forward(end="c")) == {"c"}
    found = net.forward(data=x, end="p")
    assert {name: a.shape for name, a in found.items()} == {"p": (1, 4, 7, 7)}
    wanted = netc.Net(netc.loads(TEXT), keep=True).forward(data=x, end="p")["p"]
    np.testing.assert_allclose(found["p"], wanted, rtol=1e-5, atol=1e-6)
    for _ in range(2):
        with pytest.raises(NetError) as caught:
            net.forward()
        assert code_of(caught.value) == "RUN015"
    np.testing.assert_array_equal(net.forward(data=x, end="p")["p"], found["p"])
    np.testing.assert_array_equal(net.forward(data=small)["prob"], before)


def test_what_a_layer_makes_is_what_the_net_of_all_layers_makes() -> None:
    fast, kept = netc.Net(netc.loads(DENSE)), netc.Net(netc.loads(DENSE), keep=True)
    x = images(2, 3, 8, 8)
    kept.forward(data=x)
    for end in ("data", "c", "c/relu", "p", "d", "f", "prob"):
        found = fast.forward(data=x, end=end)
        (top,) = (fast.graph.values[v].name for v in next(n for n in fast.graph.nodes if n.name == end).tops)
        assert set(found) == {top}
        if end != "c":  # where the ReLU in place is still to come
            np.testing.assert_allclose(found[top], kept.blobs[top], rtol=1e-5, atol=1e-6)
        assert set(kept.forward(end=end)) == {top}


@pytest.mark.parametrize("executor", ["fast", "reference"])
def test_gradients_from_any_layer(executor: str) -> None:
    """Style transfer: a gradient put on a layer in the middle."""
    net = netc.Net(netc.loads(DENSE), training=True, executor=executor)
    plain = netc.Net(netc.loads(TEXT.split("d = ", maxsplit=1)[0]), training=True, executor="reference")
    for shape in ((2, 3, 8, 8), (1, 3, 14, 10)):
        x = images(*shape)
        gradient = images(*net.forward(data=x, end="p")["p"].shape, seed=1)
        plain.forward(data=x)
        for one in (net, plain):
            one.zero_param_diffs()
            one.backward(diffs={"p": gradient})
        np.testing.assert_allclose(net.diffs["data"], plain.diffs["data"], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(net.param_diffs["c"][0], plain.param_diffs["c"][0], rtol=1e-4, atol=1e-4)


def test_what_is_refused_changes_nothing() -> None:
    net, x = netc.Net(netc.loads(DENSE)), images(2, 3, 8, 8)
    before = net.forward(data=x)["prob"]
    for shapes, code in (
        ({"dta": (1, 3, 8, 8)}, "RUN010"),
        ({"data": (1, 3, 2, 2)}, "LAY005"),
        ({"data": (1,)}, "LAY"),
    ):
        with pytest.raises(NetError) as caught:
            net.reshape(**shapes)
        assert code_of(caught.value).startswith(code)
    with pytest.raises(NetError, match='did you mean "data"'):
        net.forward(dta=x)
    np.testing.assert_array_equal(net.forward()["prob"], before)


def test_a_declared_size_of_1x1_stands_for_any() -> None:
    net = netc.Net(netc.loads(TEXT.replace("[2, 3, 8, 8]", "[1, 3, 1, 1]")), seed=1)
    with pytest.raises(NetError, match="a kernel of 3 does not fit"):
        net.forward()
    x = images(2, 3, 8, 8)
    np.testing.assert_array_equal(net.forward(data=x)["d"], netc.Net(netc.loads(TEXT), seed=1).forward(data=x)["d"])


def test_several_inputs() -> None:
    text = """
    a = Input() { shape { dim: [2, 3] } }
    b = Input() { shape { dim: [2, 3] } }
    h = TanH(a)
    y = Eltwise(h, b)
    """
    net = netc.Net(netc.loads(text))
    with pytest.raises(NetError):
        net.forward(a=np.ones((4, 3)))  # b is 2x3 still
    assert net.forward(a=np.ones((4, 3)), end="h")["h"].shape == (4, 3)
    assert net.forward(a=np.zeros((4, 3)), b=np.ones((4, 3)))["y"].tolist() == [[1] * 3] * 4
    net.reshape(b=(1, 3), a=(1, 3))
    assert net.forward()["y"].tolist() == [[0] * 3]


def test_programs_are_few() -> None:
    net = netc.Net(netc.loads(TEXT))
    for size in range(4, 30):
        assert net.forward(data=images(1, 3, size, size))["d"].shape[2] == (size - 1) // 2
    assert len(net._programs) == MOST_PROGRAMS
    heavy = Recent[int](8, lambda weight: weight, 10)
    for weight in (3, 4, 5, 20, 1):
        assert heavy.get(weight, lambda weight=weight: weight) == weight  # type: ignore[misc]
    assert len(heavy) == 1


def test_a_replica_has_sizes_of_its_own() -> None:
    net = netc.Net(netc.loads(TEXT))
    x, y = images(1, 3, 9, 9), images(2, 3, 12, 8)
    wanted = net.forward(data=x)["d"]
    twin = net.replica()
    other = twin.forward(data=y)["d"]
    np.testing.assert_array_equal(net.forward()["d"], wanted)
    np.testing.assert_array_equal(net.forward(data=y)["d"], other)
    assert twin.params["c"][0] is net.params["c"][0]
    assert twin._programs is not net._programs


def test_weights_of_a_net_that_runs_in_part() -> None:
    net = netc.Net(netc.loads(DENSE))
    net.forward(data=images(1, 3, 16, 16), end="p")
    assert [layer.name for layer in run.weights_of(net).layers if layer.blobs] == ["c", "f"]
