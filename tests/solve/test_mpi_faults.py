"""Faults of ranks under a real launcher: all end with an exit code, and a message; the newest snapshot is whole."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import netc
from tools.attack._launched import NET, command, launcher, missing, said, start

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())

SETTINGS = 'base_lr: 0.05 lr_policy: "fixed" snapshot: 1 iter_size: 1 max_iter: '
EXAMPLE = Path(__file__).parents[2] / "docs/examples/squareplus.py"
FULL = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
"""  # writing more fails, as on a full disk
ENDS = 100  # seconds at most


def test_a_full_disk_of_rank_0_ends_all_and_harms_no_snapshot(tmp_path: Path) -> None:
    """Training goes on without snapshots; its end is an error."""
    net = NET.replace("SETTINGS", SETTINGS + "2")
    assert start(tmp_path, 2, net).wait(ENDS) == 0
    saved = {path.name: path.read_bytes() for path in tmp_path.glob("net_iter_*")}
    (tmp_path / "full.py").write_text(EXAMPLE.read_text() + FULL)  # it is read when MPI has its own files
    options = ["--snapshot", "net_iter_2.solverstate", "--layers", "full.py"]
    assert start(tmp_path, 2, NET.replace("SETTINGS", SETTINGS + "5"), *options).wait(ENDS) == 1
    heard = said(tmp_path)
    assert "warning[SNP020]" in heard
    assert "error[SNP020]" in heard
    assert "net_iter_5.caffemodel cannot be written: file too large" in heard
    assert "Traceback" not in heard
    assert {path.name: path.read_bytes() for path in tmp_path.glob("net_iter_*")} == saved


PHOTOS = """
data, label = ImageData() { source: "list" batch_size: 2 }
h as ip = InnerProduct(data) { num_output: 2 weight_filler { type: "xavier" } }
loss = SoftmaxWithLoss(h, label)
solver { snapshot_prefix: "net" random_seed: 5 base_lr: 0.0001 lr_policy: "fixed" snapshot: 20 max_iter: 20
         display: 0 }
"""


def photos(folder: Path) -> None:
    """A net and its twenty photos."""
    folder.mkdir()
    drawn = np.random.default_rng(1)
    for number in range(20):
        Image.fromarray(drawn.integers(0, 255, (4, 4, 3), np.uint8)).save(folder / f"{number}.png")
    (folder / "list").write_text("".join(f"{number}.png {number % 2}\n" for number in range(20)))
    (folder / "net.net").write_text(PHOTOS)


def on_two_machines(one: Path, other: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """A rank in each folder."""
    ranks = [f"-n 1 -wdir {folder}".split() + command("net.net", *options) for folder in (one, other)]
    return subprocess.run(
        [str(launcher()), *ranks[0], ":", *ranks[1]], capture_output=True, text=True, timeout=ENDS, check=False
    )


def end_because_of(done: subprocess.CompletedProcess[str], file: str) -> None:
    """All ranks have ended, and the second one has said that it cannot read a file."""
    assert done.returncode == 1
    assert re.search(r"^rank 1:\n\S+: error\[DAT\d+\]: .*" + file, done.stderr, re.M)
    assert "Traceback" not in done.stderr


def test_a_rank_that_has_no_data_ends_all(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    photos(one)
    shutil.copytree(one, other)
    (other / "list").unlink()
    end_because_of(on_two_machines(one, other), "list")


def test_a_rank_that_cannot_read_a_record_ends_all(tmp_path: Path) -> None:
    """One of the second rank's; what a run begins with is looked at by all of them, so this one goes on."""
    folder = tmp_path / "run"
    photos(folder)
    netc.Solver(folder / "net.net", changes={"snapshot_prefix": str(folder / "net")}).solve(stop_at=1)
    saved = {path.name: path.read_bytes() for path in folder.glob("net_iter_1.*")}
    (folder / "16.png").write_bytes(b"")
    options = ["--snapshot", "net_iter_1.solverstate", "--data-changed", "continue"]
    end_because_of(on_two_machines(folder, folder, *options), "16.png")
    assert {path.name: path.read_bytes() for path in folder.glob("net_iter_*")} == saved
