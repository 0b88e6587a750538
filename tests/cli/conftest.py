"""Running the command as a person would: a process of its own, real files."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
COMMAND = [sys.executable, "-c", "from netc.cli import main; main()"]


@dataclass(frozen=True)
class Done:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str


Run = Callable[..., Done]


def environment() -> dict[str, str]:
    """Without colours; netc importable from any directory."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run netc in an empty directory; a traceback fails whatever the test expects."""

    def call(*arguments: str | Path, timeout: float = 120) -> Done:
        done = subprocess.run(
            [*COMMAND, *map(str, arguments)],
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Done(done.returncode, done.stdout, done.stderr)

    return call


SMALL = """
name: "small"
layer {
  name: "data" type: "Digits" top: "data" top: "label" include { phase: TRAIN }
  digits_param { split: "train" batch_size: 16 }
}
layer {
  name: "data" type: "Digits" top: "data" top: "label" include { phase: TEST }
  digits_param { split: "test" batch_size: 50 }
}
layer {
  name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param { num_output: 10 weight_filler { type: "xavier" } }
}
layer { name: "accuracy" type: "Accuracy" bottom: "ip" bottom: "label" top: "accuracy" include { phase: TEST } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
solver {
  base_lr: 0.1 momentum: 0.9 max_iter: 40 test_iter: 4 test_interval: 20 random_seed: 3 snapshot_prefix: "small"
}
"""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A net that trains in a moment."""
    path = tmp_path / "small.net"
    path.write_text(SMALL)
    return path
