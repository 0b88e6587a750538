"""pycaffe's Net: reshaping it, and taking, sharing and writing parameters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from netc import caffe
from netc.errors import NetError
from tests.caffe.test_net import DEPLOY, SIMPLE

File = Callable[..., str]

CONV = """
name: 'conv' force_backward: true input: 'data' input_dim: 2 input_dim: 1 input_dim: 6 input_dim: 6
layer { name: 'conv' type: 'Convolution' bottom: 'data' top: 'conv'
  convolution_param { num_output: 2 kernel_size: 3 weight_filler { type: 'gaussian' std: 1 } } }
layer { name: 'drop' type: 'Dropout' bottom: 'conv' top: 'conv' }
"""


# ---------------------------------------------------------------- shapes


def test_reshape_of_an_input(file: File) -> None:
    net = caffe.Net(file(CONV), caffe.TEST)
    weights = net.params["conv"][0].data
    blob = net.blobs["data"]
    blob.reshape(1, 1, 4, 5)
    assert blob.shape == (1, 1, 4, 5)
    image = np.random.default_rng(0).standard_normal((1, 1, 4, 5))
    blob.data[...] = image
    assert net.blobs["conv"].shape == (2, 2, 4, 4)
    found = net.forward()["conv"]
    assert found.shape == net.blobs["conv"].shape == (1, 2, 2, 3)
    assert blob.diff.shape == (1, 1, 4, 5)
    assert np.shares_memory(net.params["conv"][0].data, weights)
    windows = np.lib.stride_tricks.sliding_window_view(image[0, 0], (3, 3))
    np.testing.assert_allclose(found[0], np.einsum("yxij,cij->cyx", windows, weights[:, 0]), rtol=1e-4, atol=1e-5)
    net.backward(conv=np.ones((1, 2, 2, 3)))
    assert net.params["conv"][1].diff.tolist() == [6, 6]


def test_reshape_of_the_net(file: File) -> None:
    net = caffe.Net(file(CONV), caffe.TEST)
    net.params["conv"][0].diff[...] = 5
    net.blobs["data"].data[...] = np.arange(72).reshape(2, 1, 6, 6)
    net.blobs["data"].reshape(3, 1, 6, 6)
    net.reshape()
    assert net.blobs["conv"].shape == (3, 2, 4, 4)
    assert net.blobs["data"].data.ravel()[:73].tolist() == [*range(72), 0]
    assert (net.params["conv"][0].diff == 5).all()
    assert net.forward_all(data=np.zeros((4, 1, 6, 6)))["conv"].shape == (4, 2, 4, 4)


def test_a_shape_that_the_net_cannot_have_leaves_it_as_it_is(file: File) -> None:
    net = caffe.Net(file(DEPLOY), caffe.TEST)
    net.blobs["data"].reshape(4, 1, 2, 2)
    with pytest.raises(RuntimeError, match="conv1"):
        net.reshape()
    assert net.blobs["data"].shape == (4, 1, 5, 5)
    assert net.forward()["prob"].shape == (4, 2)


def test_a_shape_that_the_parameters_do_not_fit(file: File) -> None:
    text = """input: 'data' input_shape { dim: 2 dim: 3 }
    layer { name: 'ip' type: 'InnerProduct' bottom: 'data' top: 'ip' inner_product_param { num_output: 2 } }"""
    net = caffe.Net(file(text), caffe.TEST)
    net.blobs["data"].reshape(2, 4)
    with pytest.raises(RuntimeError, match="RUN015"):
        net.forward()
    assert net.forward()["ip"].shape == (2, 2)
    net.blobs["data"].reshape(7, 3)
    assert net.forward()["ip"].shape == (7, 2)


def test_the_same_shape_costs_nothing(file: File) -> None:
    net = caffe.Net(file(DEPLOY), caffe.TEST)
    data = net.blobs["data"].data
    net.blobs["data"].reshape(4, 1, 5, 5)
    net.blobs["data"].data[...] = 3
    net.forward()
    assert np.shares_memory(data, net.blobs["data"].data)
    assert (data == 3).all()


def test_blobs_that_are_no_inputs_get_their_shape_from_the_net(file: File) -> None:
    net = caffe.Net(file(SIMPLE), caffe.TRAIN)
    net.blobs["conv"].reshape(1, 2)
    assert net.blobs["conv"].data.shape == (1, 2)
    net.forward()
    assert net.blobs["conv"].shape == (5, 11, 8, 9)


def test_parameters_in_other_shapes(file: File, tmp_path: Path) -> None:
    """Net surgery: what a script makes of a parameter is what it saves."""
    net, path = caffe.Net(file(DEPLOY), caffe.TEST), tmp_path / "w.caffemodel"
    weights = net.params["ip"][0]
    values, before = weights.data.copy(), net.forward()["prob"].copy()
    weights.reshape(2, 3, 1, 1)  # the same values: the layer runs on
    weights.data[...] *= 2
    weights.reshape(*values.shape)
    np.testing.assert_array_equal(weights.data, 2 * values)
    weights.data[...] = values
    weights.reshape(3, 3)
    assert (weights.shape, weights.count, weights.diff.shape) == ((3, 3), 9, (3, 3))
    np.testing.assert_array_equal(weights.data, [*values, [0, 0, 0]])
    weights.data[2] = 7
    for run in (net.forward, lambda: net.forward(start="ip", end="ip")):
        with pytest.raises(RuntimeError, match="RUN062"):
            run()
    net.forward(end="pool")
    net.save(path)
    wider = caffe.Net(file(DEPLOY.replace("num_output: 2", "num_output: 3"), "wide.prototxt"), caffe.TEST)
    net.params["ip"][1].reshape(3)
    net.save(path)
    wider.copy_from(path)
    np.testing.assert_array_equal(wider.params["ip"][0].data, weights.data)
    weights.reshape(*values.shape)
    net.params["ip"][1].reshape(2)
    np.testing.assert_array_equal(net.forward()["prob"], before)


def test_dropout_draws_anew_and_is_kept_for_backward(file: File) -> None:
    net = caffe.Net(file(CONV), caffe.TRAIN)
    net.blobs["data"].data[...] = 1
    first = net.forward()["conv"].copy()
    net.backward(conv=np.ones_like(first))
    assert ((net.blobs["conv"].diff != 0) == (first != 0)).all()
    assert ((net.forward()["conv"] != 0) != (first != 0)).any()


def test_a_blob_on_its_own() -> None:
    blob = caffe.Blob([2, 3])
    blob.data[...] = [[1, 2, 3], [4, 5, 6]]
    blob.reshape(2, 2)
    assert (blob.data.tolist(), blob.diff.tolist(), blob.count) == ([[1, 2], [3, 4]], [[0, 0], [0, 0]], 4)


# ---------------------------------------------------------------- parameters


def test_net_surgery(file: File) -> None:
    """Caffe's example: an inner product becomes a convolution with the same values."""
    fc = caffe.Net(file(DEPLOY), caffe.TEST)
    conv = caffe.Net(file(DEPLOY.replace("'pool' top: 'ip'", "'pool' top: 'ip'"), "b.prototxt"), caffe.TEST)
    conv.params["ip"][0].data.flat = fc.params["ip"][0].data.flat
    conv.params["ip"][1].data[...] = fc.params["ip"][1].data
    conv.params["conv1"][0].data[...] = fc.params["conv1"][0].data
    images = np.random.default_rng(1).standard_normal((4, 1, 5, 5))
    np.testing.assert_array_equal(conv.forward(data=images)["prob"], fc.forward(data=images)["prob"])


