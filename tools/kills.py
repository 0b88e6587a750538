"""Kill a training run at random moments, and compare it with a run that never stopped: `python -m tools.kills`.

The net reads two sources (an LMDB with random crops, mirror images, rotation, contrast, noise and cut-out, and a
shuffled HDF5 file), has Dropout and BatchNorm, and is trained by Adam with snapshots. First one run goes through.
Then runs are started and killed (SIGKILL: no handler runs) at moments drawn from the time that the whole run took, each
going on from the newest state file that is there; a run that came to its end makes place for a fresh one. After every
kill, all snapshots written since must be, byte for byte, those of the first run. Exit code 1 if one is not.
"""

from __future__ import annotations

import argparse
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


def kills(base: Path, whole: Path, seconds: float, options: argparse.Namespace) -> Iterator[Kill]:
    """Start, kill, compare, go on; endlessly."""
    chance, folder = random.Random(options.seed), base / "killed"
    while True:
        if not folder.exists() or (folder / f"run_iter_{options.iterations}.solverstate").exists():
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(base / "data", folder)
        before, moment = snapshots(folder), chance.uniform(0, seconds)
        process = start(folder, options.executor)
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
            raise SystemExit(f"a run ended with {ended}; differing snapshots: {wrong}\n{said}")


def main() -> int:
    """Print a line for each kill, and the sum."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--iterations", type=int, default=200, help="of a whole run")
    parser.add_argument("--every", type=int, default=5, help="iterations between snapshots")
    parser.add_argument("--executor", default="fast", choices=("fast", "reference"))
    parser.add_argument("--seed", type=int, default=1, help="of the moments")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        (base / "data").mkdir()
        prepare(base / "data", options.iterations, options.every)
        whole = shutil.copytree(base / "data", base / "whole")
        start(whole, options.executor).wait()  # compiles
        for path in snapshots(whole):
            (whole / path).unlink()
        began = time.monotonic()
        if start(whole, options.executor).wait():
            raise SystemExit((whole / "log").read_text(errors="replace"))
        found = _table(kills(base, whole, time.monotonic() - began, options), options.kills)
    print(f"\n{len(found)} kills, {sum(k.new for k in found)} snapshot files compared, ", end="")
    print(f"{sum(k.unfinished > 0 for k in found)} kills left a file unfinished, ", end="")
    print(f"{sum(len(k.wrong) for k in found)} files differ")
    return int(any(k.wrong for k in found))


def _table(kills: Iterator[Kill], count: int) -> list[Kill]:
    print(f"{'kill':>4} {'after s':>8}  {'newest state':<26} {'new files':>9} {'cut':>4}  result")
    found = []
    for number, kill in zip(range(1, count + 1), kills, strict=False):
        result = "differs: " + ", ".join(kill.wrong) if kill.wrong else "same bits"
        state = kill.state or "none yet"
        print(f"{number:>4} {kill.moment:>8.2f}  {state:<26} {kill.new:>9} {kill.unfinished:>4}  {result}", flush=True)
        found.append(kill)
    return found


if __name__ == "__main__":
    sys.exit(main())
