"""Runs in turns and stages, with masks, early stopping and texts, that SIGKILL ends at any moment, end with the bits of
one that never stopped: every snapshot on the way, and what the metrics say."""

from __future__ import annotations

import json
import random
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import COMMAND, environment

TURNS = """
def net(x; of, width) -> y {
  h = InnerProduct(x) {
    num_output: 12 weight_filler { type: "xavier" } param { name: "${of}/w1" } param { name: "${of}/b1" }
  }
  h = BatchNorm(h)
  h = ReLU(h)
  y = InnerProduct(h) {
    num_output: width weight_filler { type: "xavier" } param { name: "${of}/w2" } param { name: "${of}/b2" }
  }
}
data, label = Digits() { split: "train" batch_size: 8 }
noise, yes, no = DummyData() {
  shape { dim: [8, 4] } shape { dim: [8, 1] } shape { dim: [8, 1] }
  data_filler { type: "gaussian" } data_filler { value: 1 } data_filler { value: 0 }
}
fake = net(noise) { of: "g" width: 64 }
pixels = Flatten(data)
on_data = net(pixels) { of: "d" width: 1 }
on_fake = net(fake) { of: "d" width: 1 }
loss_data = SigmoidCrossEntropyLoss(on_data, yes)
loss_fake = SigmoidCrossEntropyLoss(on_fake, no)
loss_g = SigmoidCrossEntropyLoss(on_fake, yes)
solver {
  type: "Adam" base_lr: 0.01 momentum: 0.5 lr_policy: "fixed" random_seed: 1 max_iter: 40
  display: 5 snapshot: 5 snapshot_prefix: "run"
  turn { learn: "d/*" loss: ["loss_data", "loss_fake"] }
  turn { learn: "g/*" loss: "loss_g" steps: 2 }
}
"""
STAGES = """
train { data, label = Digits() { split: "train" batch_size: 16 } }
test { data, label = Digits() { split: "test" batch_size: 50 } }
h = InnerProduct(data) { num_output: 24 weight_filler { type: "xavier" } }
h = Dropout(h) { dropout_ratio: 0.2 }
h = ReLU(h)
score = InnerProduct(h) { num_output: 10 weight_filler { type: "xavier" } }
test { accuracy = Accuracy(score, label) }
loss = SoftmaxWithLoss(score, label)
solver {
  base_lr: 0.1 momentum: 0.9 lr_policy: "fixed" random_seed: 1 test_iter: 2 test_interval: 4 display: 4
  snapshot: 3 snapshot_prefix: "run"
  stage { max_iter: 20 early_stop { output: "accuracy" patience: 2 restore: true } }
  stage { max_iter: 16 sparsity: 0.7 sparsity_iter: 9 sparsity_interval: 3 sparse: "h" }
  stage { max_iter: 8 base_lr: 0.01 type: "Adam" learn: "score" }
}
"""
TEXT = """
train, test { x, cont, next = Text() { source: "a.txt" steps: 5 batch_size: 3 } }
e = Embed(x) { input_dim: 40 num_output: 6 weight_filler { type: "gaussian" std: 0.3 } }
h = LSTM(e, cont) { num_output: 8 weight_filler { type: "uniform" min: -0.2 max: 0.2 } }
score = InnerProduct(h) { axis: 2 num_output: 40 weight_filler { type: "xavier" } }
loss = SoftmaxWithLoss(score, next) { softmax_param { axis: 2 } }
test { p = Perplexity(score, next) { axis: 2 } }
solver {
  type: "Adam" base_lr: 0.02 lr_policy: "fixed" random_seed: 1 max_iter: 40 test_iter: 3 test_interval: 7 display: 5
  snapshot: 4 snapshot_prefix: "run"
}
"""
WORDS = """
word, near = Text() { source: "a.txt" unit: WORD form: SKIPGRAM window: 2 subsample: 0.05 batch_size: 16 shuffle: true }
e = Embed(word) { input_dim: 40 num_output: 6 weight_filler { type: "uniform" min: -0.2 max: 0.2 } }
loss = NegativeSamplingLoss(e, near) { num_output: 40 negative: 3 }
solver {
  type: "Adam" base_lr: 0.02 lr_policy: "fixed" random_seed: 1 max_iter: 40 display: 5 snapshot: 4
  snapshot_prefix: "run"
}
"""
SYSTEMS = {"turns": TURNS, "stages": STAGES, "text": TEXT, "words": WORDS}
LINES = "the cat sat on the mat\nthe dog sat on the cat\na dog and a cat on a mat\nthe cat and the dog\n"
TIMED = ("iterations_per_second", "images_per_second", "data_wait")
KILLS = 3


def started(folder: Path, executor: str) -> subprocess.Popen[str]:
    """`netc train` in a folder, from the newest snapshot there."""
    states = folder.glob("*.solverstate")
    newest = max(states, key=lambda path: int(path.stem.rpartition("_")[2]), default=None)
    options = ["--snapshot", newest.name] if newest else []
    command = [*COMMAND, "train", "a.net", "--executor", executor, *options]
    return subprocess.Popen(command, cwd=folder, env=environment(), stderr=subprocess.PIPE, text=True)


def prepared(folder: Path, text: str) -> Path:
    folder.mkdir()
    (folder / "a.net").write_text(text)
    (folder / "a.txt").write_text(LINES)
    return folder


def lines(folder: Path) -> list[dict[str, Any]]:
    """The metrics, but for what the clock says, and which snapshots there are: a kill may come between the two."""
    found = [json.loads(line) for line in (folder / "run.metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k not in TIMED} for line in found if line["kind"] != "snapshot"]


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in (".caffemodel", ".solverstate")}


@pytest.mark.parametrize(
    ("system", "executor"), [*((system, "fast") for system in SYSTEMS), ("stages", "reference"), ("text", "reference")]
)
def test_killed_and_resumed(tmp_path: Path, system: str, executor: str) -> None:
    whole, cut = (prepared(tmp_path / name, SYSTEMS[system]) for name in ("whole", "cut"))
    run = started(whole, executor)
    _, said = run.communicate(timeout=300)
    assert run.returncode == 0, said
    chance, kills, code = random.Random(f"{system} {executor}"), 0, -9
    while code != 0:
        run = started(cut, executor)
        if kills < KILLS:
            wanted = len(list(cut.glob("*.solverstate"))) + chance.randrange(1, 3)
            until = time.monotonic() + 120
            while run.poll() is None and time.monotonic() < until:
                if len(list(cut.glob("*.solverstate"))) >= wanted:
                    break
                time.sleep(0.002)
            time.sleep(chance.uniform(0, 0.01))
            run.kill()
            kills += 1
        _, said = run.communicate(timeout=300)
        code = run.returncode
        assert code in (0, -9), said
    assert files(cut) == files(whole)
    assert lines(cut) == lines(whole)
