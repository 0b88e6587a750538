"""Kill a training run at random moments, and compare it with a run that never stopped.

The net reads two sources (an LMDB with random crops, mirror images, rotation, contrast, noise and cut-out, and a
shuffled HDF5 file), has Dropout and BatchNorm, and is trained by Adam with snapshots. First one run goes through.
Then runs are started and killed (SIGKILL: no handler runs) at moments drawn from the time that the whole run took, each
going on from the newest state file that is there; a run that came to its end makes place for a fresh one. After every
kill, all snapshots written since must be, byte for byte, those of the first run.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

import netc
from netc.data.writing import array_items, make
from tools.attack import Tally

ITERATIONS, EVERY = 200, 5  # of a whole run; between snapshots

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(netc.__file__).parent.parent)}
NET = """
name: "killed"
train {
  image, label = Data() {
    transform_param { scale: 0.00390625 crop_size: 16 mirror: true rotation: 20 contrast: 0.3 noise: 4 cutout: 4 }
    data_param { source: "images" batch_size: 16 backend: LMDB }
  }
  row = HDF5Data() { source: "rows.txt" batch_size: 16 shuffle: true }
}
test {
  image, label = Data() { transform_param { scale: 0.00390625 crop_size: 16 }
    data_param { source: "images" batch_size: 16 backend: LMDB } }
  row = HDF5Data() { source: "rows.txt" batch_size: 16 }
}
conv = Convolution(image) { num_output: 8 kernel_size: 3 weight_filler { type: "msra" } }
conv = BatchNorm(conv) as bn
conv = ReLU(conv)
flat = Flatten(conv)
both = Concat(flat, row)
ip = InnerProduct(both) { num_output: 16 weight_filler { type: "xavier" } }
ip = ReLU(ip)
ip = Dropout(ip)
score = InnerProduct(ip) { num_output: 4 weight_filler { type: "xavier" } }
test { accuracy = Accuracy(score, label) }
loss = SoftmaxWithLoss(score, label)
solver {
  type: "Adam" base_lr: 0.001 lr_policy: "step" gamma: 0.9 stepsize: 20 momentum: 0.9 weight_decay: 0.0005
  max_iter: ITERATIONS display: 10 average_loss: 7 test_interval: 25 test_iter: 3 snapshot: EVERY
  random_seed: 5 snapshot_prefix: "run"
}
"""


@dataclass(frozen=True)
class Kill:
    """One kill: seconds after the start, the newest state file then, what was new, and which of it differs."""

    moment: float
    state: str
    new: int
    unfinished: int
    wrong: tuple[str, ...]


def prepare(folder: Path, iterations: int, every: int) -> None:
    """Write the net and its data."""
    drawn = np.random.default_rng(1)
    images = drawn.integers(0, 256, (70, 3, 20, 20), np.uint8)
    make(folder / "images", array_items(images, np.arange(70) % 4), skip=False, progress=lambda done: None)
    with h5py.File(folder / "rows.h5", "w") as file:
        file["row"] = drawn.standard_normal((53, 6)).astype(np.float32)
    (folder / "rows.txt").write_text("rows.h5\n")
    (folder / "net.net").write_text(NET.replace("ITERATIONS", str(iterations)).replace("EVERY", str(every)))


def start(folder: Path, executor: str) -> subprocess.Popen[bytes]:
    """Start the run, or go on with it."""
    command = [sys.executable, "-c", "from netc.cli import main; main()", "train", "net.net", "--executor", executor]
    if state := newest(folder):
        command += ["--snapshot", state]
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(command, cwd=folder, env=ENVIRONMENT, stdout=log, stderr=log)


def newest(folder: Path) -> str:
    """The state file of the highest iteration, or nothing."""
    states = (path.name for path in folder.glob("run_iter_*.solverstate"))
    return max(states, key=lambda name: int(name.removesuffix(".solverstate").rpartition("_")[2]), default="")


def snapshots(folder: Path) -> set[str]:
    """The files of all snapshots."""
    return {path.name for path in folder.glob("run_iter_*")}


def kills(base: Path, whole: Path, seconds: float, executor: str, chance: random.Random) -> Iterator[Kill]:
    """Start, kill, compare, go on; endlessly."""
    folder = base / "killed"
    while True:
        if not folder.exists() or (folder / f"run_iter_{ITERATIONS}.solverstate").exists():
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(base / "data", folder)
        before, moment = snapshots(folder), chance.uniform(0, seconds)
        process = start(folder, executor)
        try:
            process.wait(moment)
        except subprocess.TimeoutExpired:
            process.kill()
        ended = process.wait()
        new = snapshots(folder) - before
        wrong = [name for name in sorted(new) if (folder / name).read_bytes() != (whole / name).read_bytes()]
        if ended == -signal.SIGKILL:
            yield Kill(moment, newest(folder), len(new), len(list(folder.glob(".run_iter_*.tmp"))), tuple(wrong))
        elif ended or wrong:
            said = (folder / "log").read_text(errors="replace")[-2000:]
            yield Kill(moment, newest(folder), len(new), 0, tuple(wrong) or (f"ended with {ended}: {said}",))


def run(count: int, seed: int) -> Tally:
    """Kill `count` runs, on the fast and the reference executor by turns."""
    tally = Tally()
    for number, executor in enumerate(("fast", "reference")):
        share = count // 2 + (count % 2 if number == 0 else 0)
        if share:
            _run(tally, share, executor, random.Random(seed + number))
    return tally


def _run(tally: Tally, count: int, executor: str, chance: random.Random) -> None:
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        (base / "data").mkdir()
        prepare(base / "data", ITERATIONS, EVERY)
        whole = shutil.copytree(base / "data", base / "whole")
        start(whole, executor).wait()  # compiles
        for path in snapshots(whole):
            (whole / path).unlink()
        began = time.monotonic()
        if start(whole, executor).wait():
            tally.fail((whole / "log").read_text(errors="replace"))
            return
        seconds = time.monotonic() - began
        for _, kill in zip(range(count), kills(base, whole, seconds, executor, chance), strict=False):
            tally.add("kills")
            tally.add("snapshot files compared", kill.new)
            tally.add("kills that left a file unfinished", int(kill.unfinished > 0))
            if kill.wrong:
                tally.fail(
                    f"{executor}, killed after {kill.moment:.2f} s, {kill.state or 'no state yet'}: {kill.wrong}"
                )
