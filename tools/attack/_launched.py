"""Runs of `netc train` on several ranks of this machine, and a small net for them. Linux only."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

NET = """
train { data, label = Digits() { split: "train" batch_size: 8 shuffle: true } }
test { data, label = Digits() { split: "test" batch_size: 20 } }
h = Convolution(data) { num_output: 4 kernel_size: 3 weight_filler { type: "msra" } }
h = BatchNorm(h)
h = Scale(h) { bias_term: true }
h = ReLU(h)
h = Dropout(h) { dropout_ratio: 0.3 }
h as ip = InnerProduct(h) { num_output: 10 weight_filler { type: "xavier" } }
test { accuracy = Accuracy(h, label) }
loss = SoftmaxWithLoss(h, label)
solver { test_iter: 3 random_seed: 5 snapshot_prefix: "net" SETTINGS }
"""
"""A net on data that comes with netc, with statistics and random draws; SETTINGS are the solver's other fields."""


def launcher() -> str | None:
    """The mpiexec beside this Python, or the first on the path."""
    return shutil.which("mpiexec", path=os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", ""))))


def missing() -> str:
    """Why nothing can be launched here; nothing if it can."""
    if find_spec("mpi4py") is None:
        return "mpi4py is not installed"
    return "" if launcher() else "there is no mpiexec"


def start(
    folder: Path, size: int, net: str, *options: str, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Train a net, which becomes `net.net` in the folder, on so many ranks of one thread; what they say goes to `log`.

    environment: of all ranks, beside that of this process.
    """
    (folder / "net.net").write_text(net)
    mpi = [str(launcher()), "-n", str(size)] if size > 1 else []
    train = [sys.executable, "-c", "from netc.cli import main; main()", "train", "net.net", "--threads", "1", *options]
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            [*mpi, *train], cwd=folder, stdout=log, stderr=log, env={**os.environ, **(environment or {})}
        )


def said(folder: Path) -> str:
    """What the ranks of a folder have said."""
    return (folder / "log").read_text(errors="replace")


def descendants(pid: int) -> list[int]:
    """The processes that a process has started, and theirs; none if it has ended."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [found for child in map(int, children) for found in (child, *descendants(child))]
