"""Runs of `netc train` on several ranks of this machine, and a small net for them. Linux only."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
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


def command(net: str, *options: str) -> list[str]:
    """`netc train` with one thread."""
    return [sys.executable, "-c", "from netc.cli import main; main()", "train", net, "--threads", "1", *options]


def start(folder: Path, size: int, net: str, *options: str) -> subprocess.Popen[bytes]:
    """Train a net, which becomes `net.net` in the folder, on so many ranks; what they say goes to `log`."""
    (folder / "net.net").write_text(net)
    mpi = [str(launcher()), "-n", str(size)] if size > 1 else []
    with (folder / "log").open("wb") as log:
        return subprocess.Popen([*mpi, *command("net.net", *options)], cwd=folder, stdout=log, stderr=log)


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
