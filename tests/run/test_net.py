"""A net in memory: inputs, outputs, parameters, determinism, shared parameters, dynamic shapes, errors."""

from typing import Any

import numpy as np
import pytest

from netc.errors import NetError
from netc.layer import Array
from netc.run import Net
from tests.run.common import make, planned

SMALL = """
layer { name: "in" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 } } }
layer { name: "ip1" type: "InnerProduct" bottom: "data" top: "ip1"
  inner_product_param { num_output: 4 weight_filler { type: "gaussian" std: 1 } } }
layer { name: "relu" type: "ReLU" bottom: "ip1" top: "ip1" }
layer { name: "ip2" type: "InnerProduct" bottom: "ip1" top: "ip2"
  inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }
"""
LOSS = 'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip2" bottom: "label" top: "loss" }'
LABEL = 'layer { name: "l" type: "Input" top: "label" input_param { shape { dim: 2 } } }'


def refused(code: str, function: Any, *args: Any, **options: Any) -> str:
    with pytest.raises(NetError) as caught:
        function(*args, **options)
    assert {d.code.id for d in caught.value.diagnostics} == {code}
    return str(caught.value)


def test_forward_is_the_formula() -> None:
    net = make(SMALL, "TEST")
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    net.set_input("data", x)
    (w1, b1), (w2, b2) = net.params["ip1"], net.params["ip2"]
    expected = np.maximum(x @ w1.T + b1, 0) @ w2.T + b2
    np.testing.assert_allclose(net.forward()["ip2"], expected, rtol=1e-6)
    again = net.forward()["ip2"]
    np.testing.assert_array_equal(again, net.forward()["ip2"])


def test_outputs_are_the_callers() -> None:
    net = make(SMALL, "TEST")
    net.set_input("data", np.ones((2, 3)))
    first = net.forward()["ip2"]
    kept = first.copy()
    net.set_input("data", np.zeros((2, 3)))
    net.forward()
    np.testing.assert_array_equal(first, kept)


def test_another_layer_does_not_change_the_draws() -> None:
    extra = 'layer { name: "first" type: "InnerProduct" bottom: "data" top: "x" inner_product_param { num_output: 9 } }'
    with_extra = make(SMALL.replace('layer { name: "ip1"', extra + '\nlayer { name: "ip1"'), "TEST", seed=5)
    net, other = make(SMALL, "TEST", seed=5), make(SMALL, "TEST", seed=6)
    np.testing.assert_array_equal(with_extra.params["ip1"][0], net.params["ip1"][0])
    assert not np.array_equal(other.params["ip1"][0], net.params["ip1"][0])
    assert not np.array_equal(net.params["ip1"][0].ravel()[:8], net.params["ip2"][0].ravel())


def test_a_range_of_layers() -> None:
    net = make(SMALL, "TEST", keep=True)
    net.set_input("data", np.ones((2, 3)))
    expected = net.forward()["ip2"]
    net.blobs["ip1"][...] = 0
    assert net.forward(start="ip2")["ip2"] == pytest.approx(0)
    assert net.forward(end="relu") == {}
    np.testing.assert_array_equal(net.forward(start="ip2", end="ip2")["ip2"], expected)


def test_gradients_add_up_until_zeroed() -> None:
    net = make(SMALL + LABEL + LOSS)
    net.set_input("data", np.ones((2, 3)))
    net.forward()
    net.backward()
    once = net.parameters.gradient.copy()
    assert np.abs(once).max() > 0
    net.forward()
    net.backward()
    np.testing.assert_array_equal(net.parameters.gradient, 2 * once)
    net.zero_param_diffs()
    assert not net.parameters.gradient.any()


def test_float64() -> None:
    net = make(SMALL + LABEL + LOSS, dtype=np.float64, debug=True)
    net.set_input("data", np.ones((2, 3)))
    assert net.forward()["loss"].dtype == np.float64
    net.backward()
    weight, step = net.params["ip1"][0], 1e-6
    diff = net.param_diffs["ip1"][0]
    assert diff is not None
    weight[1, 2] += step
    above = net.forward()["loss"]
    weight[1, 2] -= 2 * step
    assert diff[1, 2] == pytest.approx((above - net.forward()["loss"]) / (2 * step), rel=1e-3, abs=1e-5)


def test_shared_parameters_of_two_nets() -> None:
    train = make(SMALL + LABEL + LOSS)
    test = make(SMALL, "TEST", params=train)
    test.params["ip1"][0][...] = 7
    assert (train.params["ip1"][0] == 7).all()
    wider = SMALL.replace("num_output: 2", "num_output: 3")
    text = refused("RUN015", make, wider, "TEST", params=train)
    assert '"ip2/weights" has shape 3x4 here and 2x4 in the other net' in text


