"""pycaffe's Net, used the way its documentation and its examples use it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from netc import caffe
from netc.caffe.fixed import FixedDict, FixedList
from netc.errors import NetError

File = Callable[..., str]

SIMPLE = """
name: 'testnet' force_backward: true
layer { type: 'DummyData' name: 'data' top: 'data' top: 'label'
  dummy_data_param { num: 5 channels: 2 height: 3 width: 4 num: 5 channels: 1 height: 1 width: 1
    data_filler { type: 'gaussian' std: 1 } data_filler { type: 'constant' } } }
layer { type: 'Convolution' name: 'conv' bottom: 'data' top: 'conv'
  convolution_param { num_output: 11 kernel_size: 2 pad: 3
    weight_filler { type: 'gaussian' std: 1 } bias_filler { type: 'constant' value: 2 } }
  param { decay_mult: 1 } param { decay_mult: 0 } }
layer { type: 'InnerProduct' name: 'ip' bottom: 'conv' top: 'ip_blob'
  inner_product_param { num_output: 13 weight_filler { type: 'gaussian' std: 2.5 }
    bias_filler { type: 'constant' value: -3 } } }
layer { type: 'SoftmaxWithLoss' name: 'loss' bottom: 'ip_blob' bottom: 'label' top: 'loss' }
"""

DEPLOY = """
name: 'deploy' force_backward: true
layer { name: 'data' type: 'Input' top: 'data' input_param { shape { dim: 4 dim: 1 dim: 5 dim: 5 } } }
layer { name: 'conv1' type: 'Convolution' bottom: 'data' top: 'conv1'
  convolution_param { num_output: 3 kernel_size: 3 weight_filler { type: 'xavier' } } }
layer { name: 'power1' type: 'Power' bottom: 'conv1' top: 'conv1' power_param { scale: 2 shift: 1 } }
layer { name: 'relu1' type: 'ReLU' bottom: 'conv1' top: 'conv1' }
layer { name: 'pool' type: 'Pooling' bottom: 'conv1' top: 'pool' pooling_param { global_pooling: true pool: AVE } }
layer { name: 'ip' type: 'InnerProduct' bottom: 'pool' top: 'ip'
  inner_product_param { num_output: 2 weight_filler { type: 'xavier' } } }