def test_new_nets_start_differently_unless_seeded(file: File) -> None:
    path = file(DEPLOY)
    first, second = (caffe.Net(path, caffe.TEST).params["ip"][0].data for _ in range(2))
    assert (first != second).any()
    caffe.set_random_seed(7)
    seeded = caffe.Net(path, caffe.TEST).params["ip"][0].data
    caffe.set_random_seed(7)
    np.testing.assert_array_equal(caffe.Net(path, caffe.TEST).params["ip"][0].data, seeded)


@pytest.mark.parametrize("form", ["caffemodel", "h5"])
def test_save_and_read(file: File, tmp_path: Path, form: str) -> None:
    net, weights = caffe.Net(file(SIMPLE), caffe.TRAIN), str(tmp_path / "weights")
    if form == "h5":
        net.save_hdf5(weights)
    else:
        net.save(weights)
    other = caffe.Net(file(SIMPLE), caffe.TEST)
    assert (other.params["ip"][0].data != net.params["ip"][0].data).any()
    if form == "h5":
        other.load_hdf5(weights)
    else:
        other.copy_from(weights)
    for name, blobs in net.params.items():
        for mine, theirs in zip(blobs, other.params[name], strict=True):
            np.testing.assert_array_equal(mine.data, theirs.data)


def test_hdf5_as_caffe_lays_it_out(file: File, tmp_path: Path) -> None:
    net, path = caffe.Net(file(DEPLOY), caffe.TEST), tmp_path / "w.h5"
    net.save_hdf5(path)
    with h5py.File(path) as found:
        assert sorted(found["data/conv1"]) == ["0", "1"]
        np.testing.assert_array_equal(found["data/conv1/0"], net.params["conv1"][0].data)


