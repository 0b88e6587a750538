"""What the reader of a page has already, under the name that the page uses: pictures, databases, trained models."""

from __future__ import annotations

import gzip
import re
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from netc import caffe

DEPLOY = """
input: "data" input_shape { dim: 1 dim: 3 dim: 24 dim: 24 }
layer {
  name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 4 kernel_size: 3 stride: 2 weight_filler { type: "msra" } }
}
layer {
  name: "fc7" type: "InnerProduct" bottom: "conv1" top: "fc7"
  inner_product_param { num_output: 10 weight_filler { type: "msra" } }
}
layer { name: "prob" type: "Softmax" bottom: "fc7" top: "prob" }
"""
TRAIN = """
layer {
  name: "data" type: "Digits" top: "data" top: "label"
  digits_param { split: "train" batch_size: 16 }
}
layer {
  name: "fc6" type: "InnerProduct" bottom: "data" top: "fc6"
  inner_product_param { num_output: 8 weight_filler { type: "msra" } }
}
layer {
  name: "fc8_mine" type: "InnerProduct" bottom: "fc6" top: "fc8_mine"
  inner_product_param { num_output: 10 weight_filler { type: "msra" } }
}
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc8_mine" bottom: "label" }
"""
DETECTOR = """
input: "data" input_shape { dim: 1 dim: 3 dim: 300 dim: 300 }
layer {
  name: "c" type: "Convolution" bottom: "data" top: "c"
  convolution_param { num_output: 4 kernel_size: 9 stride: 100 weight_filler { type: "msra" } }
}
layer {
  name: "prior" type: "PriorBox" bottom: "c" bottom: "data" top: "prior" prior_box_param { min_size: 8 }
}
layer { name: "loc" type: "Flatten" bottom: "c" top: "loc" }
layer {
  name: "conf" type: "Pooling" bottom: "c" top: "conf" pooling_param { pool: AVE kernel_size: 1 }
}
layer { name: "flat" type: "Slice" bottom: "conf" top: "two" top: "rest" slice_param { slice_point: 2 } }
layer { name: "conf2" type: "Flatten" bottom: "two" top: "conf2" }
layer { name: "silence" type: "Silence" bottom: "rest" }
layer {
  name: "detection_out" type: "DetectionOutput" bottom: "loc" bottom: "conf2" bottom: "prior" top: "detection_out"
  detection_output_param { num_classes: 2 keep_top_k: 5 nms_param { top_k: 5 } }
}
"""


def give(name: str, folder: Path) -> None:
    """Put it into the folder, `WHAT as NAME` under another name; KeyError if nobody knows how."""
    what, _, name = name.partition(" as ")
    MAKERS[what](folder / (name or what))


def _picture(path: Path, shape: tuple[int, ...] = (24, 24, 3), seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)).save(path)


def _photos(path: Path) -> None:
    for kind in ("cat", "dog"):
        for i in range(3):
            _picture(path / kind / f"{i}.png", (30, 26, 3), i)


def _text(text: str) -> Callable[[Path], None]:
    return lambda path: path.write_text(text) and None


def _weights(net: str, phase: str = "TEST") -> Callable[[Path], None]:
    """A trained model: values of the net's fillers."""

    def make(path: Path) -> None:
        text = path.with_suffix(".tmp.prototxt")
        text.write_text(net)
        caffe.Net(str(text), {"TEST": caffe.TEST, "TRAIN": caffe.TRAIN}[phase]).save(str(path))
        text.unlink()

    return make


def _idx(path: Path) -> None:
    """MNIST's test set: 10,000 digits of 28 x 28 (noise here), or their labels."""
    random = np.random.default_rng(0)
    images = "images" in path.name
    shape = (10000, 28, 28) if images else (10000,)
    head = struct.pack(f">4B{len(shape)}I", 0, 0, 8, len(shape), *shape)
    values = random.integers(0, 256 if images else 10, shape, dtype=np.uint8)
    path.write_bytes(gzip.compress(head + values.tobytes(), 1))


def _boxes(path: Path) -> None:
    """VOC's folder, with pictures and boxes."""
    for i in range(3):
        _picture(path / f"{i}.png", (30, 30, 3), i)
        (path / f"{i}.txt").write_text("cat 2 3 20 25\n")


def _camvid(path: Path) -> None:
    _picture(path / "train/0001TP_006690.png")
    _picture(path / "trainannot/0001TP_006690.png", (24, 24))


def _nets(path: Path) -> None:
    path.mkdir()
    (path / "train.prototxt").write_text(TRAIN)
    (path / "deploy.prototxt").write_text(f"# A net.\n{DEPLOY}")


OWN = """
data = Input() { shape { dim: [2, 3, 8, 8] } }
c = Convolution(data) { num_output: 16 kernel_size: 3 weight_filler { type: "msra" } }
c = Squareplus(c) { b: 2 }
"""
MISTAKE = """name: "mistake"
layer {
  name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } }
}
layer { name: "conv3" type: "Convolution" bottom: "data" top: "conv3" OUT5 }
layer { name: "conv4" type: "Convolution" bottom: "data" top: "conv4" OUT6 }
layer { name: "sum" type: "Eltwise" bottom: "conv3" bottom: "conv4" top: "sum" }
"""
LABELS = 'item { name: "none" label: 0 display_name: "none" } item { name: "cat" label: 1 display_name: "cat" }\n'

MAKERS: dict[str, Callable[[Path], None]] = {
    "photos/": _photos,
    "a.png": lambda path: _picture(path, seed=1),
    "cat.jpg": lambda path: _picture(path, (30, 26, 3)),
    "face.png": lambda path: _picture(path, (30, 26, 3)),
    "FOLDER": _nets,
    "net.prototxt": _text(re.sub(r"OUT(\d)", r"convolution_param { num_output: \1 kernel_size: 3 }", MISTAKE)),
    "own.net": _text(OWN),
    "res10_300x300_ssd_iter_140000.caffemodel": _weights(DETECTOR),
    "b.png": lambda path: _picture(path, seed=2),
    "names.txt": _text("zero\none\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\n"),
    "deploy.prototxt": _text(DEPLOY),
    "model.caffemodel": _weights(DEPLOY),
    "detector.prototxt": _text(DETECTOR),
    "train_val.prototxt": _text(TRAIN),
    "solver.prototxt": _text('net: "train_val.prototxt" base_lr: 0.01 lr_policy: "fixed" max_iter: 2\n'),
    "bvlc_reference_caffenet.caffemodel": _weights(TRAIN.replace("fc8_mine", "fc8"), "TRAIN"),
    "t10k-images-idx3-ubyte.gz": _idx,
    "t10k-labels-idx1-ubyte.gz": _idx,
    "VOCdevkit/": _boxes,
    "trainval.txt": _text("".join(f"{i}.png {i}.txt\n" for i in range(3))),
    "labelmap_voc.prototxt": _text(LABELS),
    "CamVid/": _camvid,
}