layer { name: 'prob' type: 'Softmax' bottom: 'ip' top: 'prob' }
"""


@pytest.fixture
def net(file: File) -> caffe.Net:
    made = caffe.Net(file(SIMPLE), caffe.TRAIN)
    made.blobs["label"].data[...] = np.random.default_rng(1).integers(0, 13, made.blobs["label"].data.shape)
    return made


@pytest.fixture
def deploy(file: File) -> caffe.Net:
    made = caffe.Net(file(DEPLOY), caffe.TEST)
    made.blobs["data"].data[...] = np.random.default_rng(2).standard_normal((4, 1, 5, 5))
    return made


# ---------------------------------------------------------------- what is in a net


def test_names(net: caffe.Net) -> None:
    assert net.name == "testnet"
    net.name = "vgg16_faster_rcnn"  # as detection scripts do, to name their results
    assert net.name == "vgg16_faster_rcnn"
    assert net.inputs == []
    assert net.outputs == ["loss"]
    assert list(net.blobs) == ["data", "label", "conv", "ip_blob", "loss"]
    assert isinstance(net.blobs, OrderedDict)
    assert list(net.params) == ["conv", "ip"]
    assert list(net._layer_names) == ["data", "conv", "ip", "loss"]
    assert [layer.type for layer in net.layers] == ["DummyData", "Convolution", "InnerProduct", "SoftmaxWithLoss"]
    assert [len(layer.blobs) for layer in net.layers] == [0, 2, 2, 0]
    assert list(net.layer_dict) == net._layer_names
    assert net.layer_dict["conv"].type == "Convolution"
    tops = [("data", ["data", "label"]), ("conv", ["conv"]), ("ip", ["ip_blob"]), ("loss", ["loss"])]
    assert net.top_names == OrderedDict(tops)
    bottoms = [("data", []), ("conv", ["data"]), ("ip", ["conv"]), ("loss", ["ip_blob", "label"])]
    assert net.bottom_names == OrderedDict(bottoms)
    assert net.blob_loss_weights["loss"] == 1
    assert net.blob_loss_weights["conv"] == 0
    assert (net._inputs, net._outputs) == ([], [4])
    assert (net._top_ids(0), net._bottom_ids(3)) == ([0, 1], [3, 1])
    assert [b.shape for b in net._blobs] == [net.blobs[n].shape for n in net._blob_names]


def test_blob_shapes(net: caffe.Net) -> None:
    conv, loss = net.blobs["conv"], net.blobs["loss"]
    assert list(conv.shape) == [5, 11, 8, 9]
    assert (conv.num, conv.channels, conv.height, conv.width, conv.count) == (5, 11, 8, 9, 5 * 11 * 8 * 9)
    assert (loss.num, loss.channels, loss.height, loss.width, loss.count) == (1, 1, 1, 1, 1)
    assert loss.data.shape == ()
    assert net.params["conv"][0].data.shape == (11, 2, 2, 2)
    assert net.params["conv"][1].data.tolist() == [2] * 11
    assert net.blobs["ip_blob"].data.dtype == np.float32


def test_everything_starts_at_zero(deploy: caffe.Net) -> None:
    for name in ("conv1", "pool", "prob"):
        assert not deploy.blobs[name].data.any()
        assert not deploy.blobs[name].diff.any()
    assert not deploy.params["ip"][0].diff.any()


def test_blobs_outlive_their_net(net: caffe.Net) -> None:
    params = [blob for blobs in net.params.values() for blob in blobs]
    blobs = list(net.blobs.values())
    arrays = [blob.data for blob in blobs]
    del net
    assert all(np.isfinite(b.data.sum() + b.diff.sum()) for b in [*params, *blobs])
    assert all(np.isfinite(a.sum()) for a in arrays)


def test_inputs_and_outputs(deploy: caffe.Net) -> None:
    assert deploy.inputs == ["data"]
    assert deploy.outputs == ["prob"]


def test_outputs_are_in_alphabetical_order(file: File) -> None:
    text = """layer { name: 'd' type: 'Input' top: 'd' input_param { shape { dim: 1 dim: 2 } } }
    layer { name: 'z' type: 'TanH' bottom: 'd' top: 'z' } layer { name: 'a' type: 'ReLU' bottom: 'd' top: 'a' }"""
    assert caffe.Net(file(text), caffe.TEST).outputs == ["a", "z"]


# ---------------------------------------------------------------- constructors


def test_constructors(file: File, net: caffe.Net, tmp_path: Path) -> None:
    path, weights = file(SIMPLE), str(tmp_path / "w.caffemodel")
    net.save(weights)
    made = [
        caffe.Net(path, weights, caffe.TEST),
        caffe.Net(path, caffe.TEST, weights=weights),
        caffe.Net(network_file=path, phase=caffe.TRAIN, weights=weights),
        caffe.Net(path, caffe.TEST, 0, [], weights),
        caffe.Net(path, weights),
        caffe.Net(Path(path), Path(weights), caffe.TRAIN),
    ]
    for other in made:
        for name in net.params:
            for mine, theirs in zip(net.params[name], other.params[name], strict=True):
                np.testing.assert_array_equal(mine.data, theirs.data)


LEVELS = """
layer { name: 'data' type: 'DummyData' top: 'data' dummy_data_param { shape { dim: 1 dim: 4 } } }
layer { name: 'always' type: 'InnerProduct' bottom: 'data' top: 'always' inner_product_param { num_output: 1 } }
layer { name: 'zero' type: 'InnerProduct' bottom: 'data' top: 'zero' include { min_level: 0 max_level: 0 }
  inner_product_param { num_output: 1 } }
layer { name: 'one' type: 'InnerProduct' bottom: 'data' top: 'one' include { min_level: 1 }
  inner_product_param { num_output: 1 } }
layer { name: 'A' type: 'InnerProduct' bottom: 'data' top: 'A' include { stage: 'A' }
  inner_product_param { num_output: 1 } }
layer { name: 'AB' type: 'InnerProduct' bottom: 'data' top: 'AB' include { stage: 'A' stage: 'B' }
  inner_product_param { num_output: 1 } }
