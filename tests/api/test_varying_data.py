"""Batches of one image take each image's size, as in Caffe."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import netc
from netc import caffe
from netc.cli import cli
from netc.errors import NetError
from netc.layer import Array

SIZES = [(6, 9), (12, 7), (8, 8), (6, 9)]
NET = """
layer { name: 'd' type: 'ImageData' top: 'data' top: 'label' image_data_param { source: 'list.txt' batch_size: BATCH } }
layer { name: 'c' type: 'Convolution' bottom: 'data' top: 'c'
  convolution_param { num_output: 2 kernel_size: 3 weight_filler { type: 'xavier' } } }
layer { name: 'p' type: 'Pooling' bottom: 'c' top: 'p' pooling_param { pool: AVE global_pooling: true } }
layer { name: 'loss' type: 'SoftmaxWithLoss' bottom: 'p' bottom: 'label' top: 'loss' }
"""


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Array]:
    monkeypatch.chdir(tmp_path)
    generator, made = np.random.default_rng(0), []
    for i, size in enumerate(SIZES):
        pixels = generator.integers(0, 256, (*size, 3), np.uint8)
        Image.fromarray(pixels).save(f"{i}.png")
        made.append(pixels[:, :, ::-1].transpose(2, 0, 1)[None].astype(np.float32))
    Path("list.txt").write_text("".join(f"{i}.png {i % 2}\n" for i in range(len(SIZES))))
    Path("net.prototxt").write_text(NET.replace("BATCH", "1"))
    Path("s.prototxt").write_text(
        "net: 'net.prototxt' base_lr: 0.001 lr_policy: 'fixed' max_iter: 6 snapshot_after_train: false "
        "test_iter: 4 test_interval: 3"
    )
    return made


def test_each_image_has_its_size(images: list[Array]) -> None:
    nets = [netc.Net("net.prototxt", "TRAIN", keep=keep) for keep in (False, True)]
    script = caffe.Net("net.prototxt", caffe.TRAIN)
    for net in nets:
        net.params["c"][0][...] = script.params["c"][0].data
    for i in (0, 1, 2, 3, 0):
        wanted = script.forward()["loss"]
        np.testing.assert_array_equal(script.blobs["data"].data, images[i])
        script.backward()
        for net in nets:
            np.testing.assert_allclose(net.forward()["loss"], wanted, rtol=1e-4)
            assert net.plan.shapes[0] == images[i].shape
    np.testing.assert_array_equal(nets[1].blobs["data"], images[0])


def test_training(images: list[Array]) -> None:
    """The fast executor, updates in backward, and the pycaffe solver come to the same weights."""
    solvers = [netc.Solver("s.prototxt", keep_gradients=keep) for keep in (True, False)]
    script = caffe.SGDSolver("s.prototxt")
    for solver in solvers:
        for mine, theirs in zip(solver.net.params["c"], script.net.params["c"], strict=True):
            mine[...] = theirs.data
        solver.solve()
    script.solve()
    assert script.net.blobs["data"].shape == images[5 % 4].shape
    for solver in solvers:
        for mine, theirs in zip(solver.net.params["c"], script.net.params["c"], strict=True):
            np.testing.assert_allclose(mine, theirs.data, rtol=1e-3, atol=1e-6)


def test_a_batch_of_several_needs_one_size(images: list[Array]) -> None:
    Path("net.prototxt").write_text(NET.replace("BATCH", "2"))
    with pytest.raises(NetError, match=r"1\.png.*it is 12 x 7, the batch 6 x 9"):
        netc.Net("net.prototxt", "TRAIN").forward()
    assert len(images) == 4


@pytest.mark.parametrize("executor", ["reference", "fast"])
def test_whoever_observes_goes_on_seeing_every_layer(images: list[Array], executor: str) -> None:
    net = netc.Net("net.prototxt", "TRAIN", executor=executor)
    own = type(net.executor)
    seen: list[tuple[str, int, tuple[int, ...]]] = []
    with net.observed(lambda kind, layer, call: seen.append((kind, layer, call.tops[0].shape))):
        for image in images:
            seen.clear()
            net.forward()
            net.backward()
            assert [layer for kind, layer, _ in seen if kind == "forward"] == [0, 1, 2, 3]
            assert [layer for kind, layer, _ in seen if kind == "backward"] == [3, 2, 1]
            assert seen[0][2] == image.shape
        assert net.is_observed
    seen.clear()
    net.forward()
    assert seen == []
    assert type(net.executor) is own
    assert not net.is_observed


def test_a_replica_is_observed_by_nobody(images: list[Array]) -> None:
    net = netc.Net("net.prototxt", "TRAIN", inputs={"data": images[0].shape})
    with net.observed(lambda *_: None):
        twin = net.replica()
        assert not twin.is_observed
        assert type(twin.executor) is not type(net.executor)


MAPS = """
layer { name: 'd' type: 'ImageData' top: 'data' top: 'label' image_data_param { source: 'list.txt' batch_size: 1 } }
layer { name: 'c' type: 'Convolution' bottom: 'data' top: 'c'
  convolution_param { num_output: 2 kernel_size: 3 weight_filler { type: 'xavier' } } }
layer { name: 'p' type: 'Pooling' bottom: 'c' top: 'p' pooling_param { pool: AVE global_pooling: true } }
layer { name: 'a' type: 'Accuracy' bottom: 'p' bottom: 'label' top: 'a' }
"""


@pytest.mark.parametrize("executor", ["reference", "fast"])
def test_every_image_is_counted(images: list[Array], executor: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("maps.prototxt").write_text(MAPS)
    caffe.Net("maps.prototxt", caffe.TEST).save("w.caffemodel")
    line = f"test maps.prototxt --weights w.caffemodel --iterations {len(images)} --executor {executor} --json"
    cli(line.split(), standalone_mode=False)
    found = json.loads(capsys.readouterr().out)
    assert sum(found["classes"]["count"]) == len(images)
