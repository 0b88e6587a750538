"""Nets that change their size while they run: only what runs must fit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from netc import caffe
from netc.plan import plan as plan_graph

File = Callable[..., str]

CLASSIFIER = """
name: 'classifier' force_backward: true input: 'data' input_shape { dim: 2 dim: 3 dim: 8 dim: 8 }
layer { name: 'conv' type: 'Convolution' bottom: 'data' top: 'conv'
  convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: 'xavier' } } }
layer { name: 'relu' type: 'ReLU' bottom: 'conv' top: 'conv' }
layer { name: 'pool' type: 'Pooling' bottom: 'conv' top: 'pool' pooling_param { kernel_size: 2 stride: 2 } }
layer { name: 'fc' type: 'InnerProduct' bottom: 'pool' top: 'fc'
  inner_product_param { num_output: 5 weight_filler { type: 'xavier' } } }
layer { name: 'prob' type: 'Softmax' bottom: 'fc' top: 'prob' }
"""


@pytest.fixture
def net(file: File) -> caffe.Net:
    return caffe.Net(file(CLASSIFIER), caffe.TEST)


def convolved(net: caffe.Net, image: np.ndarray) -> np.ndarray:
    weights, bias = (blob.data for blob in net.params["conv"])
    windows = np.lib.stride_tricks.sliding_window_view(image, (3, 3), (2, 3))
    return np.maximum(np.einsum("ncyxij,ocij->noyx", windows, weights) + bias[:, None, None], 0)


def test_deep_dream(net: caffe.Net) -> None:
    """The example's loop over octaves: each has a size of its own, and nothing after the layer `end` runs."""
    generator, weights = np.random.default_rng(0), net.params["fc"][0].data.copy()
    for size in (12, 17, 24, 12):
        src, dst = net.blobs["data"], net.blobs["pool"]
        src.reshape(1, 3, size, size)
        src.data[...] = generator.standard_normal((1, 3, size, size))
        for _ in range(2):
            found = net.forward(end="pool")["pool"]
            assert found.shape == dst.data.shape == (1, 4, (size - 1) // 2, (size - 1) // 2)
            np.testing.assert_allclose(net.blobs["conv"].data, convolved(net, src.data), rtol=1e-4, atol=1e-5)
            dst.diff[...] = dst.data
            assert set(net.backward(start="pool")) == {"data"}
            g = src.diff[0]
            assert g.any()
            src.data[:] += 0.1 / np.abs(g).mean() * g
    assert net.blobs["fc"].data.shape == (2, 5)  # as it was
    assert (net.params["fc"][0].data == weights).all()


def test_layers_that_do_not_fit_are_refused_when_they_should_run(net: caffe.Net) -> None:
    small = np.random.default_rng(1).standard_normal((2, 3, 8, 8)).astype(np.float32)
    before = net.forward(data=small)["prob"].copy()
    net.blobs["data"].reshape(1, 3, 12, 12)
    net.reshape()
    assert net.blobs["pool"].shape == (1, 4, 5, 5)
    assert net.blobs["prob"].shape == (2, 5)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="RUN015"):
            net.forward()
        with pytest.raises(RuntimeError, match="RUN015"):
            net.backward()
        assert net.forward(end="pool")["pool"].shape == (1, 4, 5, 5)
    np.testing.assert_array_equal(net.blobs["prob"].data, before)
    net.blobs["data"].reshape(2, 3, 8, 8)
    np.testing.assert_allclose(net.forward(data=small)["prob"], before, rtol=1e-5)  # after backward on other kernels
    assert (net.backward(prob=before)["data"]).any()


def test_weights_of_layers_that_are_not_planned_are_there(net: caffe.Net, file: File, tmp_path: object) -> None:
    net.blobs["data"].reshape(1, 3, 12, 12)
    net.forward(end="conv")
    path = f"{tmp_path}/w.caffemodel"
    net.save(path)
    other = caffe.Net(file(CLASSIFIER), path, caffe.TEST)
    np.testing.assert_array_equal(other.params["fc"][0].data, net.params["fc"][0].data)
    net.params["fc"][0].data[...] = 3
    net.copy_from(path)
    np.testing.assert_array_equal(other.params["fc"][0].data, net.params["fc"][0].data)


def test_a_size_of_1x1_stands_for_any(file: File) -> None:
    text = CLASSIFIER.replace("dim: 8 dim: 8", "dim: 1 dim: 1").split("layer { name: 'fc'", maxsplit=1)[0]
    net = caffe.Net(file(text), caffe.TEST)
    assert net.blobs["data"].shape == (2, 3, 1, 1)
    with pytest.raises(RuntimeError, match="a kernel of 3 does not fit"):
        net.forward()
    image = np.random.default_rng(2).standard_normal((1, 3, 9, 7))
    net.blobs["data"].reshape(*image.shape)
    net.reshape()
    net.blobs["data"].data[...] = image
    assert net.forward()["pool"].shape == (1, 4, 4, 3)
    np.testing.assert_allclose(net.blobs["conv"].data, convolved(net, image), rtol=1e-4, atol=1e-5)
    with pytest.raises(RuntimeError, match="a kernel of 9 does not fit"):
        caffe.Net(file(text.replace("dim: 1 dim: 1", "dim: 1 dim: 8").replace("kernel_size: 3", "kernel_size: 9")), 1)


def test_an_input_that_is_read_later_keeps_what_a_script_gave_it(file: File) -> None:
    text = (
        CLASSIFIER.split("layer { name: 'fc'", maxsplit=1)[0]
        + """
    layer { name: 'more' type: 'Input' top: 'more' input_param { shape { dim: 2 dim: 4 dim: 3 dim: 3 } } }
    layer { name: 'sum' type: 'Eltwise' bottom: 'pool' bottom: 'more' top: 'sum' }"""
    )
    net = caffe.Net(file(text), caffe.TEST)
    net.blobs["data"].reshape(1, 3, 12, 12)
    assert net.forward(end="pool")["pool"].shape == (1, 4, 5, 5)
    net.blobs["more"].reshape(1, 4, 5, 5)
    net.blobs["more"].data[...] = 7
    np.testing.assert_allclose(net.forward()["sum"], net.blobs["pool"].data + 7, rtol=1e-6)


def test_a_training_net_in_parts(file: File) -> None:
    """Style transfer: a net with a loss, of which only the first layers run."""
    text = CLASSIFIER.replace("force_backward: true", "").replace("'Softmax'", "'SoftmaxWithLoss'")
    text = text.replace("bottom: 'fc' top: 'prob'", "bottom: 'fc' bottom: 'label' top: 'prob'")
    caffe.set_random_seed(1)  # some of the ReLU's inputs are positive
    net = caffe.Net(file(text + " input: 'label' input_shape { dim: 2 }"), caffe.TRAIN)
    net.blobs["data"].reshape(1, 3, 12, 12)
    net.blobs["data"].data[...] = 1
    net.forward(end="pool")
    net.blobs["pool"].diff[...] = 1
    net.clear_param_diffs()
    net.backward(start="pool")
    assert net.params["conv"][1].diff.any()


def test_plans_are_kept_by_shape(net: caffe.Net, monkeypatch: pytest.MonkeyPatch) -> None:
    planned = []

    def plan(*args: object, **options: object) -> object:
        planned.append(options["inputs"])
        return plan_graph(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("netc.api.planner.plan_graph", plan)
    for size in (12, 10, 12, 8, 10, 12):
        net.blobs["data"].reshape(1, 3, size, size)
        net.forward(end="conv")
    assert len(planned) == 3  # of the first layers only, where nobody asks for more