"""


@pytest.mark.parametrize(
    ("options", "blobs"),
    [
        ({}, ["always", "zero"]),
        ({"level": 1}, ["always", "one"]),
        ({"stages": ["A"]}, ["always", "zero", "A"]),
        ({"level": 2, "stages": ["A", "B"]}, ["always", "one", "A", "AB"]),
    ],
)
def test_levels_and_stages(file: File, options: dict[str, object], blobs: list[str]) -> None:
    net = caffe.Net(file(LEVELS), caffe.TEST, **options)
    assert [name for name in net.blobs if name != "data"] == blobs


def test_what_is_missing_is_a_runtime_error(file: File, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="there is no such file"):
        caffe.Net(str(tmp_path / "none.prototxt"), caffe.TEST)
    with pytest.raises(NetError, match="no such file"):
        caffe.Net(file(DEPLOY), str(tmp_path / "none.caffemodel"), caffe.TEST)
    with pytest.raises(RuntimeError, match="RUN065"):
        caffe.Net(file(DEPLOY), 7)


# ---------------------------------------------------------------- passes


def test_forward_backward(net: caffe.Net) -> None:
    loss = net.forward()["loss"]
    assert loss > 0
    net.backward()
    assert net.blobs["loss"].diff == 1
    diff = net.params["conv"][0].diff
    assert diff.max() > 0
    before = diff.copy()
    net.backward()
    np.testing.assert_allclose(diff, 2 * before, rtol=1e-4, atol=1e-6)
    net.clear_param_diffs()
    assert (diff == 0).all()


def test_dummy_data_keeps_what_a_script_puts_into_constant_tops(net: caffe.Net) -> None:
    net.forward()
    labels, data = net.blobs["label"].data.copy(), net.blobs["data"].data.copy()
    assert data.any()
    net.forward()
    np.testing.assert_array_equal(net.blobs["label"].data, labels)
    assert (net.blobs["data"].data != data).any()
    scores = net.blobs["ip_blob"].data.astype(np.float64)
    lse = np.log(np.exp(scores - scores.max(1, keepdims=True)).sum(1)) + scores.max(1)
    losses = lse - scores[np.arange(5), labels.astype(int).ravel()]
    expected = np.minimum(losses, -np.log(np.finfo(np.float32).tiny)).mean()
    assert net.blobs["loss"].data == pytest.approx(expected, rel=1e-5)


def test_forward_from_one_layer_to_another(net: caffe.Net) -> None:
    conv, ip = net.blobs["conv"], net.blobs["ip_blob"]
    conv.data[:] = np.random.default_rng(3).uniform(size=conv.data.shape)
    found = net.forward(start="ip", end="ip")
    assert list(found) == ["ip_blob"]
    weights, bias = (blob.data for blob in net.params["ip"])
    np.testing.assert_allclose(ip.data, conv.data.reshape(5, -1) @ weights.T + bias, rtol=1e-3, atol=1e-4)


def test_backward_from_one_layer_to_another(net: caffe.Net) -> None:
    ip = net.blobs["ip_blob"]
    sample = np.random.default_rng(4).uniform(-1, 1, ip.data.shape).astype(np.float32)
    ip.diff[:] = sample
    found = net.backward(start="ip", end="ip")
    assert list(found) == ["conv"]
    expected = sample @ net.params["ip"][0].data
    np.testing.assert_allclose(found["conv"].reshape(5, -1), expected, rtol=1e-3, atol=1e-4)


def test_the_last_layer_of_a_part_gives_all_its_blobs(net: caffe.Net) -> None:
    assert set(net.forward(end="data")) == {"data", "label"}
    net.forward()
    assert set(net.backward(end="loss", diffs=["conv"])) == {"ip_blob", "label", "conv"}


def test_blobs_and_inputs_by_name(deploy: caffe.Net) -> None:
    images = np.random.default_rng(5).standard_normal((4, 1, 5, 5)).astype(np.float32)
    found = deploy.forward(blobs=["conv1", "pool"], data=images)
    assert set(found) == {"prob", "conv1", "pool"}
    np.testing.assert_array_equal(deploy.blobs["data"].data, images)
    np.testing.assert_allclose(found["prob"].sum(1), 1, rtol=1e-6)
    assert np.shares_memory(found["prob"], deploy.blobs["prob"].data)
    np.testing.assert_allclose(found["pool"][:, :, 0, 0], found["conv1"].mean((2, 3)), rtol=1e-5)


def test_gradients_by_name(deploy: caffe.Net) -> None:
    deploy.forward()
    gradient = np.random.default_rng(6).standard_normal((4, 2)).astype(np.float32)
    found = deploy.backward(diffs=["ip"], prob=gradient)
    assert set(found) == {"data", "ip"}
    prob = deploy.blobs["prob"].data
    expected = prob * (gradient - (gradient * prob).sum(1, keepdims=True))
    np.testing.assert_allclose(found["ip"], expected, rtol=1e-4, atol=1e-6)
    assert found["data"].any()


def test_names_that_do_not_fit(deploy: caffe.Net) -> None:
    images = np.zeros((4, 1, 5, 5))
    with pytest.raises(Exception, match="RUN060"):
        deploy.forward(image=images)
    with pytest.raises(RuntimeError, match='input "data" has the batch size 3, not 4'):
        deploy.forward(data=images[:3])
    with pytest.raises(RuntimeError, match="could not broadcast"):
        deploy.forward(data=np.zeros((4, 1, 5, 6)))
    with pytest.raises(RuntimeError, match='did you mean "conv1"'):
        deploy.forward(end="conv_1")
    with pytest.raises(RuntimeError, match='no blob "fc7"'):
        deploy.forward(blobs=["fc7"])
    with pytest.raises(RuntimeError, match="outputs are prob"):
        deploy.backward(data=images)


def test_layers_that_work_in_place_show_one_blob(deploy: caffe.Net) -> None:
    deploy.forward(end="conv1")
    plain = deploy.blobs["conv1"].data.copy()
    assert plain.min() < 0
    deploy.forward(start="power1", end="power1")
    np.testing.assert_allclose(deploy.blobs["conv1"].data, 2 * plain + 1, rtol=1e-6)
    deploy.forward(start="power1", end="relu1")  # once more, from what the blob holds now
    np.testing.assert_allclose(deploy.blobs["conv1"].data, np.maximum(2 * (2 * plain + 1) + 1, 0), rtol=1e-5)
    deploy.forward()
    np.testing.assert_allclose(deploy.blobs["conv1"].data, np.maximum(2 * plain + 1, 0), rtol=1e-6)


def test_gradients_through_layers_in_place(deploy: caffe.Net) -> None:
    deploy.forward()
    blob = deploy.blobs["conv1"]
    seed = np.random.default_rng(7).standard_normal(blob.data.shape).astype(np.float32)
    blob.diff[...] = seed
    deploy.backward(start="relu1", end="relu1")
    np.testing.assert_array_equal(blob.diff, seed * (blob.data > 0))
    deploy.backward(start="power1", end="power1")
    np.testing.assert_array_equal(blob.diff, 2 * seed * (blob.data > 0))
    blob.diff[...] = seed
    whole = deploy.backward(start="relu1")["data"].copy()
    blob.diff[...] = 2 * seed * (blob.data > 0)
    np.testing.assert_array_equal(deploy.backward(start="conv1")["data"], whole)


def test_activation_maximisation(deploy: caffe.Net) -> None:
    """The loop of Caffe's "deep dream" example: ascend the gradient of a layer's own values."""
    data, end = deploy.blobs["data"], "conv1"
    norms = []
    for _ in range(4):
        deploy.forward(end="relu1")
        deploy.blobs[end].diff[:] = deploy.blobs[end].data
        norms.append(float((deploy.blobs[end].data ** 2).sum()))
        deploy.backward(start="relu1")
        data.data[:] += 0.02 * data.diff
    assert norms == sorted(norms)
    assert norms[-1] > norms[0]


def test_a_blob_with_two_readers_sums_what_runs(file: File) -> None:
    text = """force_backward: true
    layer { name: 'd' type: 'Input' top: 'd' input_param { shape { dim: 1 dim: 2 } } }
    layer { name: 'x' type: 'Power' bottom: 'd' top: 'x' power_param { scale: 3 } }
    layer { name: 'a' type: 'Power' bottom: 'x' top: 'a' power_param { scale: 5 } }
    layer { name: 'b' type: 'Power' bottom: 'x' top: 'b' power_param { scale: 7 } }"""
    net = caffe.Net(file(text), caffe.TEST)
    net.forward()
    for _ in range(2):
        net.blobs["a"].diff[...] = net.blobs["b"].diff[...] = 1
        assert net.backward()["d"].tolist() == [[36, 36]]
        assert net.backward(start="a")["d"].tolist() == [[15, 15]]
    assert net.forward(d=np.ones((1, 2)))["a"].tolist() == [[15, 15]]


def test_hooks_see_every_layer(net: caffe.Net) -> None:
    seen: list[tuple[str, int]] = []
    for when in ("before_forward", "after_forward", "before_backward", "after_backward"):
        getattr(net, when)(lambda layer, when=when: seen.append((when, layer)))
    loss = net.forward()["loss"]
    net.backward()
    forward = [(f"{when}_forward", i) for i in range(4) for when in ("before", "after")]
    backward = [(f"{when}_backward", i) for i in (3, 2, 1, 0) for when in ("before", "after")]
    assert seen == forward + backward
    assert loss > 0
    assert net.params["conv"][0].diff.any()


def test_forward_gives_the_loss(net: caffe.Net) -> None:
    assert net._forward(0, 3) == pytest.approx(float(net.blobs["loss"].data))
    net._backward(3, 0)
    assert net.params["ip"][0].diff.any()


# ---------------------------------------------------------------- many batches


def test_forward_all_pads_the_last_batch(deploy: caffe.Net) -> None:
    images = np.random.default_rng(8).standard_normal((10, 1, 5, 5)).astype(np.float32)
    found = deploy.forward_all(blobs=["pool"], data=images)
    assert found["prob"].shape == (10, 2)
    assert found["pool"].shape == (10, 3, 1, 1)
    np.testing.assert_allclose(found["prob"][4:8], deploy.forward(data=images[4:8])["prob"], rtol=1e-6)
    with_padding = np.concatenate([images[8:], np.zeros_like(images[:2])])
    np.testing.assert_allclose(found["prob"][8:], deploy.forward(data=with_padding)["prob"][:2], rtol=1e-6)


def test_forward_backward_all(deploy: caffe.Net) -> None:
    generator = np.random.default_rng(9)
    images = generator.standard_normal((6, 1, 5, 5)).astype(np.float32)
    gradients = generator.standard_normal((6, 2)).astype(np.float32)
    values, diffs = deploy.forward_backward_all(diffs=["pool"], data=images, prob=gradients)
    assert (values["prob"].shape, diffs["data"].shape, diffs["pool"].shape) == ((6, 2), (6, 1, 5, 5), (6, 3, 1, 1))
    deploy.forward(data=images[:4])
    np.testing.assert_allclose(diffs["data"][:4], deploy.backward(prob=gradients[:4])["data"], rtol=1e-5, atol=1e-8)


MEMORY = """
layer { name: 'data' type: 'MemoryData' top: 'data' top: 'label'
  memory_data_param { batch_size: 2 channels: 1 height: 2 width: 3 } }
