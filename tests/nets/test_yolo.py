"""The losses of nets/blocks/yolo.net: their sums by loops in numpy, their gradients by differences."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import netc
from netc.api.gradcheck import gradcheck
from tests.nets.views import NETS

NET = """
import "yolo.net"
data, boxes = DigitScenes() {{ batch_size: 3 height: 24 width: 24 digits: 2 transform_param {{ scale: 0.004 }} }}
h = Convolution(data) {{ num_output: 4 kernel_size: 8 stride: 8 weight_filler {{ type: "msra" }} }}
h = TanH(h)
map = Convolution(h) {{ num_output: 30 kernel_size: 1 weight_filler {{ type: "xavier" }} }}
xy, wh, object, class = {version}(map, boxes) {{ classes: 10 anchor: [8, 12, 14, 20] mask: [0, 1] stride: 8 }}
t, w, label = GridTarget(map, boxes) {{
  classes: 10 anchor: [8, 12, 14, 20] stride: 8 {more}
}}
Silence(t)
Silence(w)
Silence(label)
"""
MORE = {"yolo_v2": "threshold: 0.6 rescore: true object_scale: 5", "yolo_v3": "threshold: 0.5"}


@pytest.fixture(params=["yolo_v2", "yolo_v3"])
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def path(tmp_path: Path, version: str) -> Path:
    (tmp_path / "yolo.net").write_text((NETS / "blocks" / "yolo.net").read_text())
    (tmp_path / "x.net").write_text(NET.format(version=version, more=MORE[version]))
    return tmp_path / "x.net"


def test_losses_are_those_of_the_papers(path: Path, version: str) -> None:
    net = netc.Net(netc.load(path), "TRAIN", seed=1, keep=True)
    net.forward()
    p, t, w = (np.array(net.blobs[name], np.float64).reshape(3, 2, 15, 3, 3) for name in ("map", "t", "w"))
    s = 1 / (1 + np.exp(-p))
    square = lambda a, b, part: (w[:, :, part] * (a[:, :, part] - b[:, :, part]) ** 2).sum() / 2 / 3  # noqa: E731
    logistic = lambda part: (  # noqa: E731
        -(w * (t * np.log(s) + (1 - t) * np.log(1 - s)))[:, :, part].sum() / 3
    )
    xy, wh, o, c = slice(0, 2), slice(2, 4), slice(4, 5), slice(5, None)
    if version == "yolo_v3":
        wanted = [logistic(xy), square(p, t, wh), logistic(o), logistic(c)]
    else:
        prob = np.exp(p[:, :, c]) / np.exp(p[:, :, c]).sum(axis=2, keepdims=True)
        label = np.array(net.blobs["label"])
        own = [-np.log(prob[n, k, int(label[n, k, j, i]), j, i]) for n, k, j, i in np.argwhere(label >= 0)]
        wanted = [square(s, t, xy), square(p, t, wh), square(s, t, o), sum(own) / 6]  # a mean over 2 anchors, too
    found = [float(net.blobs[name]) for name in ("xy/xy", "xy/wh", "xy/object", "xy/class")]
    np.testing.assert_allclose(found, wanted, rtol=1e-4)
    assert min(found) > 0


def test_gradients_are_derivatives(path: Path, version: str) -> None:
    for checked in gradcheck(netc.load(path)):
        assert checked.fine(1e-4) or (version == "yolo_v2" and checked.excuse), checked
