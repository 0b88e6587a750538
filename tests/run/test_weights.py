"""Weights by layer name: what is loaded, fresh, ignored, refused."""

import numpy as np
import pytest

from netc.errors import NetError
from netc.run import load_weights, weights_of
from netc.schema.weights import LayerWeights, Weights
from tests.run.common import make

NET = """
layer { name: "in" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 } } }
layer { name: "ip1" type: "InnerProduct" bottom: "data" top: "ip1" inner_product_param { num_output: 4 } }
layer { name: "ip2" type: "InnerProduct" bottom: "ip1" top: "ip2" inner_product_param { num_output: 2 } }
"""


def layer(name: str, *shapes: tuple[int, ...]) -> LayerWeights:
    return LayerWeights(name, "InnerProduct", tuple(np.full(s, 3, np.float32) for s in shapes))


def test_report() -> None:
    net = make(NET, "TEST")
    found = load_weights(net, Weights("x", (layer("ip1", (4, 3), (4,)), layer("fc", (9, 9)), layer("data"))))
    assert (found.loaded, found.fresh, found.ignored, found.mismatched) == (("ip1",), ("ip2",), ("fc",), ())
    assert (net.params["ip1"][0] == 3).all()
    assert (net.params["ip2"][0] == 0).all()


def test_round_trip() -> None:
    net, other = make(NET, "TEST"), make(NET, "TEST")
    net.params["ip2"][0][...] = np.random.default_rng(0).standard_normal((2, 4))
    assert load_weights(other, weights_of(net)).fresh == ()
    np.testing.assert_array_equal(other.params["ip2"][0], net.params["ip2"][0])


def test_old_files_have_four_sizes() -> None:
    net = make(NET, "TEST")
    assert load_weights(net, Weights("x", (layer("ip1", (1, 1, 4, 3), (1, 1, 1, 4)),))).loaded == ("ip1",)


def test_mismatch() -> None:
    net = make(NET, "TEST")
    weights = Weights("x", (layer("ip1", (4, 3), (4,)), layer("ip2", (10, 4), (10,))))
    with pytest.raises(NetError) as caught:
        load_weights(net, weights, source="a.caffemodel")
    assert [d.code.id for d in caught.value.diagnostics] == ["SNP010"]
    message = 'layer "ip2" does not fit: the net has 2x4 and 2, a.caffemodel has 10x4 and 10'
    assert caught.value.diagnostics[0].message == message
    assert caught.value.diagnostics[0].span is not None
    assert (net.params["ip1"][0] == 0).all()
    found = load_weights(net, weights, reshape=True)
    assert found.loaded == ("ip1",)
    assert [d.message for d in found.mismatched] == [message.replace("a.caffemodel", "the file")]


def test_transposed_is_not_the_same_shape() -> None:
    with pytest.raises(NetError):
        load_weights(make(NET, "TEST"), Weights("x", (layer("ip1", (3, 4), (4,)),)))


def test_names() -> None:
    net = make(NET, "TEST")
    assert load_weights(net, Weights("x", (layer("fc", (2, 4), (2,)),)), names={"fc": "ip2"}).loaded == ("ip2",)


def test_nothing_fits() -> None:
    with pytest.raises(NetError) as caught:
        load_weights(make(NET, "TEST"), Weights("x", (layer("fc", (2, 4)),)))
    assert [d.code.id for d in caught.value.diagnostics] == ["SNP011"]


@pytest.mark.parametrize(("factor", "codes"), [(0.0, ["SNP013"]), (1.0, [])])
def test_statistics_with_factor_zero(factor: float, codes: list[str]) -> None:
    text = """
    layer { name: "in" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 } } }
    layer { name: "bn" type: "BatchNorm" bottom: "data" top: "bn" }
    layer { name: "s" type: "Scale" bottom: "bn" top: "s" }
    """
    blobs = (np.ones(3, np.float32), np.ones(3, np.float32), np.full(1, factor, np.float32))
    found = load_weights(make(text, "TEST"), Weights("x", (LayerWeights("bn", "BatchNorm", blobs),)))
    assert [str(d.code) for d in found.warnings] == codes