def test_saved_weights_are_a_caffemodel(file: File, tmp_path: Path) -> None:
    net, path = caffe.Net(file(DEPLOY), caffe.TEST), tmp_path / "w.caffemodel"
    net.save(path)
    message = caffe.proto.caffe_pb2.NetParameter()
    message.ParseFromString(path.read_bytes())
    assert [layer.name for layer in message.layer] == net._layer_names
    conv = next(layer for layer in message.layer if layer.name == "conv1")
    np.testing.assert_array_equal(caffe.io.blobproto_to_array(conv.blobs[0]), net.params["conv1"][0].data)


def test_weights_of_another_net(file: File, tmp_path: Path) -> None:
    path = str(tmp_path / "w.caffemodel")
    caffe.Net(file(DEPLOY), caffe.TEST).save(path)
    wider = caffe.Net(file(DEPLOY.replace("num_output: 2", "num_output: 4"), "wide.prototxt"), caffe.TEST)
    with pytest.raises(NetError, match='layer "ip" does not fit') as caught:
        wider.copy_from(path)
    assert caught.value.diagnostics[0].code.id == "SNP010"
    other = caffe.Net(file(SIMPLE.replace("'ip'", "'fc'"), "simple.prototxt"), caffe.TRAIN)
    with pytest.warns(RuntimeWarning, match="none is in this net"):
        other.copy_from(path)


def test_share_with(file: File) -> None:
    teacher, student = caffe.Net(file(DEPLOY), caffe.TEST), caffe.Net(file(DEPLOY), caffe.TEST)
    images = np.random.default_rng(2).standard_normal((4, 1, 5, 5))
    kept = student.params["ip"][0]
    student.share_with(teacher)
    np.testing.assert_array_equal(student.forward(data=images)["prob"], teacher.forward(data=images)["prob"])
    teacher.params["ip"][0].data[...] = 0.5
    assert (kept.data == 0.5).all()
    np.testing.assert_array_equal(student.forward()["prob"], teacher.forward()["prob"])
    student.blobs["data"].reshape(1, 1, 5, 5)
    student.forward()
    teacher.params["ip"][0].data[...] = 0.25
    assert (kept.data == 0.25).all()


def test_parameters_that_do_not_learn_have_a_diff_of_zeros(file: File) -> None:
    text = """layer { name: 'd' type: 'Input' top: 'd' input_param { shape { dim: 2 dim: 3 } } }
    layer { name: 'bn' type: 'BatchNorm' bottom: 'd' top: 'bn' }"""
    net = caffe.Net(file(text), caffe.TRAIN)
    assert [blob.diff.tolist() for blob in net.params["bn"]] == [[0] * 3, [0] * 3, [0]]
    net.params["bn"][2].diff[...] = 4
    assert net.params["bn"][2].diff.tolist() == [4]
