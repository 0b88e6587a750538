"""Weights by layer name: what is loaded, fresh, ignored, refused."""

import numpy as np
import pytest

from netc.errors import NetError
from netc.run import load_weights, weights_of
from netc.run.weights import load_own, not_finite
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


# ---------------------------------------------------------------- values that are not finite


def with_values(name: str, *values: float) -> LayerWeights:
    """ip1 or ip2 of the net, its first weights these values."""
    made = layer(name, *(((4, 3), (4,)) if name == "ip1" else ((2, 4), (2,))))
    made.blobs[0].reshape(-1)[: len(values)] = values
    return made


@pytest.mark.parametrize(
    ("layers", "said"),
    [
        ((with_values("ip1", np.nan), with_values("ip2")), "ip1 (1 of 16)"),
        ((with_values("ip1", np.inf, -np.inf, np.nan), with_values("ip2", np.inf)), "ip1 (3 of 16), ip2 (1 of 10)"),
        ((with_values("ip1", np.inf, -np.inf),), "ip1 (2 of 16)"),
        ((with_values("ip1", 3e38, 3e38, 3e38),), ""),
        ((with_values("ip1"), layer("other", (2,))), ""),
    ],
)
def test_values_that_are_not_finite(layers: tuple[LayerWeights, ...], said: str) -> None:
    net = make(NET, "TEST")
    for found in (
        load_weights(net, Weights("x", layers), source="a.caffemodel").warnings,
        load_own(net, Weights("x", layers), "a.caffemodel"),
    ):
        expected = [("SNP032", "warning", f"a.caffemodel holds values that are not finite: {said}")] if said else []
        assert [(d.code.id, d.severity, d.message) for d in found] == expected
        assert all(d.help for d in found)


def test_many_layers_are_counted() -> None:
    wrong = [LayerWeights(f"l{i}", "InnerProduct", (np.full(2, np.nan, np.float16),)) for i in range(6)]
    (found,) = not_finite(wrong, "")
    assert found.message == (
        "the file holds values that are not finite: l0 (2 of 2), l1 (2 of 2), l2 (2 of 2), l3 (2 of 2) and 2 more"
    )


# ---------------------------------------------------------------- what other versions of Caffe wrote

NORMALIZED = """
layer {{ name: "in" type: "Input" top: "data" input_param {{ shape {{ dim: [2, {0}, 2, 2] }} }} }}
layer {{ name: "bn" type: "{1}" bottom: "data" top: "bn" {2} }}
"""
SCALED = "batch_norm_param { scale_bias: true eps: 0.5 }"


def batch_norm(*blobs: np.ndarray) -> Weights:
    return Weights("x", (LayerWeights("bn", "BatchNorm", tuple(blob.astype(np.float32) for blob in blobs)),))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("factor", [0.0, 1.0, 7.0])
def test_batch_norm_of_nvcaffe_0_15(channels: int, factor: float) -> None:
    """Scale, bias, mean, variance and a number that is not read, each 1 x C x 1 x 1 (`CopyTrainedLayersFrom`)."""
    random = np.random.default_rng(channels)
    scale, bias, mean, variance = random.uniform(0.5, 2, (4, 1, channels, 1, 1))
    net = make(NORMALIZED.format(channels, "BatchNorm", SCALED), "TEST")
    found = load_weights(net, batch_norm(scale, bias, mean, variance, np.full((1, 1, 1, 1), factor)))
    assert (found.loaded, found.warnings) == (("bn",), ())
    x = random.standard_normal((2, channels, 2, 2)).astype(np.float32)
    net.set_input("data", x)
    np.testing.assert_allclose(
        net.forward()["bn"], (x - mean) / np.sqrt(variance + 0.5) * scale + bias, rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("shape", [(1, -1, 1, 1), (1, 1, 1, -1), (-1,)])
def test_batch_norm_of_other_versions(channels: int, shape: tuple[int, ...]) -> None:
    """BVLC's three blobs and NVCaffe's five of later versions, in whatever shape vectors were written."""
    if channels == 1 and len(shape) == 4:
        shape = (-1,)  # five blobs of one number with four axes are the old ones
    random = np.random.default_rng(3)
    mean, variance, scale, bias = random.uniform(0.5, 2, (4, channels)).astype(np.float32)
    stored = [blob.reshape(shape) for blob in (mean * 2, variance * 2, np.full(1, 2.0), scale, bias)]
    x = random.standard_normal((2, channels, 2, 2)).astype(np.float32)
    normalized = (x - mean.reshape(-1, 1, 1)) / np.sqrt(variance.reshape(-1, 1, 1) + 0.5)
    for count, fields, expected in (
        (3, "batch_norm_param { eps: 0.5 }", normalized),
        (5, SCALED, normalized * scale.reshape(-1, 1, 1) + bias.reshape(-1, 1, 1)),
    ):
        net = make(NORMALIZED.format(channels, "BatchNorm", fields), "TEST")
        assert load_weights(net, batch_norm(*stored[:count])).loaded == ("bn",)
        net.set_input("data", x)
        np.testing.assert_allclose(net.forward()["bn"], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("type", "fields", "shapes", "help"),
    [
        ("BatchNorm", "", ((3,), (3,), (3,), (3,), (1,)), "write `batch_norm_param { scale_bias: true }`"),
        ("BatchNorm", "", ((3,), (3,), (1,), (3,), (3,)), "write `batch_norm_param { scale_bias: true }`"),
        ("BatchNorm", SCALED, ((3,), (3,), (1,)), "take `scale_bias`, `scale_filler` and `bias_filler` out"),
        ("BatchNorm", "", ((3,), (3,), (3,), (3,)), '`type: "BN"`'),
        ("Scale", "", ((3,), (3,)), "the file's layer has a bias, too: write `scale_param { bias_term: true }`"),
        ("Scale", "scale_param { bias_term: true }", ((3,),), "write `scale_param { bias_term: false }`"),
        ("Convolution", "convolution_param { num_output: 2 kernel_size: 1 }", ((2, 3, 1, 1),), "bias_term: false"),
        ("Convolution", "convolution_param { num_output: 2 kernel_size: 1 }", ((5, 3, 1, 1),), "another name"),
        ("InnerProduct", "inner_product_param { num_output: 2 }", ((2, 12), (2,), (2,)), "another name"),
    ],
)
def test_what_to_write_where_blobs_are_more_or_fewer(
    type: str, fields: str, shapes: tuple[tuple[int, ...], ...], help: str
) -> None:
    net = make(NORMALIZED.format(3, type, fields), "TEST")
    with pytest.raises(NetError) as caught:
        load_weights(net, Weights("x", (LayerWeights("bn", type, tuple(np.ones(s, np.float32) for s in shapes)),)))
    (found,) = caught.value.diagnostics
    assert found.code.id == "SNP010"
    assert found.span is not None
    assert help in (found.help or "")
