"""From a database to a trained net: a small SSD that learns to find rectangles, and a small SegNet that marks them."""

from __future__ import annotations

import json
from pathlib import Path

import lmdb
import numpy as np
import pytest

import netc
from netc.data.annotated_datum import encode_annotated
from netc.data.datum import encode_file
from netc.data.images import encode_image
from netc.run.reference import Reference
from netc.solve.events import Events, Step
from tests.cli.conftest import Run, run

__all__ = ["run"]

SIDE = 32


def scene(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An image with a bright (class 1) and a dark (class 2) square on noise, its boxes, and the class of each pixel."""
    image = rng.integers(100, 150, (SIDE, SIDE, 3)).astype(np.uint8)
    marks, boxes = np.zeros((SIDE, SIDE), np.uint8), []
    for label, (value, left) in enumerate(((250, 0), (5, SIDE // 2)), 1):
        side = int(rng.integers(7, 11))
        x, y = left + int(rng.integers(0, SIDE // 2 - side)), int(rng.integers(0, SIDE - side))
        image[y : y + side, x : x + side] = value
        marks[y : y + side, x : x + side] = label
        boxes.append((label, 0, x / SIDE, y / SIDE, (x + side) / SIDE, (y + side) / SIDE, 0))
    return image, np.array(boxes, np.float32), marks


def database(path: Path, count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    with lmdb.open(str(path), map_size=1 << 24) as env, env.begin(write=True) as txn:
        for index in range(count):
            image, boxes, _ = scene(rng)
            record = encode_annotated(encode_file(encode_image(image, "jpg"), 0), boxes)
            txn.put(f"{index:08}".encode(), record)


SSD = """name: "small_ssd"
train {
  data, label = AnnotatedData() {
    data_param { source: "train_lmdb" batch_size: 8 backend: LMDB }
    transform_param {
      mean_value: 127 scale: 0.01 mirror: true
      resize_param { height: 32 width: 32 interp_mode: [LINEAR, AREA, NEAREST, CUBIC, LANCZOS4] }
      emit_constraint { emit_type: CENTER }
      distort_param { brightness_prob: 0.5 brightness_delta: 10 hue_prob: 0.5 hue_delta: 9 }
      expand_param { prob: 0.2 max_expand_ratio: 1.5 }
    }
    annotated_data_param {
      batch_sampler { max_sample: 1 max_trials: 1 }
      batch_sampler {
        sampler { min_scale: 0.7 max_scale: 1 min_aspect_ratio: 0.8 max_aspect_ratio: 1.25 }
        sample_constraint { min_jaccard_overlap: 0.1 } max_sample: 1 max_trials: 50
      }
    }
  }
}
test {
  data, label = AnnotatedData() {
    data_param { source: "test_lmdb" batch_size: 4 backend: LMDB }
    transform_param { mean_value: 127 scale: 0.01 resize_param { height: 32 width: 32 } }
    annotated_data_param { batch_sampler {} }
  }
}
let filler = "msra"
c1 = Convolution(data) { num_output: 16 kernel_size: 3 pad: 1 stride: 2 weight_filler { type: filler } }
c1 = ReLU(c1)
c2 = Convolution(c1) { num_output: 24 kernel_size: 3 pad: 1 stride: 2 weight_filler { type: filler } }
c2 = ReLU(c2)
c3 = Convolution(c2) { num_output: 24 kernel_size: 3 pad: 1 weight_filler { type: filler } }
c3 = ReLU(c3)
loc = Convolution(c3) { num_output: 8 kernel_size: 3 pad: 1 weight_filler { type: "xavier" } }
loc_perm = Permute(loc) { order: [0, 2, 3, 1] }
loc_flat = Flatten(loc_perm)
conf = Convolution(c3) { num_output: 6 kernel_size: 3 pad: 1 weight_filler { type: "xavier" } }
conf_perm = Permute(conf) { order: [0, 2, 3, 1] }
conf_flat = Flatten(conf_perm)
prior = PriorBox(c3, data) { min_size: 8 max_size: 12 variance: [0.1, 0.1, 0.2, 0.2] }
train {
  loss = MultiBoxLoss(loc_flat, conf_flat, prior, label) {
    num_classes: 3 code_type: CENTER_SIZE propagate_down: [true, true, false, false]
  }
}
test {
  scores = Reshape(conf_flat) { shape { dim: [0, -1, 3] } }
  prob = Softmax(scores) { axis: 2 }
  prob_flat = Flatten(prob)
  found = DetectionOutput(loc_flat, prob_flat, prior) {
    num_classes: 3 code_type: CENTER_SIZE nms_param { nms_threshold: 0.45 top_k: 100 } keep_top_k: 20
    confidence_threshold: 0.1
  }
  detection_eval = DetectionEvaluate(found, label) { num_classes: 3 }
}
solver {
  type: "Adam" base_lr: 0.004 momentum: 0.9 lr_policy: "fixed" max_iter: 120 display: 20 average_loss: 20 random_seed: 3
  test_iter: 4 test_interval: 120 test_initialization: true eval_type: "detection" ap_version: "11point"
  show_per_class_result: true snapshot_prefix: "ssd"
}
"""


class Losses(Events):
    def __init__(self) -> None:
        self.losses: list[float] = []

    def stepped(self, step: Step) -> None:
        self.losses.append(step.loss)


@pytest.fixture
def ssd(tmp_path: Path) -> Path:
    database(tmp_path / "train_lmdb", 48, 1)
    database(tmp_path / "test_lmdb", 16, 2)
    path = tmp_path / "ssd.net"
    path.write_text(SSD)
    return path


def test_a_detector_learns(ssd: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ssd.parent)
    events = Losses()
    solver = netc.Solver(ssd, events=events)
    assert not isinstance(solver.net.executor, Reference)  # boxes of any number keep the compiled step
    solver.solve()
    first, last = np.mean(events.losses[:10]), np.mean(events.losses[-10:])
    assert last < 0.5 * first
    before, after = solver.results[0].outputs, solver.results[-1].outputs
    assert set(after) == {"detection_eval", "detection_eval/1", "detection_eval/2"}
    assert float(before["detection_eval"]) < 0.3
    assert float(after["detection_eval"]) > 0.6
    done = run(
        "test", ssd, "--weights", ssd.parent / "ssd_iter_120.caffemodel", "--iterations", 4, "--ap-version", "11point",
        "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    found = json.loads(done.out.splitlines()[-1])
    assert found["detection_eval"] == pytest.approx(float(after["detection_eval"]), abs=0.02)


def test_a_stopped_detector_goes_on_with_the_same_bits(ssd: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ssd.parent)
    changes = {"test_initialization": False, "snapshot_after_train": False, "test_interval": 0}
    whole = Losses()
    netc.Solver(ssd, events=whole, changes={**changes, "max_iter": 6}).solve()
    part = netc.Solver(ssd, changes={**changes, "max_iter": 3, "snapshot_after_train": True})
    part.solve()
    rest = Losses()
    resumed = netc.Solver(ssd, events=rest, changes={**changes, "max_iter": 6})
    resumed.restore("ssd_iter_3.solverstate")
    resumed.solve()
    assert rest.losses == whole.losses[3:]


SEGNET = """name: "small_segnet"
layer {
  name: "data" type: "DenseImageData" top: "data" top: "label"
  dense_image_data_param { source: "train.txt" batch_size: 4 shuffle: true }
  transform_param { mirror: true }
}
layer { name: "norm" type: "LRN" bottom: "data" top: "norm" lrn_param { local_size: 5 alpha: 0.0001 beta: 0.75 } }
layer {
  name: "conv1" type: "Convolution" bottom: "norm" top: "conv1"
  convolution_param { num_output: 12 pad: 2 kernel_size: 5 weight_filler { type: "msra" } }
}
layer {
  name: "conv1_bn" type: "BN" bottom: "conv1" top: "conv1"
  bn_param { scale_filler { type: "constant" value: 1 } shift_filler { type: "constant" value: 0.001 } }
}
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer {
  name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1" top: "pool1_mask"
  pooling_param { pool: MAX kernel_size: 2 stride: 2 }
}
layer { name: "up1" type: "Upsample" bottom: "pool1" bottom: "pool1_mask" top: "up1" upsample_param { scale: 2 } }
layer {
  name: "conv_decode1" type: "Convolution" bottom: "up1" top: "conv_decode1"
  convolution_param { num_output: 12 pad: 2 kernel_size: 5 weight_filler { type: "msra" } }
}
layer {
  name: "classes" type: "Convolution" bottom: "conv_decode1" top: "classes"
  convolution_param { num_output: 3 kernel_size: 1 weight_filler { type: "msra" } }
}
layer {
  name: "loss" type: "SoftmaxWithLoss" bottom: "classes" bottom: "label" top: "loss" softmax_param { engine: CAFFE }
  loss_param { weight_by_label_freqs: true class_weighting: 0.4 class_weighting: 3 class_weighting: 3 }
}
layer { name: "accuracy" type: "Accuracy" bottom: "classes" bottom: "label" top: "accuracy" }
"""


def test_a_segmenter_learns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng, lines = np.random.default_rng(0), []
    for index in range(12):
        image, _, marks = scene(rng)
        (tmp_path / f"{index}.png").write_bytes(encode_image(image, "png"))
        (tmp_path / f"{index}_label.png").write_bytes(encode_image(marks[:, :, None], "png"))
        lines.append(f"{index}.png {index}_label.png\n")
    (tmp_path / "train.txt").write_text("".join(lines))
    (tmp_path / "segnet.prototxt").write_text(SEGNET)
    solver_file = tmp_path / "solver.prototxt"
    solver_file.write_text(
        'train_net: "segnet.prototxt" base_lr: 0.01 lr_policy: "fixed" momentum: 0.9 max_iter: 40 random_seed: 1 '
        "snapshot_after_train: false"
    )
    monkeypatch.chdir(tmp_path)
    events = Losses()
    solver = netc.Solver(solver_file, events=events)
    solver.solve()
    assert np.mean(events.losses[-5:]) < 0.5 * np.mean(events.losses[:5])
    assert float(solver.net.forward()["accuracy"]) > 0.85