def test_permissive_sharing_sees_its_own_shape() -> None:
    net = make("""
layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 1 dim: 4 } } }
layer { name: "a" type: "InnerProduct" bottom: "x" top: "a" param { name: "w" }
  inner_product_param { num_output: 3 bias_term: false weight_filler { type: "xavier" } } }
layer { name: "b" type: "InnerProduct" bottom: "a" top: "b" param { name: "w" share_mode: PERMISSIVE }
  inner_product_param { num_output: 4 bias_term: false } }
layer { name: "loss" type: "EuclideanLoss" bottom: "b" bottom: "x" top: "loss" }
""")
    net.set_input("x", np.ones((1, 4)))
    net.forward()
    net.backward()
    w = net.params["a"][0].copy()
    v = w.reshape(4, 3)
    assert net.params["b"][0].shape == (4, 3)
    x = np.ones((1, 4), np.float32)
    a = x @ w.T
    db = a @ v.T - x
    expected = (db.T @ a).reshape(3, 4) + (db @ v).T @ x
    np.testing.assert_allclose(net.param_diffs["a"][0], expected, rtol=1e-5, atol=1e-6)


FILTER = """
force_backward: true
layer { name: "in" type: "Input" top: "x" top: "keep" input_param { shape { dim: 4 dim: 3 } shape { dim: 4 } } }
layer { name: "filter" type: "Filter" bottom: "x" bottom: "keep" top: "some" }
layer { name: "ip" type: "InnerProduct" bottom: "some" top: "ip"
  inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "ip" top: "ip" }
layer { name: "out" type: "Power" bottom: "ip" top: "y" power_param { scale: 2 } }
"""


@pytest.mark.parametrize("debug", [False, True])
def test_layers_after_a_dynamic_one_are_set_up_again(debug: bool) -> None:
    net = make(FILTER, debug=debug)
    w, b = net.params["ip"]
    x = np.random.default_rng(1).standard_normal((4, 3)).astype(np.float32)
    for chosen in ([0, 2], [0, 1, 2, 3], [3], [1, 2, 3]):
        keep = np.zeros(4, np.float32)
        keep[chosen] = 1
        net.set_input("x", x)
        net.set_input("keep", keep)
        y = net.forward()["y"]
        before = x[chosen] @ w.T + b
        np.testing.assert_allclose(y, 2 * np.maximum(before, 0), rtol=1e-5, atol=1e-6)
        net.backward(diffs={"y": np.ones_like(y)})
        expected = np.zeros_like(x)
        expected[chosen] = (2 * (before > 0)) @ w
        np.testing.assert_allclose(net.diffs["x"], expected, rtol=1e-5, atol=1e-6)


class Ones:
    def next(self, out: Any) -> None:
        for array in out:
            array[...] = 1


DIGITS = 'layer { name: "digits" type: "Digits" top: "data" top: "label" digits_param { batch_size: 5 } }'


def test_feeds_fill_data_layers() -> None:
    plan = planned(DIGITS, "TEST", given={"digits": ((5, 1, 8, 8), (5,))})
    net = Net(plan, feeds={"digits": Ones()})
    assert net.inputs == {}
    assert net.forward()["data"].sum() == 5 * 64
    assert set(Net(plan).inputs) == {"data", "label"}


def test_same_bits_on_any_number_of_blas_threads() -> None:
    threadpoolctl = pytest.importorskip("threadpoolctl", reason="only it tells how many threads BLAS has")
    text = SMALL.replace("dim: 2 dim: 3", "dim: 64 dim: 300").replace("num_output: 4", "num_output: 200")

    def run() -> Array:
        net = make(text, "TEST")
        net.set_input("data", np.random.default_rng(0).standard_normal((64, 300)))
        return net.forward()["ip2"]

    with threadpoolctl.threadpool_limits(1):
        one = run()
    with threadpoolctl.threadpool_limits(2):
        two = run()
    np.testing.assert_array_equal(one, two)


def test_refusals() -> None:
    net = make(SMALL, "TEST")
    assert 'did you mean "data"?' in refused("RUN010", net.set_input, "dat", np.ones((2, 3)))
    assert "has shape 2x3, but the array given has shape 3x2" in refused(
        "RUN011", net.set_input, "data", np.ones((3, 2))
    )
    refused("RUN010", lambda: net.blobs["nothing"])
    refused("RUN013", net.forward, "ip3")
    refused("RUN014", net.backward)
    refused("RUN020", make, SMALL, "TEST", executor="quick")
    trained = make(SMALL + LABEL + LOSS)
    trained.forward()
    refused("RUN010", trained.backward, diffs={"ip2": np.ones((2, 2))})
    trained.backward()
    assert "plan the net with keep=True" in refused("RUN012", lambda: trained.blobs["ip2"])