layer { name: 'ip' type: 'InnerProduct' bottom: 'data' top: 'ip' inner_product_param { num_output: 2 } }
layer { name: 'loss' type: 'SoftmaxWithLoss' bottom: 'ip' bottom: 'label' top: 'loss' }
"""


def test_set_input_arrays(file: File) -> None:
    net = caffe.Net(file(MEMORY), caffe.TRAIN)
    data = np.arange(4 * 6, dtype=np.float32).reshape(4, 1, 2, 3)
    labels = np.array([0, 1, 1, 0], np.float32)
    net.set_input_arrays(data, labels)
    for first in (0, 2, 0):
        net.forward()
        np.testing.assert_array_equal(net.blobs["data"].data, data[first : first + 2])
        np.testing.assert_array_equal(net.blobs["label"].data, labels[first : first + 2])


def test_arrays_that_memory_data_cannot_take(file: File, deploy: caffe.Net) -> None:
    net = caffe.Net(file(MEMORY), caffe.TRAIN)
    data, labels = np.zeros((4, 1, 2, 3), np.float32), np.zeros(4, np.float32)
    for bad, expected in (
        ((data.astype(float), labels), "float32"),
        ((data[:, :, ::-1], labels), "C-contiguous"),
        ((data.reshape(4, 1, 3, 2), labels), "shape Nx1x2x3"),
        ((data, labels[:2]), "4 images, but 2 labels"),
        ((data[:3], labels[:3]), "multiple of the batch size 2"),
    ):
        with pytest.raises(RuntimeError, match=expected) as caught:
            net.set_input_arrays(*bad)
        assert caught.value.diagnostics[0].code.id == "RUN061"
    with pytest.raises(RuntimeError, match='the first layer is "data"'):
        deploy.set_input_arrays(data, labels)


# ---------------------------------------------------------------- blobs are written into, not replaced

CHANGES: tuple[tuple[Callable[[caffe.Net], object], str], ...] = (
    (lambda net: net.blobs.__setitem__("data", np.zeros((5, 2, 3, 4))), 'net.blobs["data"].data[...] = array'),
    (lambda net: net.blobs.__setitem__("new", np.zeros(3)), 'net.blobs["NAME"].data[...] = array'),
    (lambda net: net.blobs.update(data=np.zeros(3)), 'net.blobs["NAME"].data[...] = array'),
    (lambda net: net.blobs.setdefault("data", np.zeros(3)), 'net.blobs["data"].data[...] = array'),
    (lambda net: net.blobs.__delitem__("data"), 'net.blobs["data"].data[...] = array'),
    (lambda net: net.blobs.pop("data"), 'net.blobs["data"].data[...] = array'),
    (lambda net: net.blobs.popitem(), 'net.blobs["NAME"].data[...] = array'),
    (lambda net: net.blobs.move_to_end("data"), 'net.blobs["data"].data[...] = array'),
    (lambda net: net.blobs.clear(), 'net.blobs["NAME"].data[...] = array'),
    (lambda net: net.blobs.__ior__({"data": np.zeros(3)}), 'net.blobs["NAME"].data[...] = array'),
    (lambda net: net.params.__setitem__("conv", [np.zeros(3)]), 'net.params["conv"][0].data[...] = array'),
    (lambda net: net.params.pop("ip"), 'net.params["ip"][0].data[...] = array'),
    (lambda net: net.params["conv"].__setitem__(1, np.zeros(11)), 'net.params["conv"][1].data[...] = array'),
    (lambda net: net.params["conv"].__setitem__(slice(2), []), 'net.params["conv"][INDEX].data[...] = array'),
    (lambda net: net.params["conv"].append(np.zeros(11)), 'net.params["conv"][INDEX].data[...] = array'),
    (lambda net: net.params["conv"].__iadd__([np.zeros(11)]), 'net.params["conv"][INDEX].data[...] = array'),
    (lambda net: net.params["conv"].clear(), 'net.params["conv"][INDEX].data[...] = array'),
    (lambda net: net.layers[2].blobs.pop(), 'net.params["ip"][INDEX].data[...] = array'),
)


@pytest.mark.parametrize(("change", "instead"), CHANGES)
def test_blobs_are_not_replaced(net: caffe.Net, change: Callable[[caffe.Net], object], instead: str) -> None:
    before = list(net.blobs), {name: list(blobs) for name, blobs in net.params.items()}
    with pytest.raises(RuntimeError) as caught:
        change(net)
    (found,) = caught.value.diagnostics  # type: ignore[attr-defined]
    assert (found.code.id, found.help) == ("RUN067", f"to give it values, write `{instead}`")
    assert (list(net.blobs), {name: list(blobs) for name, blobs in net.params.items()}) == before


def test_every_way_to_change_a_container_is_refused() -> None:
    for fixed, plain in ((FixedDict, OrderedDict), (FixedList, list)):
        changing = {name for name in dir(plain) if _changes(plain, name)}
        assert changing
        assert all(vars(fixed).get(name) is not None for name in changing), changing


def _changes(plain: type, name: str) -> bool:
    """Whether a method changes what it is called on."""
    arguments: tuple[tuple[object, ...], ...] = ((), ("a",), (0,), ("a", 1), (0, 1), ([("b", 2)],), ({"b": 2},))
    for given in arguments:
        made = plain([("a", 1)]) if plain is OrderedDict else plain(["b", "a"])
        before = list(made.items() if plain is OrderedDict else made)
        if name in ("__init__", "__class__", "__setattr__", "__delattr__", "__setstate__", "__new__"):
            return False
        try:
            getattr(made, name)(*given)
        except Exception:
            continue
        if list(made.items() if plain is OrderedDict else made) != before:
            return True
    return False


def test_containers_give_plain_copies(net: caffe.Net) -> None:
    copied = net.blobs.copy()
    copied["mine"] = copied["data"]
    assert "mine" in copied
    assert "mine" not in net.blobs
    assert OrderedDict(net.params) == net.params


@pytest.mark.parametrize("name", ["blobs", "params"])
def test_the_dictionaries_stay(net: caffe.Net, name: str) -> None:
    with pytest.raises(AttributeError):
        setattr(net, name, {})


@pytest.mark.parametrize("name", ["data", "diff"])
def test_arrays_of_blobs_stay(net: caffe.Net, name: str) -> None:
    for blob in (net.blobs["data"], net.params["conv"][0], caffe.Blob([2, 3])):
        with pytest.raises(AttributeError, match=f"write into it, `blob.{name}"):
            setattr(blob, name, np.zeros(blob.shape))
